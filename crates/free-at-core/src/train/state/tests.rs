use super::*;

const SHAPE: [usize; 4] = [4, 2, 3, 3];

fn images(n: usize, value: f32) -> Tensor<4> {
    let [_, channels, height, width] = SHAPE;
    Tensor::full([n, channels, height, width], value, &Device::flex())
}

fn read(state: &TrainerState, device_index: u32) -> Option<(u64, Vec<f32>)> {
    let state = state.lock();
    let worker = state.idle.iter().find(|worker| worker.device_index == device_index)?;
    let delta = worker.perturbation.clone()?.try_into_vec_as().ok()?;
    Some((worker.steps, delta))
}

/// Two devices, whose perturbations are 1 and 2.
fn trained() -> TrainerState {
    let state = TrainerState::new(Device::flex());
    for index in [1, 0] {
        let mut worker = state.take(index);
        worker.perturbation(&images(4, 0.0)).unwrap();
        worker.carry(images(4, 1.0 + index as f32));
        worker.steps = 10 + u64::from(index);
        state.give_back(worker);
    }
    state.begin_pass(7);
    state
}

#[test]
fn a_smaller_batch_uses_and_moves_the_first_rows() {
    let mut worker = Worker::default();
    worker.perturbation(&images(4, 0.0)).unwrap();
    worker.carry(images(4, 1.0));
    assert_eq!(worker.perturbation(&images(3, 0.0)).unwrap().dims(), [3, 2, 3, 3]);
    worker.carry(images(3, 2.0));
    let rows: Vec<f32> = worker.perturbation(&images(4, 0.0)).unwrap().try_into_vec_as().unwrap();
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
    assert_eq!((restored.passes(), restored.steps()), (7, 21));
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
    let draw = |steps, device_index| -> Vec<f32> {
        let worker = Worker { steps, device_index, ..Worker::default() };
        let draws = worker.draws(0, 2).uniform([2, 8], &Device::flex());
        draws.try_into_vec_as().unwrap()
    };
    assert_eq!(draw(3, 0), draw(3, 0));
    assert_ne!(draw(3, 0), draw(4, 0));
    assert_ne!(draw(3, 0), draw(3, 1));
}
