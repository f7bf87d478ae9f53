//! What can go wrong with a network's configuration or its weights: one variant per cause.

use std::path::Path;

/// Every way in which a configuration, a name or a file of weights can be refused.
///
/// Samples of a shape that a network does not take are
/// [`Error::InputShape`](free_at_core::Error::InputShape), as everywhere.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A parameter of a configuration out of its range.
    #[error("{model}: {parameter} must be {allowed}, found {found}")]
    Parameter {
        /// The network or layer.
        model: &'static str,
        /// The parameter's name.
        parameter: &'static str,
        /// The range allowed.
        allowed: &'static str,
        /// The value found.
        found: String,
    },

    /// A name that stands for no network.
    #[error("no network is named `{name}`: there are {known}")]
    UnknownArchitecture {
        /// The name found.
        name: String,
        /// The names there are.
        known: String,
    },

    /// A file of weights could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },

    /// A file that is no checkpoint, or no longer the one that was written.
    #[error("{path} cannot be read as a PyTorch or safetensors checkpoint: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A checkpoint with an object of Python that is not read here, beside its weights or in their place.
    #[error(
        "{path} has an object of Python that is not read here ({reason}): save the weights alone, in PyTorch, by \
         torch.save(torch.load({path:?}, weights_only=False)[\"state_dict\"], \"weights.pt\"), or by another key that \
         they have there"
    )]
    Object {
        /// The file.
        path: String,
        /// What the reader found.
        reason: String,
    },

    /// A file with several state dictionaries of a network, or with one under a key that is not usual.
    #[error(
        "{path} has weights of {model} under {}: choose by `Weights::under` (in the examples, --under)",
        shown(.found)
    )]
    StateDicts {
        /// The file.
        path: String,
        /// The network.
        model: String,
        /// The keys.
        found: Vec<String>,
    },

    /// A key under which a file has no tensors.
    #[error("{path} has nothing under `{key}`; it has {}", shown(.found))]
    Key {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// The first part of every name in the file.
        found: Vec<String>,
    },

    /// Weights of a network whose convolutions took in their batch norms.
    #[error(
        "{path} has no batch norms, but biases in convolutions of {model} that have none: the network was fused. Save \
         its weights before `fuse_modules` or `fuse_conv_bn_eval`"
    )]
    Fused {
        /// The file.
        path: String,
        /// The network.
        model: String,
    },

    /// NaN or infinity for weights, or what is infinite in the network's float type.
    #[error(
        "{path} has NaN or infinity, where finite numbers are expected, in {}: take weights from before training \
         diverged",
        shown(.tensors)
    )]
    NotFinite {
        /// The file.
        path: String,
        /// The tensors.
        tensors: Vec<String>,
    },

    /// Running variances below 0.
    #[error(
        "{path} has variances below 0, of which there is no square root, in {}: save the weights again",
        shown(.tensors)
    )]
    NegativeVariance {
        /// The file.
        path: String,
        /// The tensors.
        tensors: Vec<String>,
    },

    /// Weights of another network.
    #[error("{path} does not fit {model}: {mismatch}")]
    Mismatch {
        /// The file.
        path: String,
        /// The network.
        model: String,
        /// Every tensor that does not fit.
        mismatch: Box<Mismatch>,
    },
}

/// Names of each kind that a message shows; the error has them all.
const SHOWN: usize = 10;

fn shown(names: &[String]) -> String {
    let first = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    first.join(", ") + &more
}

/// How the tensors of a file differ from those of a network, by their names in PyTorch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mismatch {
    /// The network has them, the file has not; also names that two of the network's tensors share.
    pub missing: Vec<String>,
    /// The file has them, the network has not.
    pub unused: Vec<String>,
    /// Both have them, in different shapes.
    pub wrong_shape: Vec<WrongShape>,
    /// Both have them, but the file holds another kind of number: integers for floats, say.
    pub wrong_type: Vec<String>,
    /// Mean and standard deviation of the inputs that the file has, for which the network has no place.
    pub normalization: Vec<String>,
}

/// A tensor whose shape is another one in the file than in the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongShape {
    /// Its name.
    pub name: String,
    /// The network's shape.
    pub expected: Vec<usize>,
    /// The file's shape.
    pub found: Vec<usize>,
}

impl Mismatch {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        let Self { missing, unused, wrong_shape, wrong_type, normalization } = self;
        let names = [missing, unused, wrong_type, normalization];
        wrong_shape.is_empty() && names.into_iter().all(Vec::is_empty)
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |what: &str, names: &[String], advice: &str| match names {
            [] => None,
            names => Some(format!("{what}: {} ({advice})", shown(names))),
        };
        let shapes: Vec<String> = self
            .wrong_shape
            .iter()
            .map(|WrongShape { name, expected, found }| {
                format!("{name} is {found:?}, expected {expected:?}")
            })
            .collect();
        let parts = [
            list("missing", &self.missing, "is it another architecture?"),
            list("not used", &self.unused, "`Weights::ignoring` passes over what is not needed"),
            list("of another shape", &shapes, "check width, channels and classes"),
            list("of another type", &self.wrong_type, "weights are floats"),
            list(
                "normalisation",
                &self.normalization,
                "load it into a `Normalized` of as many channels",
            ),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

impl ModelError {
    pub(crate) fn file(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::File { path: path.display().to_string(), reason: reason.to_string() }
    }

    pub(crate) fn damaged(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Damaged { path: path.display().to_string(), reason: reason.to_string() }
    }
}

/// The largest size that a configuration may have: this catches nonsense, not every network that is too
/// large for memory.
const LARGEST: usize = 1 << 16;

/// Refuses sizes of 0 and beyond reason.
pub(crate) fn sizes(
    model: &'static str,
    sizes: &[(&'static str, usize)],
) -> Result<(), ModelError> {
    match sizes.iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
        None => Ok(()),
        Some((parameter, size)) => Err(ModelError::Parameter {
            model,
            parameter,
            allowed: "from 1 to 65,536",
            found: size.to_string(),
        }),
    }
}

/// What `init` does about a configuration that `check` refuses.
#[track_caller]
pub(crate) fn must(check: Result<(), ModelError>) {
    if let Err(error) = check {
        panic!("{error}");
    }
}
