//! What holds for every shape.

use proptest::prelude::*;

use super::naive::{Sizes, Sum};
use super::{Computed, GROUPED, Given, PIXELS, STRIDED, WINOGRAD, numbers};

/// Of the largest size that a sum of its products has: 10 to 100 times the rounding of single precision, of
/// which Winograd's algorithm makes about 2e-6 for a few channels.
const ROUNDING: f64 = 1e-5;

/// Products in a case: the definition takes some nanoseconds for each.
const PRODUCTS: usize = 1 << 20;

/// How many shapes.
const CASES: u32 = 1500;

fn near(what: &str, found: &[f32], expected: &[Sum]) -> Result<(), TestCaseError> {
    let size = expected.iter().map(Sum::size).fold(0.0, f64::max);
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected.value).abs();
        prop_assert!(error <= ROUNDING * size, "{what}[{index}]: {found}, not {}", expected.value);
    }
    Ok(())
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn check(sizes: Sizes, bias: bool, seed: u64) -> Result<(), TestCaseError> {
    let given = Given::random(sizes, bias, seed);
    let computed = given.compute();
    let [_, channels, height, width] = sizes.output_dims();
    let plane = height * width;
    let mut output = computed.output.clone();
    if let Some(bias) = &given.bias {
        for (index, plane) in output.chunks_mut(plane).enumerate() {
            plane.iter_mut().for_each(|value| *value -= bias[index % channels]);
        }
        let mut sums = vec![0.0; channels];
        for (index, plane) in given.gradient.chunks(plane).enumerate() {
            sums[index % channels] += plane.iter().map(|value| f64::from(*value)).sum::<f64>();
        }
        for (found, expected) in computed.bias.as_ref().unwrap().iter().zip(sums) {
            let size = ((sizes.images * plane) as f64).sqrt();
            prop_assert!((f64::from(*found) - expected).abs() <= ROUNDING * size);
        }
    }
    let [expected, of_input, of_weight] =
        sizes.convolve(&given.input, &given.weight, &given.gradient);
    near("output", &output, &expected)?;
    near("input gradient", &computed.input, &of_input)?;
    near("weight gradient", &computed.weight, &of_weight)?;

    // ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩, and the same for the weights.
    let product = dot(&output, &given.gradient);
    let norm = |values: &[f32]| dot(values, values).sqrt();
    let limit = ROUNDING * norm(&output) * norm(&given.gradient) + f64::MIN_POSITIVE;
    prop_assert!((product - dot(&given.input, &computed.input)).abs() <= limit);
    prop_assert!((product - dot(&given.weight, &computed.weight)).abs() <= limit);
    Ok(())
}

fn pair<T: std::fmt::Debug>(of: impl Strategy<Value = T> + Clone) -> impl Strategy<Value = [T; 2]> {
    [of.clone(), of]
}

prop_compose! {
    /// Any convolution of up to 70 channels and images of up to 40×40.
    fn any_sizes()(
        images in 1usize..4,
        channels in (1usize..71, 1usize..71),
        groups in prop_oneof![3 => Just(1), 1 => 2usize..5],
        size in pair(1usize..41),
        kernel in pair(1usize..8),
        stride in pair(1usize..4),
        padding in pair((0usize..4, 0usize..4)),
        dilation in pair(prop_oneof![3 => Just(1), 1 => 2usize..4]),
    ) -> Sizes {
        let (inputs, outputs) = (channels.0.div_ceil(groups), channels.1.div_ceil(groups));
        Sizes { images, inputs, outputs, groups, size, kernel, stride, padding, dilation }
    }
}

prop_compose! {
    /// Kernels of 3×3 with stride 1, many of them Winograd's.
    fn three_by_three()(
        images in 1usize..4,
        inputs in 1usize..71,
        outputs in 1usize..71,
        size in pair(1usize..41),
        padding in pair((0usize..3, 0usize..3)),
    ) -> Sizes {
        Sizes { images, inputs, outputs, size, padding, ..WINOGRAD }
    }
}

prop_compose! {
    /// Other common kernels: (kernel, stride, padding).
    fn common()(
        kernel in proptest::sample::select(vec![(3, 2, 1), (1, 1, 0), (1, 2, 0), (7, 2, 3), (4, 2, 1), (5, 1, 2)]),
        images in 1usize..6,
        inputs in 1usize..71,
        outputs in 1usize..71,
        size in pair(1usize..41),
    ) -> Sizes {
        let (kernel, stride, padding) = kernel;
        let padding = [(padding, padding); 2];
        Sizes { images, inputs, outputs, size, kernel: [kernel; 2], stride: [stride; 2], padding, ..WINOGRAD }
    }
}

