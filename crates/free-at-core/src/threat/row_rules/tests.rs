use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;

use crate::{Bounds, Direction, Draws, Epsilon, Error, FeatureRules, Norm, RuleError, ThreatModel};

/// Rounding of a few operations on values of order 1 in single precision.
const ROUNDING: f32 = 1e-5;
/// Features 0 rises, 1 falls, 2 has steps, 3 steps and falls, 4 is frozen, 5 is free; 6 to 8 and 9 to 10
/// are categories.
const FEATURES: usize = 11;
const STEP: [f32; 2] = [0.25, 0.1];
const GROUPS: [&[usize]; 2] = [&[6, 7, 8], &[9, 10]];
const SCALE: [f32; FEATURES] = [1.0, 0.5, 2.0, 1.0, 0.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0];
const LOW: [f32; FEATURES] = [-2.0, -1.0, -1.0, -1.0, -9.0, -9.0, 0.0, 0.0, 0.0, 0.0, 0.0];
const HIGH: [f32; FEATURES] = [2.0, 1.0, 1.0, 1.0, 9.0, f32::INFINITY, 1.0, 1.0, 1.0, 1.0, 1.0];

fn rules() -> FeatureRules {
    let rules = FeatureRules::new(FEATURES)
        .with_direction(0, Direction::Up)
        .with_direction(1, Direction::Down)
        .with_step(2, STEP[0])
        .with_step(3, STEP[1])
        .with_direction(3, Direction::Down);
    GROUPS.iter().fold(rules, |rules, group| rules.with_categories(group.to_vec()))
}

/// L∞ with all rules.
fn table(epsilon: f64) -> ThreatModel {
    ThreatModel::linf(Epsilon::unit(epsilon))
        .with_bounds(Bounds::PerFeature { low: LOW.into(), high: HIGH.into() })
        .with_scale(SCALE.into())
        .with_rules(rules())
}

/// L2 with the categories frozen, and without steps, for which its projection is exact.
fn round(epsilon: f64) -> ThreatModel {
    let mut scale = SCALE;
    scale[6..].fill(0.0);
    let rules = FeatureRules::new(FEATURES)
        .with_direction(0, Direction::Up)
        .with_direction(1, Direction::Down)
        .with_categories(GROUPS[0].to_vec());
    ThreatModel::l2(Epsilon::unit(epsilon))
        .with_bounds(Bounds::PerFeature { low: LOW.into(), high: HIGH.into() })
        .with_scale(scale.into())
        .with_rules(rules)
}

fn tensor(values: &[f32]) -> Tensor<2> {
    let n = values.len() / FEATURES;
    Tensor::from_data(TensorData::new(values.to_vec(), [n, FEATURES]), &Device::flex())
}

fn read(tensor: Tensor<2>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// A row that a data set may hold.
fn row() -> impl Strategy<Value = Vec<f32>> {
    let numbers = proptest::collection::vec(-1.0..1.0f32, 6);
    (numbers, -4..=4i32, -10..=10i32, 0..3usize, 0..2usize).prop_map(|(numbers, a, b, c, d)| {
        let mut row = [numbers, vec![0.0; 5]].concat();
        row[2] = a as f32 * STEP[0];
        row[3] = b as f32 * STEP[1];
        row[6 + c] = 1.0;
        row[9 + d] = 1.0;
        row
    })
}

fn moves() -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(-3.0..3.0f32, FEATURES)
}

