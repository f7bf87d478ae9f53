//! Seconds of a convolution and its gradients, beside Burn's own: what `free_at::nn` gains by Winograd's algorithm (kernels
//! of 3×3 with stride 1) and by patches (all others).
//!
//! `cargo bench -p free-at-benches --bench convolution`

use burn::tensor::module;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Distribution, Tensor};
use criterion::Criterion;
use free_at::nn::conv2d;
use free_at_benches::ratio::{Bar, ratio};
use free_at_benches::ratios;
use free_at_benches::timing;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Images, channels in and out, height and width, kernel, stride, padding.
const CASES: [(&str, [usize; 7]); 7] = [
    ("3x3, 16 channels", [16, 16, 16, 32, 3, 1, 1]),
    ("3x3, 64 channels", [16, 64, 64, 32, 3, 1, 1]),
    ("3x3, 256 channels", [16, 256, 256, 8, 3, 1, 1]),
    ("3x3, stride 2", [16, 64, 128, 32, 3, 2, 1]),
    ("1x1", [16, 256, 64, 32, 1, 1, 0]),
    ("7x7, stride 2", [4, 3, 64, 112, 7, 2, 3]),
    ("4x4, stride 2", [128, 16, 32, 14, 4, 2, 1]),
];

type Convolve = fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>, ConvOptions<2>) -> Tensor<4>;

/// The convolution, then backward through it: with both gradients, or that in the input alone.
fn pass(
    convolve: Convolve,
    images: &Tensor<4>,
    kernels: &Tensor<4>,
    options: ConvOptions<2>,
    both: bool,
) {
    let images = images.clone().require_grad();
    let kernels = if both { kernels.clone().require_grad() } else { kernels.clone() };
    convolve(images, kernels, None, options).sum().backward();
}

fn convolution(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    for (name, [n, inputs, outputs, size, kernel, stride, padding]) in CASES {
        let random = |dims| Tensor::<4>::random(dims, Distribution::Uniform(-1.0, 1.0), &device);
        let (images, kernels) =
            (random([n, inputs, size, size]), random([outputs, inputs, kernel, kernel]));
        let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
        let mut group = timing::group(criterion, &format!("convolution/{name}"));
        let burns: Convolve = |x, w, bias, options| module::conv2d(x, w, bias, options);
        let ours: Convolve = |x, w, bias, options| conv2d(x, w, bias, options);
        for (whose, convolve) in [("free-at", ours), ("Burn", burns)] {
            timing::time(&mut group, &format!("{whose}, forward"), &device, || {
                convolve(images.clone(), kernels.clone(), None, options.clone());
            });
            for (what, both) in [("training", true), ("attack", false)] {
                timing::time(&mut group, &format!("{whose}, {what}"), &device, || {
                    pass(convolve, &images, &kernels, options.clone(), both);
                });
            }
        }
        group.finish();
    }
}

fn main() {
    let mut ratios = Vec::new();
    for (name, _) in CASES {
        for what in ["forward", "training", "attack"] {
            let (of, by) = (format!("free-at, {what}"), format!("Burn, {what}"));
            ratios.push(ratio(&format!("convolution/{name}"), &of, &by, Bar::Most(1.0)));
        }
    }
    ratios::run(convolution, &ratios);
}
