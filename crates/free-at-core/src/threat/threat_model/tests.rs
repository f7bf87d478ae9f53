use super::*;
use crate::Draws;
use burn::tensor::Device;
use proptest::prelude::*;

/// Rounding of a few operations on values of order 1 in single precision.
const ROUNDING: f32 = 1e-5;
const SHAPE: [usize; 2] = [3, 4];

fn tensor(values: &[f32]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), SHAPE), &Device::flex())
}

fn read(tensor: Tensor<2>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

fn values(range: std::ops::Range<f32>) -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(range, SHAPE[0] * SHAPE[1])
}

/// Threat models of every kind that a set can be built from.
fn threats() -> impl Strategy<Value = ThreatModel> {
    let norm = proptest::sample::select(Norm::ALL.to_vec());
    let bounds = prop_oneof![
        Just(Bounds::None),
        Just(Bounds::default()),
        Just(Bounds::PerFeature {
            low: vec![0.0, -1.0, 0.0, f32::NEG_INFINITY],
            high: vec![1.0, 1.0, f32::INFINITY, 2.0],
        }),
    ];
    let scale = prop_oneof![Just(None), Just(Some(vec![1.0, 0.5, 0.0, 2.0]))];
    (norm, 0.01..2.0f64, bounds, scale).prop_map(|(norm, epsilon, bounds, scale)| {
        let threat = ThreatModel::new(norm, Epsilon::unit(epsilon)).with_bounds(bounds);
        match scale {
            Some(scale) => threat.with_scale(scale),
            None => threat,
        }
    })
}

proptest! {
    #[test]
    fn projection_stays_in_ball_and_bounds_and_is_idempotent(
        threat in threats(), inputs in values(0.0..1.0), delta in values(-3.0..3.0),
    ) {
        let inputs = tensor(&inputs);
        let allowed = threat.around(&inputs).unwrap();
        let once = allowed.project(&inputs, tensor(&delta));
        let size = allowed.measure(once.clone()).max().into_scalar::<f32>();
        prop_assert!(size <= threat.epsilon().value() as f32 * (1.0 + ROUNDING));
        for (at, value) in read(inputs.clone() + once.clone()).into_iter().enumerate() {
            let (low, high) = threat.bounds().of_feature(at % SHAPE[1]);
            prop_assert!(value >= low - ROUNDING && value <= high + ROUNDING);
        }
        let twice = read(allowed.project(&inputs, once.clone()));
        for (once, twice) in read(once).into_iter().zip(twice) {
            prop_assert!((once - twice).abs() <= ROUNDING);
        }
    }

    #[test]
    fn a_perturbation_that_is_allowed_is_left_alone(
        threat in threats(), inputs in values(0.0..1.0), delta in values(-3.0..3.0),
    ) {
        let inputs = tensor(&inputs);
        let allowed = threat.around(&inputs).unwrap();
        // Half of what a projection leaves is well inside both ball and bounds.
        let inside = allowed.project(&inputs, tensor(&delta)).mul_scalar(0.5);
        let kept = allowed.project(&inputs, inside.clone());
        for (inside, kept) in read(inside).into_iter().zip(read(kept)) {
            prop_assert!((inside - kept).abs() <= ROUNDING);
        }
    }

    #[test]
    fn a_step_has_its_length_and_ascends(threat in threats(), gradient in values(-1.0..1.0)) {
        const SIZE: f64 = 0.3;
        let allowed = threat.around(&tensor(&gradient)).unwrap();
        let step = allowed.steepest_step(tensor(&gradient), SIZE);
        let size = allowed.measure(step.clone()).max().into_scalar::<f32>();
        prop_assert!((size - SIZE as f32).abs() <= ROUNDING);
        for row in read(step * tensor(&gradient)).chunks(SHAPE[1]) {
            prop_assert!(row.iter().sum::<f32>() > 0.0);
        }
    }

    #[test]
    fn a_random_start_is_allowed(threat in threats(), inputs in values(0.0..1.0), seed: u64) {
        let inputs = tensor(&inputs);
        let allowed = threat.around(&inputs).unwrap();
        let start = allowed.random_start(&inputs, &Draws::new(seed, vec![0, 1, 2]));
        let size = allowed.measure(start.clone()).max().into_scalar::<f32>();
        prop_assert!(size <= threat.epsilon().value() as f32 * (1.0 + ROUNDING));
        let clamped = read(allowed.clamp(inputs.clone() + start.clone()));
        for (start, clamped) in read(inputs + start).into_iter().zip(clamped) {
            prop_assert!((start - clamped).abs() <= ROUNDING);
        }
    }
}

