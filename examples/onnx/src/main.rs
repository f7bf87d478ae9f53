//! How robust is a model that is an ONNX file? `burn-onnx` makes a Burn module of it when this is built, and five lines make
//! that a classifier, which every attack, evaluation and trainer takes.
//!
//! `cargo run --manifest-path examples/onnx/Cargo.toml`

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use free_at::attacks::{Apgd, Square};
use free_at::prelude::*;

/// What `build.rs` wrote.
#[allow(clippy::all, dead_code, missing_docs, unreachable_pub)]
mod digits_onnx {
    use burn::store as burn_store;
    include!(concat!(env!("OUT_DIR"), "/onnx/digits.rs"));
}

/// The network of `models/digits.onnx`, for images `[n, 1, 8, 8]` in [0, 1]; its normalisation is part of the graph.
#[derive(Module, Debug)]
struct Digits {
    network: digits_onnx::Model,
}

impl Digits {
    fn load(device: &Device) -> Self {
        Self { network: digits_onnx::Model::from_embedded(device) }
    }
}

impl Classifier<4> for Digits {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.network.forward(images)
    }

    /// The graph panics on another size.
    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        match sample {
            [1, 8, 8] => Ok(()),
            _ => Err(Error::InputShape {
                model: "digits.onnx".into(),
                found: sample.to_vec(),
                reason: "it takes images of 1×8×8".into(),
            }),
        }
    }
}

/// L∞, ε = 0.1, on the embedded test digits: gradients, and queries alone.
fn evaluate<C: Classifier<4> + Module + 'static>(
    model: &C,
) -> Result<RobustnessReport, Box<dyn std::error::Error>> {
    let test = digits::test().loader(120, None, &Device::default())?;
    let evaluation = Evaluation::new(ThreatModel::linf(Epsilon::unit(0.1)))
        .attack(Pgd::new(20))
        .attack(Apgd::ce())
        .attack(Square::new().with_queries(500));
    Ok(evaluation.run(model, &*test)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", evaluate(&Digits::load(&Device::default()))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use free_at::models::Weights;

    /// The same network from the weights that the ONNX file was exported from.
    fn ours() -> free_at::models::SmallCnn {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/free-8.safetensors");
        let net = SmallCnnConfig::new(1, digits::CLASSES).with_width(8).init(&Device::default());
        Weights::open(file).unwrap().load(net).unwrap()
    }

    #[test]
    fn the_graph_says_what_the_network_says() {
        const ROUNDING: f32 = 1e-4; // batch norm is folded into the convolutions
        let images = digits::test().batch(&Device::default()).unwrap().inputs();
        let apart = Digits::load(&Device::default()).logits(images.clone()) - ours().logits(images);
        assert!(apart.abs().max().into_scalar::<f32>() < ROUNDING);
    }

    #[test]
    fn it_is_as_robust_as_the_network() {
        let (onnx, ours) =
            (evaluate(&Digits::load(&Device::default())).unwrap(), evaluate(&ours()).unwrap());
        assert_eq!(onnx.clean, ours.clean);
        // The gradients round differently, and a digit at the edge may fall to either side.
        let apart = (onnx.worst_case - ours.worst_case).abs() * onnx.samples.len() as f64;
        assert!(apart < 2.5, "{onnx}\n{ours}");
        assert!(onnx.worst_case < onnx.clean && onnx.worst_case > 0.4, "{onnx}");
    }

    #[test]
    fn another_size_is_an_error_and_no_panic() {
        let refused = Digits::load(&Device::default()).check_input(&[1, 28, 28]);
        assert!(matches!(refused, Err(Error::InputShape { .. })));
    }
}