/// Cut down until the definition computes it in time.
fn small(mut sizes: Sizes) -> Option<Sizes> {
    loop {
        sizes.output()?;
        if sizes.products() <= PRODUCTS {
            return Some(sizes);
        }
        let largest = [sizes.images, sizes.inputs, sizes.outputs, sizes.size[0], sizes.size[1]]
            .into_iter()
            .max()?;
        let Sizes { images, inputs, outputs, size: [height, width], .. } = &mut sizes;
        let mut parts = [height, width, inputs, outputs, images].into_iter();
        let part = parts.find(|part| **part == largest)?;
        *part = (*part * 3 / 4).max(1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn it_is_the_definition(
        sizes in any_sizes().prop_filter_map("a kernel that fits", small), bias: bool, seed: u64,
    ) {
        check(sizes, bias, seed >> 8)?;
    }

    #[test]
    fn so_it_is_for_kernels_of_3x3(
        sizes in three_by_three().prop_filter_map("a kernel that fits", small), bias: bool, seed: u64,
    ) {
        check(sizes, bias, seed >> 8)?;
    }

    #[test]
    fn so_it_is_for_common_kernels(
        sizes in common().prop_filter_map("a kernel that fits", small), bias: bool, seed: u64,
    ) {
        check(sizes, bias, seed >> 8)?;
    }
}

/// So many weights that a tile holds a part of an image only.
const CUT: Sizes = Sizes { images: 2, inputs: 130, outputs: 40, size: [32, 32], ..STRIDED };

/// Too many weights to be summed for parts of the batch.
const WIDE: Sizes = Sizes { images: 2, inputs: 272, outputs: 131, size: [4, 4], ..PIXELS };

#[test]
fn so_it_is_for_kernels_of_single_pixels_in_lines_of_sixteen() {
    for size in [[4, 4], [3, 7], [5, 3], [8, 8], [17, 18]] {
        for images in [1, 2, 17, 35] {
            let few = Sizes { images, inputs: 16, outputs: 21, size, ..PIXELS };
            check(few, images == 2, 4).unwrap();
        }
        check(Sizes { size, ..WIDE }, false, 5).unwrap();
    }
}

/// Of the largest output: Winograd's for as many channels as the widest networks have at this size.
const MANY_CHANNELS: f64 = 2e-5;

#[test]
fn rounding_stays_small_for_many_channels() {
    let sizes = Sizes { images: 1, inputs: 512, outputs: 16, size: [24, 24], ..WINOGRAD };
    let given = Given::random(sizes, false, 1);
    let computed = given.compute();
    let [output, of_input, of_weight] =
        sizes.convolve(&given.input, &given.weight, &given.gradient);
    for (found, expected) in
        [(&computed.output, &output), (&computed.input, &of_input), (&computed.weight, &of_weight)]
    {
        let largest = expected.iter().map(|sum| sum.value.abs()).fold(0.0, f64::max);
        let error = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b.value).abs());
        let error = error.fold(0.0, f64::max) / largest;
        assert!(error < MANY_CHANNELS, "{error:e}");
        assert!(error > 0.0, "the comparison can fail");
    }
}

fn images(given: &Given, range: std::ops::Range<usize>) -> Given {
    let of = |values: &[f32], dims: [usize; 4]| {
        let len = dims[1] * dims[2] * dims[3];
        values[range.start * len..range.end * len].to_vec()
    };
    Given {
        sizes: Sizes { images: range.len(), ..given.sizes },
        input: of(&given.input, given.sizes.input_dims()),
        gradient: of(&given.gradient, given.sizes.output_dims()),
        ..given.clone()
    }
}

#[test]
fn an_image_does_not_depend_on_its_batch() {
    for sizes in [WINOGRAD, STRIDED, GROUPED, PIXELS, Sizes { images: 5, ..CUT }] {
        let given = Given::random(sizes, true, 2);
        let together = given.compute();
        for parts in [vec![0..1, 1..2, 2..3, 3..4, 4..5], vec![0..2, 2..5], vec![0..4, 4..5]] {
            let parts: Vec<Computed> =
                parts.into_iter().map(|part| images(&given, part).compute()).collect();
            let output: Vec<f32> = parts.iter().flat_map(|part| part.output.clone()).collect();
            let input: Vec<f32> = parts.iter().flat_map(|part| part.input.clone()).collect();
            assert!(output == together.output, "output, {sizes:?}");
            assert!(input == together.input, "input gradient, {sizes:?}");
        }
    }
}

#[test]
fn it_is_the_same_bit_for_bit_again_and_with_any_number_of_threads() {
    let one = Sizes { images: 1, ..WINOGRAD };
    for sizes in [WINOGRAD, STRIDED, GROUPED, PIXELS, one, WIDE, CUT] {
        let given = Given::random(sizes, true, 3);
        let first = given.compute();
        assert_eq!(given.compute(), first);
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let again = pool.install(|| given.compute());
            let same = [
                again.output == first.output,
                again.input == first.input,
                again.weight == first.weight,
                again.bias == first.bias,
            ];
            assert_eq!(same, [true; 4], "{threads} threads, {sizes:?}");
        }
    }
}

#[test]
fn the_numbers_are_of_both_signs() {
    let numbers = numbers(1000, 5);
    assert!(numbers.iter().all(|value| value.abs() <= 1.0));
    assert!(numbers.iter().sum::<f32>().abs() < 60.0);
}