/// Whether `moved` is allowed around `row`, up to rounding.
fn allowed(row: &[f32], moved: &[f32], epsilon: f32) -> Result<(), String> {
    let says = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!("{what}: {row:?} -> {moved:?}")),
    };
    for feature in 0..6 {
        let delta = moved[feature] - row[feature];
        says(delta.abs() <= epsilon * SCALE[feature] + ROUNDING, "epsilon")?;
        says((LOW[feature]..=HIGH[feature]).contains(&moved[feature]), "bounds")?;
    }
    says(moved[0] >= row[0] && moved[1] <= row[1] && moved[3] <= row[3], "direction")?;
    for (feature, step) in [2, 3].into_iter().zip(STEP) {
        let steps = (moved[feature] - row[feature]) / step;
        says((steps - steps.round()).abs() <= 10.0 * ROUNDING, "step")?;
    }
    says(moved[4] == row[4], "frozen")?;
    for group in GROUPS {
        let ones = group.iter().filter(|feature| moved[**feature] == 1.0).count();
        let zeros = group.iter().filter(|feature| moved[**feature] == 0.0).count();
        says(ones == 1 && zeros == group.len() - 1, "categories")?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_the_model_sees_keeps_every_rule_and_is_the_nearest_such_row(
        epsilon in 0.05..2.0f64, row in row(), delta in moves(),
    ) {
        let inputs = tensor(&row);
        let set = table(epsilon).around(&inputs).unwrap();
        let moved = set.clamp(inputs.clone() + set.project(&inputs, tensor(&delta)));
        let wanted = read(moved.clone());
        let snapped = set.snap(&inputs, moved);
        let found = read(snapped.clone());
        prop_assert!(allowed(&row, &found, epsilon as f32).is_ok(), "{:?}", allowed(&row, &found, epsilon as f32));
        prop_assert_eq!(&read(set.snap(&inputs, snapped)), &found, "once is enough");

        // Feature by feature: no allowed value is nearer to what was wanted.
        for (feature, step) in [2, 3].into_iter().zip(STEP) {
            let nearest = (-40..=40)
                .map(|k| row[feature] + k as f32 * step)
                .filter(|v| (v - row[feature]).abs() <= epsilon as f32 * SCALE[feature] - ROUNDING)
                .filter(|v| *v >= LOW[feature] + ROUNDING && *v <= HIGH[feature] - ROUNDING)
                .filter(|v| feature == 2 || *v <= row[feature])
                .map(|v| (v - wanted[feature]).abs())
                .fold(f32::INFINITY, f32::min);
            prop_assert!((found[feature] - wanted[feature]).abs() <= nearest + ROUNDING);
        }
        for group in GROUPS {
            let chosen = group.iter().find(|f| found[**f] == 1.0).unwrap();
            // The nearest corner is that of the largest entry.
            prop_assert!(group.iter().all(|f| wanted[*f] <= wanted[*chosen]));
        }
        for feature in [0, 1, 4, 5] {
            prop_assert_eq!(found[feature], wanted[feature]);
        }
    }

    #[test]
    fn rows_that_nothing_moved_stay_as_they_are(epsilon in 0.05..2.0f64, row in row()) {
        let inputs = tensor(&row);
        let set = table(epsilon).around(&inputs).unwrap();
        prop_assert_eq!(read(set.snap(&inputs, inputs.clone())), row.clone());
        let set = round(epsilon).around(&inputs).unwrap();
        prop_assert_eq!(read(set.snap(&inputs, inputs.clone())), row);
    }

    #[test]
    fn random_starts_go_only_where_they_may(seed: u64, epsilon in 0.05..2.0f64, row in row()) {
        let inputs = tensor(&row);
        let draws = Draws::new(seed, vec![0]);
        let set = table(epsilon).around(&inputs).unwrap();
        for start in [set.random_start(&inputs, &draws), set.random_edge(&inputs, &draws)] {
            let projected = set.project(&inputs, start.clone());
            for (start, projected) in read(start.clone()).into_iter().zip(read(projected)) {
                prop_assert!((start - projected).abs() <= ROUNDING);
            }
            let found = read(set.snap(&inputs, set.clamp(inputs.clone() + start)));
            prop_assert!(allowed(&row, &found, epsilon as f32).is_ok());
        }
    }

    /// In L2 the projection is the nearest point: moving from it towards any allowed point does not come
    /// nearer to what was wanted, which for a convex set says that none is nearer.
    #[test]
    fn projection_onto_a_ball_in_a_box_is_the_nearest_point(
        epsilon in 0.05..2.0f64, row in row(), delta in moves(), other in moves(),
    ) {
        const SLACK: f64 = 1e-4; // of products of up to 6 · 6 in single precision
        let inputs = tensor(&row);
        let set = round(epsilon).around(&inputs).unwrap();
        let mut scale = SCALE;
        scale[6..].fill(0.0);
        let projected = set.project(&inputs, tensor(&delta));
        let size = set.measure(projected.clone()).into_scalar::<f64>();
        prop_assert!(size <= epsilon * (1.0 + f64::from(ROUNDING)));
        let projected = read(projected);
        prop_assert!(projected[0] >= 0.0 && projected[1] <= 0.0);
        prop_assert!(projected[4] == 0.0 && projected[6..].iter().all(|d| *d == 0.0));

        // Another allowed one: cut to the box first, then shortened.
        let inside: Vec<f64> = (0..6).map(|f| {
            let (low, high) = (LOW[f] - row[f], HIGH[f] - row[f]);
            let (low, high) = (if f == 0 { 0.0 } else { low }, if f == 1 { 0.0 } else { high });
            if scale[f] == 0.0 { 0.0 } else { f64::from(other[f].max(low).min(high) / scale[f]) }
        }).collect();
        let length = inside.iter().map(|u| u * u).sum::<f64>().sqrt();
        let shorter = (epsilon / length).min(1.0);
        let product: f64 = (0..6).filter(|f| scale[*f] > 0.0).map(|f| {
            let at = f64::from(projected[f] / scale[f]);
            (f64::from(delta[f] / scale[f]) - at) * (inside[f] * shorter - at)
        }).sum();
        prop_assert!(product <= SLACK, "{product}");
    }

    #[test]
    fn of_a_group_the_category_with_the_largest_gradient_rises(gradient in moves()) {
        const SIZE: f64 = 0.5;
        let set = table(1.0).around(&tensor(&gradient)).unwrap();
        let step = read(set.steepest_step(tensor(&gradient), SIZE));
        for group in GROUPS {
            let largest = group.iter().copied().max_by(|a, b| gradient[*a].total_cmp(&gradient[*b]));
            for &feature in group {
                let expected = if Some(feature) == largest { SIZE } else { -SIZE };
                prop_assert_eq!(step[feature], expected as f32);
            }
        }
        for feature in 0..6 {
            let expected = gradient[feature].signum() * SIZE as f32 * SCALE[feature];
            prop_assert!((step[feature] - expected).abs() <= ROUNDING);
        }
    }
}

