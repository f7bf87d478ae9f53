//! Writes the network's Rust code and weights from the ONNX file.

use burn_onnx::{LoadStrategy, ModelGen};

fn main() {
    const MODEL: &str = "models/digits.onnx";
    println!("cargo::rerun-if-changed={MODEL}");
    ModelGen::new()
        .input(MODEL)
        .out_dir("onnx/")
        .load_strategy(LoadStrategy::Embedded)
        .run_from_script();
}
