//! What attacks, methods and observers of another crate say comes out as they said it.

use std::error::Error as StdError;

use burn::tensor::Device;
use free_at::Trainable;
use free_at::attacks::{AttackTask, EvaluationError};
use free_at::prelude::*;
use free_at::train::{Descend, Descent, GradientObserver, Method, Observation, Step, TrainError};

use crate::attack_of::attack_of;
use crate::catalogue::trainer_of;
use crate::nets::{ConvNet, RowNet, images, linf, rows, sgd};

#[derive(Debug, PartialEq)]
struct Refused;

#[derive(Debug, PartialEq)]
struct Why;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused by a crate of somebody else")
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it did not like it")
    }
}

impl StdError for Why {}

impl StdError for Refused {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&Why)
    }
}

/// Its type, its words and its source are all there.
fn assert_kept(error: &Error) {
    let Error::Other(foreign) = error else { panic!("{error:?}") };
    assert_eq!(foreign.downcast_ref::<Refused>(), Some(&Refused));
    assert_eq!(error.to_string(), Refused.to_string());
    assert_eq!(error.source().and_then(|source| source.downcast_ref::<Why>()), Some(&Why));
}

fn assert_kept_in_training(error: &TrainError) {
    let TrainError::Core(core) = error else { panic!("{error:?}") };
    assert_kept(core);
    assert_eq!(error.to_string(), Refused.to_string());
    assert!(error.source().is_some_and(|source| source.is::<Why>()));
}

#[derive(Debug, Clone)]
struct Refuses;

impl Method for Refuses {
    fn name(&self) -> String {
        "refuses".into()
    }
    fn check(&self) -> Result<(), TrainError> {
        Ok(())
    }
    fn gradient_computations(&self) -> usize {
        1
    }
}

impl<const D: usize> Descend<D> for Refuses {
    fn descend<C: Trainable<D>>(&self, _: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        Err(Error::other(Refused).into())
    }
}

impl GradientObserver for Refuses {
    fn observe(&self, _: &Observation<'_>) -> Result<(), Error> {
        Err(Error::other(Refused))
    }
}

#[test]
fn an_attacks() {
    let model = RowNet::new(1, &Device::flex());
    let attack = attack_of("refuses", |_: &AttackTask<2>| Err(Error::other(Refused)));
    let refused = Evaluation::new(linf(0.1)).attack(attack).run(&model, &*rows(&model, 5));
    match refused.unwrap_err() {
        EvaluationError::Core(error) => assert_kept(&error),
        other => panic!("{other:?}"),
    }
}

fn step_of<M: Descend<4>>(trainer: Trainer<M>) -> TrainError {
    let (model, batch) = (ConvNet::new(1, trainer.device()), images(4, 1, trainer.device()));
    trainer.step(model, &mut sgd(), 0.1, &batch).err().expect("it refuses").error
}

#[test]
fn a_methods_and_an_attacks_in_training() {
    assert_kept_in_training(&step_of(trainer_of(Refuses)));
    let attack = attack_of("refuses", |_: &AttackTask<4>| Err(Error::other(Refused)));
    assert_kept_in_training(&step_of(trainer_of(AdversarialConfig::new(linf(0.1), attack))));
}

#[test]
fn an_observers() {
    let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    assert_kept_in_training(&step_of(trainer.observing(Refuses)));
}
