use std::sync::Arc;

use super::*;
use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::tensor::Tensor;

const ITEMS: usize = 10;
const BATCH: usize = 4; // the last of three minibatches is smaller

struct Rows;

impl Batcher<f32, Batch<2>> for Rows {
    fn batch(&self, items: Vec<f32>, device: &Device) -> Batch<2> {
        let labels = Tensor::zeros([items.len()], device);
        let n = items.len();
        let inputs = Tensor::<1>::from_data(items.as_slice(), device).reshape([n, 1]);
        Batch::new(inputs, labels).unwrap()
    }
}

fn loader(session: &Session, replays: usize) -> ReplayLoader<2> {
    let items = (0..ITEMS).map(|item| item as f32).collect();
    let inner = DataLoaderBuilder::new(Rows)
        .batch_size(BATCH)
        .shuffle(7)
        .set_device(Device::flex())
        .build(InMemDataset::new(items));
    ReplayLoader::new(inner, replays, session.clone())
}

fn session() -> Session {
    Session::new(Device::flex(), false, 1)
}

fn pass(loader: &ReplayLoader<2>) -> Vec<Vec<f32>> {
    loader.iter().map(|batch| batch.unwrap().inputs().try_into_vec_as().unwrap()).collect()
}

#[test]
fn each_minibatch_comes_m_times_in_a_row() {
    let plain = pass(&loader(&session(), 1));
    let replayed = pass(&loader(&session(), 3));
    let expected: Vec<_> = plain.iter().flat_map(|batch| vec![batch.clone(); 3]).collect();
    assert_eq!(replayed, expected);
    assert_eq!(plain.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
}

#[test]
fn progress_counts_replays_and_completes_only_with_the_last() {
    let loader = loader(&session(), 2);
    assert_eq!(loader.num_items(), 2 * ITEMS);
    let mut iterator = loader.iter();
    let mut seen = Vec::new();
    while iterator.next().is_some() {
        let progress = iterator.progress();
        seen.push((progress.items_processed, progress.is_completed()));
    }
    let expected = [(4, false), (8, false), (12, false), (16, false), (18, false), (20, true)];
    assert_eq!(seen, expected);
}

#[test]
fn a_restored_training_continues_with_the_order_that_would_have_come() {
    let (first, second) = (session(), session());
    let uninterrupted = loader(&first, 1);
    let passes: Vec<_> = (0..3).map(|_| pass(&uninterrupted)).collect();
    assert_ne!(passes[0], passes[2], "the loader shuffles");
    assert_eq!(first.state.passes(), 3);

    second.state.end_pass(2); // as a checkpoint after the second pass does
    assert_eq!(pass(&loader(&second, 1)), passes[2]);
}

#[test]
fn a_failure_ends_the_pass_with_its_error() {
    let session = session();
    let loader = loader(&session, 2);
    let mut iterator = loader.iter();
    assert!(iterator.next().unwrap().is_ok());
    session.fail(crate::Error::EmptyBatch.into());
    let error = iterator.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), crate::Error::EmptyBatch.to_string());
    assert!(iterator.next().is_none());
}

#[test]
fn a_slice_is_of_minibatches_not_of_replays() {
    let items = |loader: Arc<dyn DataLoader<Batch<2>>>| loader.num_items();
    let loader = loader(&session(), 2);
    assert_eq!(items(loader.slice(0, 10)), 10);
    assert_eq!(items(loader.to_device(&Device::flex())), 20);
}
