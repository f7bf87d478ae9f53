use super::*;
use crate::Error;

const SHAPE: [usize; 4] = [4, 2, 3, 3];

fn images(n: usize, value: f32) -> Tensor<4> {
    let [_, channels, height, width] = SHAPE;
    Tensor::full([n, channels, height, width], value, &Device::flex())
}

fn read(state: &TrainerState, device: u32) -> Option<(u64, Vec<f32>)> {
    let state = state.lock();
    let worker = state.idle.iter().find(|worker| worker.device == device)?;
    let delta = worker.perturbation.clone()?.try_into_vec_as().ok()?;
    Some((worker.steps, delta))
}

/// Two devices, whose perturbations are 1 and 2.
fn trained() -> TrainerState {
    let state = TrainerState::new(Device::flex());
    for index in [1, 0] {
        let mut worker = state.take(index);
        worker.perturbation(&images(4, 0.0), None).unwrap();
        worker.carry(images(4, 1.0 + index as f32));
        worker.steps = 10 + u64::from(index);
        state.give_back(worker);
    }
    state.end_pass(7);
    state.pause_pass(5);
    state
}

#[test]
fn a_smaller_batch_uses_and_moves_the_first_rows() {
    let mut worker = Worker::default();
    worker.perturbation(&images(4, 0.0), None).unwrap();
    worker.carry(images(4, 1.0));
    assert_eq!(worker.perturbation(&images(3, 0.0), None).unwrap().dims(), [3, 2, 3, 3]);
    worker.carry(images(3, 2.0));
    let rows: Vec<f32> =
        worker.perturbation(&images(4, 0.0), None).unwrap().try_into_vec_as().unwrap();
    let per_row: Vec<f32> = rows.chunks(18).map(|row| row.iter().sum::<f32>() / 18.0).collect();
    assert_eq!(per_row, [2.0, 2.0, 2.0, 1.0]);
}

#[test]
fn every_devices_worker_is_recorded_and_restored() {
    let restored = TrainerState::new(Device::flex());
    let bytes = trained().into_record().into_bytes().unwrap();
    let record = burn::store::ModuleRecord::from_bytes(bytes).unwrap();
    restored.clone().try_load_record(record).unwrap();
    assert_eq!(read(&restored, 0), Some((10, vec![1.0; 72])));
    assert_eq!(read(&restored, 1), Some((11, vec![2.0; 72])));
    assert_eq!((restored.passes(), restored.position(), restored.steps()), (7, 5, 21));
}

#[test]
fn a_state_before_its_first_step_is_recorded_and_restored() {
    let fresh = TrainerState::new(Device::flex());
    let restored = trained();
    restored.clone().try_load_record(fresh.into_record()).unwrap();
    assert_eq!((restored.passes(), restored.steps()), (0, 0));
    assert_eq!(read(&restored, 0), None);
}

#[test]
fn draws_differ_from_step_to_step_and_from_device_to_device() {
    let draw = |steps, device| -> Vec<f32> {
        let worker = Worker { steps, device, ..Worker::default() };
        let draws = worker.draws(0, 2).uniform([2, 8], &Device::flex());
        draws.try_into_vec_as().unwrap()
    };
    assert_eq!(draw(3, 0), draw(3, 0));
    assert_ne!(draw(3, 0), draw(4, 0));
    assert_ne!(draw(3, 0), draw(3, 1));
}

#[test]
fn a_step_that_fails_or_panics_leaves_the_worker_as_it_was() {
    let state = trained();
    let worker_of = |key: u32| read(&state, key).unwrap();
    let flex = key_of(&Device::flex());
    state.give_back(Worker { device: flex, ..state.take(0) });
    let before = worker_of(flex);
    let failed = state.with_worker::<()>(&Device::flex(), |worker| {
        worker.carry(images(4, 9.0));
        Err(Error::EmptyBatch.into())
    });
    assert_eq!((failed, worker_of(flex)), (Err(Error::EmptyBatch.into()), before.clone()));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        state.with_worker::<()>(&Device::flex(), |_| panic!("a worker of Burn's catches this"))
    }));
    assert!(panicked.is_err());
    assert_eq!(worker_of(flex), before);
    state.with_worker(&Device::flex(), |_| Ok(())).unwrap();
    assert_eq!(worker_of(flex).0, before.0 + 1);
}

#[test]
fn a_restored_worker_goes_to_a_device_of_another_kind() {
    let restored = TrainerState::new(Device::flex());
    restored.clone().try_load_record(trained().into_record()).unwrap();
    let first = restored.take(key_of(&Device::flex()));
    assert_eq!((first.steps, first.perturbation.is_some()), (10, true));
    let own = trained().take(77);
    assert_eq!((own.steps, own.perturbation.is_none()), (0, true), "only restored ones move");
}

#[test]
fn a_smaller_first_batch_may_come_where_the_largest_is_known() {
    let mut worker = Worker::default();
    assert_eq!(worker.perturbation(&images(2, 0.0), Some(4)).unwrap().dims(), [2, 2, 3, 3]);
    worker.carry(images(2, 1.0));
    assert!(worker.perturbation(&images(4, 0.0), Some(4)).is_ok());
    let refused = worker.perturbation(&images(5, 0.0), Some(4)).unwrap_err();
    assert_eq!(refused, TrainError::BatchTooLarge { allowed: 4, found: 5 });
}