#[test]
fn equal_gradients_leave_a_group_where_it_is() {
    let mut row = [0.0; FEATURES];
    (row[7], row[10]) = (1.0, 1.0);
    let inputs = tensor(&row);
    let set = table(1.0).around(&inputs).unwrap();
    let step = set.steepest_step(tensor(&[0.0; FEATURES]), 1.0);
    assert_eq!(read(step), [0.0; FEATURES]);
    // All pushed to the same height: the category stays.
    let level = inputs.clone().mul_scalar(0.0).add_scalar(0.5);
    let snapped = read(set.snap(&inputs, level));
    assert_eq!(snapped[6..], [0.0, 1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn every_category_can_be_reached_whatever_epsilon_is() {
    let mut row = [0.0; FEATURES];
    (row[6], row[9]) = (1.0, 1.0);
    let inputs = tensor(&row);
    let set = table(0.05).around(&inputs).unwrap();
    let mut up = [0.0; FEATURES];
    (up[8], up[10]) = (1.0, 1.0);
    let step = set.project(&inputs, set.steepest_step(tensor(&up), 0.05));
    let snapped = read(set.snap(&inputs, inputs.clone() + step));
    assert_eq!(snapped[6..], [0.0, 0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn refuses_rules_that_do_not_fit_the_threat_model_or_the_inputs() {
    let l2 = ThreatModel::new(Norm::L2, Epsilon::unit(1.0)).with_rules(rules());
    let group = GROUPS[0].to_vec();
    let expected = RuleError::CategoriesWithoutLength { group: group.clone(), norm: Norm::L2 };
    assert_eq!(l2.check(), Err(Error::Rules(expected)));
    let mut half = SCALE;
    half[7] = 0.0;
    let expected = RuleError::HalfFrozen { group };
    assert_eq!(table(1.0).with_scale(half.into()).check(), Err(Error::Rules(expected)));

    let inputs = tensor(&[0.0; FEATURES]);
    let wrong = |what, expected, found| Err(Error::FeatureCount { what, expected, found });
    let of = |threat: ThreatModel| threat.around(&inputs).map(drop);
    let narrow = FeatureRules::new(3).with_step(0, 1.0);
    assert_eq!(of(table(1.0).with_rules(narrow)), wrong("the rules", 11, 3));
    assert_eq!(of(table(1.0).with_scale(vec![1.0; 4])), wrong("the scale", 11, 4));
    let bounds = Bounds::PerFeature { low: vec![0.0; 4], high: vec![1.0; 4] };
    assert_eq!(of(table(1.0).with_bounds(bounds)), wrong("the lower bound", 11, 4));
}

#[test]
fn rules_are_part_of_the_threat_models_json() {
    let threat = table(0.3);
    let json = serde_json::to_string(&threat).unwrap();
    assert_eq!(serde_json::from_str::<ThreatModel>(&json).unwrap(), threat);
    let plain = ThreatModel::linf(Epsilon::pixels(8.0));
    assert!(!serde_json::to_string(&plain).unwrap().contains("rules"));
}

proptest! {
    /// Standardised whole numbers: steps of 1 / σ, small beside the values themselves.
    #[test]
    fn small_steps_beside_large_values_are_not_lost_to_rounding(
        std in 1.0..7_000.0f32, at in -3.0..3.0f32, steps in -40..=40i32, l2: bool,
    ) {
        let step = 1.0 / std;
        let x = (at * std).round() * step;
        let norm = if l2 { Norm::L2 } else { Norm::Linf };
        let threat = ThreatModel::new(norm, Epsilon::unit(f64::from(40.0 * step)))
            .with_bounds(Bounds::None)
            .with_rules(FeatureRules::new(1).with_step(0, step));
        let row = |value: f32| Tensor::<2>::from_data([[value]], &Device::flex());
        let set = threat.around(&row(x)).unwrap();
        let moved = set.snap(&row(x), row(x + steps as f32 * step));
        let found = (read(moved.clone())[0] - x) * std;
        prop_assert!((found - steps as f32).abs() < 0.1, "{found} of {steps} steps");
        prop_assert_eq!(read(set.snap(&row(x), moved.clone())), read(moved), "once is enough");
    }
}