proptest! {
    #[test]
    fn a_start_on_the_edge_is_on_the_edge(threat in threats(), seed: u64) {
        let threat = threat.with_bounds(Bounds::None);
        let inputs = tensor(&[0.5; 12]);
        let allowed = threat.around(&inputs).unwrap();
        let start = allowed.random_edge(&inputs, &Draws::new(seed, vec![0, 1, 2]));
        for size in read(allowed.measure(start).expand(SHAPE)) {
            prop_assert!((size / threat.epsilon().value() as f32 - 1.0).abs() <= ROUNDING);
        }
    }

    /// From a stored image a point in the ball goes to a stored image in the ball, less than one
    /// level away.
    #[test]
    fn the_lattice_is_reached_within_the_ball(
        norm in proptest::sample::select(Norm::ALL.to_vec()),
        levels in proptest::collection::vec(0..256_u16, 12),
        delta in values(-1.0..1.0),
        pixels in 0.0..12.0_f64,
    ) {
        const LEVELS: f64 = 255.0;
        let inputs: Vec<f32> = levels.iter().map(|level| f32::from(*level) / 255.0).collect();
        let inputs = tensor(&inputs);
        let threat = ThreatModel::new(norm, Epsilon::pixels(pixels + 0.01));
        let allowed = threat.around(&inputs).unwrap();
        let found = inputs.clone() + allowed.project(&inputs, tensor(&delta));
        let stored = allowed.quantized(&inputs, found.clone(), LEVELS);
        let size = allowed.measure(stored.clone() - inputs).max().into_scalar::<f32>();
        prop_assert!(size <= threat.epsilon().value() as f32 + ROUNDING);
        for (stored, found) in read(stored).into_iter().zip(read(found)) {
            let level = stored * LEVELS as f32;
            prop_assert!((level - level.round()).abs() < 1e-3 && (0.0..=1.0).contains(&stored));
            prop_assert!((stored - found).abs() * (LEVELS as f32) < 1.01);
        }
    }
}

#[test]
fn a_gradient_of_zero_gives_no_step() {
    for threat in [ThreatModel::linf(Epsilon::unit(0.1)), ThreatModel::l2(Epsilon::unit(0.1))] {
        let zeros = tensor(&[0.0; 12]);
        let step = threat.around(&zeros).unwrap().steepest_step(zeros, 0.1);
        assert_eq!(read(step), [0.0; 12]);
    }
}

#[test]
fn a_frozen_feature_that_moves_is_measured() {
    let threat = ThreatModel::linf(Epsilon::unit(0.1)).with_scale(vec![1.0, 1.0, 0.0, 1.0]);
    let mut delta = [0.0; 12];
    delta[2] = 0.7;
    let allowed = threat.around(&tensor(&delta)).unwrap();
    assert_eq!(allowed.measure(tensor(&delta)).max().into_scalar::<f32>(), 0.7);
}

#[test]
fn refuses_a_threat_model_that_fits_no_sample() {
    let linf = || ThreatModel::linf(Epsilon::unit(0.1));
    let refused = |threat: ThreatModel| threat.around(&tensor(&[0.0; 12])).unwrap_err();
    assert!(matches!(refused(ThreatModel::l2(Epsilon::unit(-1.0))), Error::Epsilon { .. }));
    assert!(matches!(refused(linf().with_scale(vec![1.0, -1.0])), Error::Scale { feature: 1, .. }));
    assert!(matches!(refused(linf().with_scale(vec![0.0; 4])), Error::Scale { .. }));
    assert!(matches!(refused(linf().with_scale(vec![1.0; 3])), Error::FeatureCount { .. }));
    let bounds = Bounds::PerFeature { low: vec![0.0; 5], high: vec![1.0; 5] };
    assert!(matches!(
        refused(linf().with_bounds(bounds)),
        Error::FeatureCount { expected: 4, found: 5, .. }
    ));
}

#[test]
fn survives_serialisation() {
    let threat = ThreatModel::l2(Epsilon::unit(0.5)).with_scale(vec![1.0, 0.0]);
    let json = serde_json::to_string(&threat).unwrap();
    assert_eq!(serde_json::from_str::<ThreatModel>(&json).unwrap(), threat);
}
