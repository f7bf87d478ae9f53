//! What can keep an evaluation from a result.

use burn::data::dataset::DatasetError;
use free_at_core::Error;

/// Why an evaluation was refused or ended early. Data, models, threat models and attacks that are wrong are
/// [`Core`](Self::Core).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// An adversarial example outside the ball or the input bounds: a defect of its attack.
    #[error(
        "{attack} moved a sample by {found}, where {allowed} is allowed: its result cannot be counted"
    )]
    OutsideThreatModel {
        /// The attack's name.
        attack: String,
        /// The largest perturbation found, or how far an input bound was passed.
        found: f64,
        /// The threat model's epsilon, or 0 for an input bound.
        allowed: f64,
    },

    /// Two attacks of one evaluation that a report could not tell apart.
    #[error("the evaluation has two attacks named {name}: run them in two evaluations")]
    DuplicateAttack {
        /// The name.
        name: String,
    },

    /// Data in another order, or transformed otherwise, each time.
    #[error(
        "the data loader gives other batches each time it is asked, as one that shuffles or transforms at random does, or one of Burn's with several workers; verdicts go by a sample's place in the data: evaluate over a loader without a seed"
    )]
    Shuffled,

    /// An evaluation without an attack.
    #[error("an evaluation needs at least one attack: add `Pgd::new(20)`, say")]
    NoAttack,

    /// An evaluation whose progress said stop.
    #[error("the evaluation was stopped: run it again with the same record to go on")]
    Stopped,

    /// A record of another evaluation than the one that is to be resumed.
    #[error(
        "{path} belongs to another evaluation (hash {found}, this one's is {expected}): the attacks, the threat model, the seed, the data or the model differ, so use another file"
    )]
    OtherEvaluation {
        /// The file.
        path: String,
        /// The hash of this evaluation.
        expected: String,
        /// The hash in the file.
        found: String,
    },

    /// A report of other attacks than AutoAttack's standard version.
    #[error(
        "an entry of RobustBench is made of AutoAttack's standard version, untargeted, and not of {found}: evaluate with `AutoAttack::standard().attacks()`"
    )]
    NotStandard {
        /// The attacks of the report.
        found: String,
    },

    /// Reports that cannot be of one model on the same data.
    #[error(
        "the clean answers of the report in {other} are not those of the one in {first}: a union is of one model on the same data"
    )]
    OtherData {
        /// The threat model of the first report.
        first: String,
        /// That of the one that differs.
        other: String,
    },

    /// Data, a model, a threat model, an attack or a file that is wrong, and what a foreign attack says.
    #[error(transparent)]
    Core(#[from] Error),
}

impl From<DatasetError> for EvaluationError {
    fn from(error: DatasetError) -> Self {
        Error::from(error).into()
    }
}
