use super::*;

use crate::{ImageDataset, Transform};

const IMAGES: usize = 23;
const BATCH: usize = 4;

fn dataset() -> ImageDataset {
    let pixels = (0..IMAGES * 16).map(|value| (value % 251) as u8).collect();
    let labels = (0..IMAGES).collect();
    let names = (0..IMAGES).map(|class| class.to_string()).collect();
    let set = ImageDataset::from_bytes(pixels, labels, [1, 4, 4], names, 255).unwrap();
    set.with_transforms(vec![Transform::PadCrop { pad: 1 }, Transform::Flip]).unwrap()
}

type Seen = Vec<(Vec<i64>, Vec<f32>)>;

fn seen(batches: impl Iterator<Item = Result<Batch<4>, DatasetError>>) -> Seen {
    batches
        .map(|batch| {
            let batch = batch.unwrap();
            let labels = batch.labels().try_into_vec_as().unwrap();
            (labels, batch.inputs().try_into_vec_as().unwrap())
        })
        .collect()
}

fn loader(workers: usize) -> Arc<dyn DataLoader<Batch<4>>> {
    dataset().loading(BATCH).with_seed(3).with_workers(workers).build(&Device::flex()).unwrap()
}

fn labels(seen: &Seen) -> Vec<i64> {
    seen.iter().flat_map(|(labels, _)| labels.clone()).collect()
}

#[test]
fn passes_are_the_same_whatever_prepares_them() {
    let expected = loader(0);
    let expected: Vec<Seen> = (0..3).map(|_| seen(expected.iter())).collect();
    assert_ne!(expected[0], expected[1]);
    let mut all = labels(&expected[0]);
    all.sort_unstable();
    assert_eq!(all, (0..IMAGES as i64).collect::<Vec<_>>());
    for workers in [1, 2, 3, 8] {
        let loader = loader(workers);
        let found: Vec<Seen> = (0..3).map(|_| seen(loader.iter())).collect();
        assert_eq!(found, expected, "{workers} workers");
    }
}

#[test]
fn mixed_minibatches_are_the_same_whatever_prepares_them() {
    let mixed = |workers: usize, seed: Option<u64>| {
        let loading = dataset().with_cutmix(1.0).unwrap().loading(BATCH).with_workers(workers);
        let loading = match seed {
            Some(seed) => loading.with_seed(seed),
            None => loading,
        };
        let loader = loading.build(&Device::flex()).unwrap();
        let second = loader.iter().map(|batch| batch.unwrap().mixed());
        let second: Vec<_> = second
            .map(|mixed| mixed.map(|(labels, share)| (labels.try_into_vec_as::<i64>(), share)))
            .map(|mixed| mixed.map(|(labels, share)| (labels.unwrap(), share)))
            .collect();
        (second, seen(loader.iter()))
    };
    let expected = mixed(0, Some(3));
    assert!(expected.0.iter().flatten().count() > 2, "{:?}", expected.0);
    assert_eq!(mixed(3, Some(3)), expected);
    // Without a seed nothing is random.
    let (second, images) = mixed(0, None);
    assert!(second.iter().all(Option::is_none));
    let still = dataset().loading(BATCH).build(&Device::flex()).unwrap();
    assert_eq!(images, seen(still.iter()));
}

#[test]
fn augmentation_does_not_depend_on_the_batch_an_image_is_in() {
    let by_image = |size: usize| {
        let loader = dataset().loading(size).with_seed(3).build(&Device::flex()).unwrap();
        let seen = seen(loader.iter());
        let images = seen.into_iter().flat_map(|(labels, values)| {
            let images: Vec<Vec<f32>> = values.chunks(16).map(<[f32]>::to_vec).collect();
            labels.into_iter().zip(images).collect::<Vec<_>>()
        });
        let mut images: Vec<_> = images.collect();
        images.sort_by_key(|(label, _)| *label);
        images
    };
    assert_eq!(by_image(4), by_image(7));
}

#[test]
fn skipping_minibatches_gives_the_rest_of_the_pass() {
    for workers in [0, 1, 3] {
        let whole = seen(loader(workers).iter());
        for skipped in 0..whole.len() {
            let loader = loader(workers);
            let mut rest = loader.iter();
            if skipped > 0 {
                rest.nth(skipped - 1).unwrap().unwrap();
            }
            assert_eq!(rest.progress().items_processed, (skipped * BATCH).min(IMAGES));
            assert_eq!(seen(rest), whole[skipped..], "{skipped} skipped, {workers} workers");
        }
        let loader = loader(workers);
        let mut begun = loader.iter();
        begun.next().unwrap().unwrap();
        begun.nth(1).unwrap().unwrap();
        assert_eq!(seen(begun), whole[3..], "{workers} workers");
    }
}

