use super::*;

fn batch(samples: &[Vec<f32>], labels: &[usize]) -> Result<Batch<2>, Error> {
    Batch::from_samples(samples, &[2], labels, 3, &Bounds::default(), &Device::flex())
}

#[test]
fn refuses_samples_that_are_no_batch() {
    let good = vec![0.0, 1.0];
    let cases = [
        (batch(&[], &[]), Error::EmptyBatch),
        (batch(std::slice::from_ref(&good), &[0, 1]), Error::BatchLength { inputs: 1, labels: 2 }),
        (
            batch(&[good.clone(), vec![0.5]], &[0, 1]),
            Error::RaggedBatch { sample: 1, expected: 2, found: 1 },
        ),
        (batch(&[good], &[3]), Error::Label { sample: 0, label: 3, classes: 3 }),
        (
            batch(&[vec![0.0, 1.5]], &[0]),
            Error::InputOutOfBounds { sample: 0, value: 1.5, low: 0.0, high: 1.0 },
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found.unwrap_err(), expected);
    }
    assert!(matches!(
        batch(&[vec![0.0, f32::NAN]], &[0]),
        Err(Error::InputNotFinite { sample: 0, .. })
    ));
    let wrong_rank =
        Batch::<4>::from_samples(&[[0.0, 1.0]], &[2], &[0], 3, &Bounds::default(), &Device::flex());
    assert!(matches!(wrong_rank, Err(Error::SampleShape { .. })));
}

#[test]
fn checks_what_was_made_on_a_device() {
    let device = Device::flex();
    let make = |values: [f32; 2], label: i64| {
        Batch::<2>::new(Tensor::from_data([values], &device), Tensor::from_data([label], &device))
            .unwrap()
            .check(3, &Bounds::default())
    };
    assert_eq!(make([0.0, 1.0], 2), Ok(()));
    assert!(matches!(make([0.0, 1.0], -1), Err(Error::Label { label: -1, .. })));
    assert!(matches!(make([0.0, -0.1], 0), Err(Error::InputOutOfBounds { .. })));
    assert!(matches!(make([f32::INFINITY, 0.0], 0), Err(Error::InputNotFinite { .. })));
}

#[test]
fn refuses_tensors_that_do_not_belong_together() {
    let device = Device::flex();
    let labels = |n: i64| Tensor::<1, Int>::arange(0..n, &device);
    let new = |n| Batch::new(Tensor::<2>::zeros([2, 4], &device), labels(n));
    assert_eq!(new(3).unwrap_err(), Error::BatchLength { inputs: 2, labels: 3 });
    let empty = Batch::new(Tensor::<2>::zeros([0, 4], &device), labels(0));
    assert_eq!(empty.unwrap_err(), Error::EmptyBatch);
}

#[test]
fn a_second_class_counts_less_than_the_first() {
    let batch = || batch(&[vec![0.0, 1.0], vec![0.5, 0.5]], &[0, 1]).unwrap();
    let (labels, share) = batch().mixed_with(&[2, 0], 0.25).unwrap().mixed().unwrap();
    assert_eq!((labels.try_into_vec_as::<i64>().unwrap(), share), (vec![2, 0], 0.25));
    let refused = |labels: &[usize], share| batch().mixed_with(labels, share).unwrap_err();
    assert_eq!(refused(&[0], 0.5), Error::BatchLength { inputs: 2, labels: 1 });
    assert_eq!(refused(&[0, 3], 0.5), Error::Label { sample: 1, label: 3, classes: 3 });
    assert_eq!(refused(&[0, 1], 0.6), Error::Share { share: 0.6 });
}

#[test]
fn labels_become_the_devices_own_integers() {
    let device = Device::flex();
    for dtype in [DType::I64, DType::I32, DType::U8] {
        let labels = Tensor::<1, Int>::from_data([1_i64, 0], (&device, dtype));
        let batch = Batch::new(Tensor::<2>::zeros([2, 4], &device), labels).unwrap();
        assert_eq!(batch.labels().dtype(), Tensor::<1, Int>::zeros([1], &device).dtype());
        let logits = Tensor::<2>::from_data([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]], &device);
        let fooled: Vec<i32> = batch.untargeted().fooled(logits).int().try_into_vec_as().unwrap();
        assert_eq!(fooled, [0, 1]);
    }
}
