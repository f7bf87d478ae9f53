//! Burn's training loop, a loop of one's own, and both interrupted, all end the same.

use std::path::Path;

use burn::module::Module;
use burn::optim::lr_scheduler::constant::ConstantLr;
use free_at::prelude::*;
use free_at::train::{Descend, Method};

use crate::catalogue::{for_each_method, trainer_of};
use crate::nets::{ConvNet, launch, linf, loader, sgd, state};

const SEED: u64 = 3;
const RATE: f64 = 0.05;

fn free() -> FreeAdversarialTrainer {
    trainer_of(FreeConfig::new(linf(0.1)).with_replays(3))
}

fn perturbation<M: Method>(trainer: &Trainer<M>) -> Option<Vec<f32>> {
    let delta = trainer.state().perturbation(trainer.device())?;
    Some(delta.try_into_vec_as().unwrap())
}

/// A run of Burn's loop to `epochs`, from a checkpoint if one is named.
fn burn_loop<M: Descend<4>>(
    trainer: &Trainer<M>,
    seed: u64,
    directory: &Path,
    from: Option<usize>,
    epochs: usize,
) -> ConvNet {
    let model = ConvNet::new(seed, trainer.device());
    let loaders = [loader(Some(SEED)), loader(None)];
    let result = launch(trainer, model, loaders, directory, (from, epochs), RATE);
    assert!(result.error.is_none());
    result.model.into_classifier()
}

fn own_loop<M: Descend<4>>(trainer: &Trainer<M>, seed: u64, epochs: usize) -> ConvNet {
    let mut model = ConvNet::new(seed, trainer.device());
    let mut optimizer = sgd();
    let data = loader(Some(SEED)).to_device(trainer.device());
    for _ in 0..epochs {
        for batch in data.iter() {
            let batch = batch.unwrap();
            for _ in 0..trainer.replays() {
                (model, _) = trainer.step(model, &mut optimizer, RATE, &batch).unwrap();
            }
        }
    }
    model
}

#[test]
fn a_loop_of_ones_own_and_burns_end_in_the_same_parameters() {
    fn test<M: Descend<4>>(method: M) {
        let directory = tempfile::tempdir().unwrap();
        let (burns, own) = (trainer_of(method.clone()), trainer_of(method.clone()));
        let by_burn = burn_loop(&burns, 1, directory.path(), None, 2);
        let by_hand = own_loop(&own, 1, 2);
        assert_eq!(state(&by_burn), state(&by_hand), "{}", method.name());
        assert_eq!(perturbation(&burns), perturbation(&own));
        let steps = 6 * own.replays() as u64;
        assert_eq!((burns.state().steps(), own.state().steps()), (steps, steps));
    }
    for_each_method!(Adversary::new(linf(0.1)).with_seed(5), test());
    let free = free();
    own_loop(&free, 1, 2);
    assert!(perturbation(&free).unwrap().iter().any(|delta| *delta != 0.0));
}

fn resumes<M: Descend<4>>(method: M) {
    let new = || trainer_of(method.clone());
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let uninterrupted = new();
    let expected = burn_loop(&uninterrupted, 1, whole.path(), None, 4);
    burn_loop(&new(), 1, parts.path(), None, 2);
    // Everything is new but the files, and the fresh weights are others.
    let resumed = new();
    let found = burn_loop(&resumed, 2, parts.path(), Some(2), 4);
    assert_eq!(state(&found), state(&expected), "{}", method.name());
    assert_eq!(perturbation(&resumed), perturbation(&uninterrupted));
    assert_eq!(resumed.state().steps(), uninterrupted.state().steps());
}

#[test]
fn training_resumed_from_a_checkpoint_ends_as_if_never_stopped() {
    for_each_method!(Adversary::new(linf(0.1)).with_seed(5), resumes());
}

#[test]
fn the_state_of_a_loop_of_ones_own_can_be_saved_and_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.bpk");
    let (first, second) = (free(), free());
    own_loop(&first, 1, 1);
    first.state().clone().save_file(&file).unwrap();
    second.state().clone().try_load_file(&file).unwrap();
    assert!(perturbation(&first).is_some());
    assert_eq!(perturbation(&second), perturbation(&first));
    assert_eq!(second.state().steps(), first.state().steps());
}

#[test]
fn a_checkpoint_loads_whatever_the_new_trainer_did_before() {
    let record = || {
        let trainer = free();
        own_loop(&trainer, 1, 1);
        trainer.state().clone().into_record()
    };
    let used = free();
    own_loop(&used, 9, 2);
    used.state().clone().try_load_record(record()).unwrap();
    let fresh = free();
    fresh.state().clone().try_load_record(record()).unwrap();
    assert_eq!(perturbation(&used), perturbation(&fresh));
}

#[test]
fn two_workers_train_in_burns_multi_device_strategy() {
    use burn::train::{ExecutionStrategy, MultiDeviceOptim};
    const EPSILON: f32 = 0.1;
    let directory = tempfile::tempdir().unwrap();
    let trainer = free();
    let devices = vec![trainer.device().clone(); 2];
    let strategy = ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice);
    let model = ConvNet::new(1, trainer.device());
    let before = state(&model);
    let result = trainer
        .training(directory.path(), loader(Some(SEED)), loader(None))
        .with_training_strategy(strategy.into())
        .with_application_logger(None)
        .num_epochs(2)
        .launch(trainer.learner(model, sgd(), ConstantLr::new(RATE)).unwrap());
    assert!(result.error.is_none() && trainer.failure().is_none());
    // Each worker has half of the 22 images: 2 minibatches, 3 replays, 2 passes.
    assert_eq!(trainer.state().steps(), 2 * 2 * 3 * 2);
    let largest = perturbation(&trainer).unwrap().into_iter().fold(0.0, |a: f32, d| a.max(d.abs()));
    assert!(largest > 0.0 && largest <= EPSILON);
    assert_ne!(state(&result.model.into_classifier()), before);
}
