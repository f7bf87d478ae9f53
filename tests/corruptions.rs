//! Common corruptions, held to the libraries that CIFAR-10-C was made with, and to what noise has to be like.

use free_at::data::{Corruption, DataError, Image, ImageDataset};
use free_at::prelude::*;
use safetensors::SafeTensors;

const SHAPE: [usize; 3] = [3, 32, 32];
const SIZE: usize = 3 * 32 * 32;

fn fixture() -> SafeTensors<'static> {
    SafeTensors::deserialize(include_bytes!("fixtures/corruptions.safetensors")).unwrap()
}

fn pictures() -> ImageDataset {
    let bytes = fixture().tensor("image").unwrap().data().to_vec();
    let names = vec!["one".into(), "other".into()];
    ImageDataset::from_bytes(bytes, vec![0, 1], SHAPE, names, 255).unwrap()
}

fn levels(dataset: &ImageDataset) -> Vec<u8> {
    let image = |at| dataset.image(at).unwrap().pixels;
    let pixels = (0..dataset.len()).flat_map(image);
    pixels.map(|value| (value * 255.0).round() as u8).collect()
}

#[test]
fn corruptions_are_those_of_the_published_program() {
    for corruption in Corruption::ALL {
        for severity in [1, 3, 5] {
            let Ok(expected) =
                fixture().tensor(&format!("{corruption}.{severity}")).map(|t| t.data().to_vec())
            else {
                continue; // it draws
            };
            let found = levels(&pictures().corrupted(corruption, severity, 0).unwrap());
            let apart: Vec<u8> = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).collect();
            // Where a value is a whole number of levels, rounding down takes either: in single precision here, in double there.
            // Half as much saturation again makes whole levels of every second one. JPEG's coders round their transforms
            // otherwise, and its decoders differ in how they interpolate colours.
            let (most, share) = match corruption {
                Corruption::Jpeg => (40, 0.7),
                Corruption::Saturate => (1, 0.06),
                _ => (1, 0.02),
            };
            let other =
                apart.iter().filter(|apart| **apart > 0).count() as f64 / apart.len() as f64;
            let largest = *apart.iter().max().unwrap();
            let mean = apart.iter().map(|a| f64::from(*a)).sum::<f64>() / apart.len() as f64;
            assert!(
                largest <= most && other <= share,
                "{corruption}.{severity}: {largest}, {other}, mean {mean}"
            );
            assert!(mean < 2.5, "{corruption}.{severity}: {mean} levels in the mean");
        }
    }
}

/// A grey image, of which what noise does can be told.
fn grey(value: f32, n: usize) -> ImageDataset {
    let image = Image { pixels: vec![value; SIZE], label: 0 };
    ImageDataset::new(vec![image; n], SHAPE, 1).unwrap()
}

#[test]
fn noise_has_its_mean_and_its_deviation() {
    /// Five standard errors of a mean over 30,000 values, with half a level that rounding down takes.
    const SLACK: f64 = 0.004;
    let cases = [
        (Corruption::GaussianNoise, 3, 0.5, 0.08),
        (Corruption::SpeckleNoise, 5, 0.5, 0.1),
        (Corruption::ShotNoise, 5, 0.5, (0.5_f64 / 50.0).sqrt()),
        // Half of 7 % black, half white: deviation √(0.07 · 0.25).
        (Corruption::ImpulseNoise, 5, 0.5, 0.07_f64.sqrt() * 0.5),
    ];
    for (corruption, severity, mean, deviation) in cases {
        let noisy = grey(0.5, 10).corrupted(corruption, severity, 1).unwrap();
        let values: Vec<f64> =
            (0..10).flat_map(|at| noisy.image(at).unwrap().pixels).map(f64::from).collect();
        let n = values.len() as f64;
        let found = values.iter().sum::<f64>() / n;
        let spread = (values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / n).sqrt();
        assert!((found + 0.5 / 255.0 - mean).abs() < SLACK, "{corruption}: mean {found}");
        assert!((spread / deviation - 1.0).abs() < 0.03, "{corruption}: deviation {spread}");
    }
}

#[test]
fn noise_depends_on_seed_image_and_severity_alone() {
    let noisy = |seed, severity| grey(0.5, 3).corrupted(Corruption::GaussianNoise, severity, seed);
    let [first, again, other] = [noisy(0, 1), noisy(0, 1), noisy(1, 1)].map(Result::unwrap);
    assert_eq!(levels(&first), levels(&again));
    assert_ne!(levels(&first), levels(&other));
    assert_ne!(first.image(0).unwrap().pixels, first.image(1).unwrap().pixels);
    let alone = grey(0.5, 1).corrupted(Corruption::GaussianNoise, 1, 0).unwrap();
    assert_eq!(alone.image(0).unwrap(), first.image(0).unwrap());
}

#[test]
fn worse_is_further_from_the_image() {
    let clean = levels(&pictures());
    let distance = |corruption, severity| -> f64 {
        let found = levels(&pictures().corrupted(corruption, severity, 0).unwrap());
        found.iter().zip(&clean).map(|(a, b)| f64::from(a.abs_diff(*b))).sum()
    };
    for corruption in Corruption::ALL {
        // The first two severities take saturation off, the others add to it.
        let first = if corruption == Corruption::Saturate { 3 } else { 1 };
        let (mild, severe) = (distance(corruption, first), distance(corruption, 5));
        assert!(severe > mild && mild > 0.0, "{corruption}: {mild}, {severe}");
    }
}

#[test]
fn grey_digits_take_what_is_defined_for_them_and_the_rest_is_refused() {
    let digits = digits::test().take(5);
    for corruption in Corruption::ALL {
        let found = digits.corrupted(corruption, 5, 0);
        match corruption.takes(1) {
            true => assert_eq!(found.unwrap().len(), 5, "{corruption}"),
            false => assert!(matches!(found, Err(DataError::Corruption { .. })), "{corruption}"),
        }
        assert_eq!(corruption.to_string().parse(), Ok(corruption));
    }
    for severity in [0, 6] {
        let refused = digits.corrupted(Corruption::Contrast, severity, 0).err().unwrap();
        assert!(refused.to_string().contains("1 to 5"), "{refused}");
    }
    assert!("fog".parse::<Corruption>().unwrap_err().to_string().contains("gaussian-noise"));
}