#[test]
fn without_a_seed_the_order_is_that_of_the_data() {
    let loader = dataset().loading(5).dropping_last().build(&Device::flex()).unwrap();
    assert_eq!(loader.num_items(), 20);
    let first = seen(loader.iter());
    assert_eq!(labels(&first), (0..20).collect::<Vec<_>>());
    assert_eq!(first, seen(loader.iter()), "nothing is random");
    let progress = |loader: &dyn DataLoader<Batch<4>>| {
        let mut pass = loader.iter();
        while pass.next().is_some() {}
        pass.progress().is_completed()
    };
    assert!(progress(&*loader));
}

#[test]
fn slices_have_their_own_images() {
    let sorted = |loader: &Arc<dyn DataLoader<Batch<4>>>| {
        let mut labels = labels(&seen(loader.iter()));
        labels.sort_unstable();
        labels
    };
    let loader = dataset().loading(BATCH).build(&Device::flex()).unwrap();
    let (first, second) = (loader.slice(0, 11), loader.slice(11, 23));
    assert_eq!(sorted(&first), (0..11).collect::<Vec<_>>());
    assert_eq!(sorted(&second), (11..23).collect::<Vec<_>>());
    assert_eq!(second.to_device(&Device::flex()).num_items(), 12);
}

#[test]
fn slices_of_a_shuffled_loader_are_mixed() {
    // Dropping the last: a pass has 20 of the 23 images, and no image is always left out.
    let loading = dataset().loading(BATCH).with_seed(3).dropping_last();
    let loader = loading.build(&Device::flex()).unwrap();
    assert_eq!(loader.num_items(), 20);
    let images = |start, end| {
        let slice = loader.slice(start, end);
        let passes = (0..20).flat_map(|_| labels(&seen(slice.iter())));
        passes.collect::<std::collections::BTreeSet<i64>>()
    };
    let (first, second) = (images(0, 10), images(10, 20));
    assert_eq!((first.len(), second.len()), (10, 13));
    assert!(first.is_disjoint(&second));
    let early = |images: &std::collections::BTreeSet<i64>| images.range(..12).count();
    assert!(early(&first) > 2 && early(&second) > 2, "{first:?} and {second:?}");
}

#[test]
fn threads_end_when_nobody_listens_any_more() {
    let set = dataset();
    let loader = set.loading(1).with_workers(4).build(&Device::flex()).unwrap();
    let mut pass = loader.iter();
    pass.next().unwrap().unwrap();
    drop(pass);
    drop(loader);
    // Each thread holds the data set until it ends.
    let ended = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        set.holders() == 1
    });
    assert!(ended, "{} holders", set.holders());
}

#[test]
fn a_panic_of_a_thread_is_an_error_of_the_loader() {
    struct Panics;
    impl crate::source::Source for Panics {
        fn labels(&self) -> &[usize] {
            &[0, 1, 2]
        }
        fn shape(&self) -> crate::source::SourceShape {
            crate::source::SourceShape::All([1, 1, 1])
        }
        fn raster(&self, _: usize) -> Result<crate::source::Raster, DataError> {
            panic!("the decoder's fault")
        }
    }
    for workers in [0, 2] {
        let set = ImageDataset::of(Panics, vec![String::new(); 3], Vec::new()).unwrap();
        let loader = set.loading(1).with_workers(workers).build(&Device::flex()).unwrap();
        let error = loader.iter().next().unwrap().unwrap_err().to_string();
        assert!(error.contains("the decoder's fault"), "{error}");
    }
}

#[test]
fn minibatches_know_where_their_images_are_in_the_data_set() {
    let (train, _) = dataset().split(5, 1);
    let loader = train.loading(BATCH).with_seed(3).build(&Device::flex()).unwrap();
    for batch in loader.slice(3, 18).iter() {
        let batch = batch.unwrap();
        // The label of each image of this data set is its place.
        let labels: Vec<i64> = batch.labels().try_into_vec_as().unwrap();
        let places: Vec<i64> = batch.indices().unwrap().iter().map(|at| *at as i64).collect();
        assert_eq!(places, labels);
    }
}
