//! What an evaluation is to do.

use std::path::PathBuf;
use std::sync::Arc;

use free_at_core::{Attack, Bounds, Error, Target, ThreatModel};

use crate::error::EvaluationError;
use crate::progress::Progress;
use crate::warning::Warning;

/// The parameters of an evaluation, as its builder describes them.
#[derive(Clone)]
pub(crate) struct Plan<const D: usize> {
    pub(crate) threat: ThreatModel,
    pub(crate) attacks: Vec<Arc<dyn Attack<D>>>,
    pub(crate) target: Option<Target>,
    pub(crate) seed: u64,
    pub(crate) batch_size: Option<usize>,
    pub(crate) cascade: bool,
    pub(crate) quantized: bool,
    pub(crate) progress: Option<Arc<dyn Progress>>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) examples: Option<PathBuf>,
}

impl<const D: usize> Plan<D> {
    pub(crate) fn new(threat: ThreatModel) -> Self {
        Self {
            threat,
            attacks: Vec::new(),
            target: None,
            seed: 0,
            batch_size: None,
            cascade: true,
            quantized: false,
            progress: None,
            record: None,
            examples: None,
        }
    }

    pub(crate) fn is_targeted(&self) -> bool {
        self.target.is_some()
    }

    /// The same for a model of so many classes: attacks that aim at more wrong ones than it has aim at all of them, which
    /// the report says.
    pub(crate) fn for_classes(&self, classes: usize) -> (Self, Vec<Warning>) {
        let mut fewer = Vec::new();
        let attack = |attack: &Arc<dyn Attack<D>>| match attack.for_classes(classes) {
            Some(fitted) if !self.is_targeted() => {
                fewer.push(Warning::FewerTargets { attack: attack.name(), classes });
                fitted
            }
            _ => attack.clone(),
        };
        let attacks = self.attacks.iter().map(attack).collect();
        (Self { attacks, ..self.clone() }, fewer)
    }

    /// Accepts what can be told to make sense before the data are read.
    pub(crate) fn check(&self) -> Result<(), EvaluationError> {
        self.threat.check()?;
        self.attacks.iter().try_for_each(|attack| attack.check())?;
        if self.batch_size == Some(0) {
            return Err(Error::BatchSize.into());
        }
        if self.quantized && *self.threat.bounds() != Bounds::default() {
            return Err(Error::Unsupported {
                attack: "the accuracy with 8 bits".into(),
                what: format!("input bounds {:?}", self.threat.bounds()),
                instead: "have images in [0, 1], the default bounds".into(),
            }
            .into());
        }
        let names: Vec<String> = self.attacks.iter().map(|attack| attack.name()).collect();
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, name)) => Err(EvaluationError::DuplicateAttack { name: name.clone() }),
            None if names.is_empty() => Err(EvaluationError::NoAttack),
            None => Ok(()),
        }
    }
}
