//! The networks against PyTorch, on the numbers of `fixtures/models.py`.

use std::collections::BTreeMap;

use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor};
use free_at::models::{
    MadryWideResNetConfig, MlpConfig, MnistCnnConfig, PreActResNetConfig, PyTorchNames,
    ResNetConfig, Stem, Summarize, Weights, WideResNetConfig, save,
};
use free_at::prelude::*;
use free_at::{FrozenModel, Goal, Objective};
use serde::Deserialize;

use crate::filling::{filled, inputs, read, saved};
use crate::reference::fixture;

/// Logits, and gradients as a share of the largest: rounding apart, the same sums. The script's own
/// float64 run is up to 8e-7 away.
const LOGITS: f32 = 5e-6;
const GRADIENT_SHARE: f32 = 1e-5;
/// Logits in training mode: batch norm over few values magnifies rounding, up to 3.3e-5 in the
/// script's own float64 run.
const TRAINING_LOGITS: f32 = 1e-4;
/// Trained networks have logits up to 18.
const TRAINED_LOGITS: f32 = 5e-5;
/// Parameters and running statistics after one step of 0.1 times the gradient.
const STATE: f32 = 2e-5;

#[derive(Deserialize)]
struct Summary {
    learning_rate: f64,
    counts: BTreeMap<String, usize>,
    multiply_adds: BTreeMap<String, u64>,
    weights: BTreeMap<String, Answers>,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    shape: Vec<usize>,
    classes: usize,
    parameters: usize,
    #[serde(default)]
    state: Vec<(String, Vec<usize>)>,
}

#[derive(Deserialize)]
struct Answers {
    correct: usize,
    tested: usize,
}

fn summary() -> Summary {
    serde_json::from_str(include_str!("fixtures/models.json")).unwrap()
}

/// Everything the script says of a case holds of `init`'s network.
fn agrees<M, const D: usize>(name: &str, init: impl Fn(&Device) -> M)
where
    M: Classifier<D> + PyTorchNames + Summarize + Clone + 'static,
{
    let Summary { learning_rate, mut cases, .. } = summary();
    let Case { shape, classes, parameters, state } = cases.remove(name).unwrap();
    let expected = read(&fixture("models.safetensors"));
    let expected = |what: &str| &expected[&format!("{name}/{what}")].1;

    let plain = filled(init(&Device::flex()), &state);
    keep(&plain, name);
    assert_eq!(plain.summary(&shape[1..]).unwrap().parameters(), parameters);
    assert_eq!(shapes(&saved(&plain)), state.iter().cloned().collect(), "{name}: the state dict");

    let x: Tensor<D> = inputs(name, &shape);
    close(name, "logits", floats(plain.logits(x.clone())), expected("eval_logits"), LOGITS);

    let n = shape[0];
    let labels: Vec<i64> = (0..n).map(|i| ((7 * i + 3) % classes) as i64).collect();
    let labels = |device: &Device| Tensor::<1, Int>::from_data(labels.as_slice(), device);
    let frozen = FrozenModel::new(&plain);
    let truth = Goal::untargeted(labels(&Device::flex()));
    let found = frozen.input_gradient(x.clone(), &truth, Objective::CrossEntropy).unwrap();
    let gradient = floats(found.gradient / n as f64); // of the mean, as in the script
    let reference = expected("input_gradient");
    let largest = reference.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    close(name, "input gradient", gradient, reference, GRADIENT_SHARE * largest);

    let device = Device::flex().autodiff();
    let training = filled(init(&device), &state);
    let logits = training.logits(x.to_device(&device));
    close(
        name,
        "training logits",
        floats(logits.clone()),
        expected("train_logits"),
        TRAINING_LOGITS,
    );
    let truth = Goal::untargeted(labels(&device));
    let loss = Objective::CrossEntropy.values(logits, &truth).unwrap().mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &training);
    let stepped = SgdConfig::new().init().step(learning_rate, training, gradients);
    for (tensor, (_, values)) in saved(&stepped) {
        let reference = expected(&format!("after/{tensor}"));
        let first = values[..reference.len()].to_vec();
        close(name, &format!("{tensor} after a step"), first, reference, STATE);
    }
}

/// Writes the model for `models.py --strict`, if a folder is named for it.
fn keep<M: PyTorchNames>(model: &M, name: &str) {
    if let Some(folder) = std::env::var_os("FREE_AT_KEEP") {
        let path = std::path::Path::new(&folder).join(format!("{name}.safetensors"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        save(model, path).unwrap();
    }
}

fn shapes(state: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> BTreeMap<String, Vec<usize>> {
    state.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect()
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn close(case: &str, what: &str, found: Vec<f32>, expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{case}: {what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found - expected).abs();
        assert!(apart <= tolerance, "{case}: {what}[{index}] is {found}, expected {expected}");
    }
}

#[test]
fn resnet_18_with_the_imagenet_stem() {
    let config = ResNetConfig::resnet18(10).with_width(4);
    agrees("resnet18-imagenet", |device| config.init(device));
}

#[test]
fn resnet_18_with_the_cifar_stem() {
    let config = ResNetConfig::resnet18(10).with_width(4).with_stem(Stem::Cifar);
    agrees("resnet18-cifar", |device| config.init(device));
}

#[test]
fn bottlenecks() {
    let config = ResNetConfig::new([2, 1, 2, 1], true, 10).with_width(4).with_stem(Stem::Cifar);
    agrees("bottlenecks", |device| config.init(device));
}

#[test]
fn preact_resnet_18_of_fast_adversarial() {
    let config = PreActResNetConfig::preact_resnet18(10).with_width(4);
    agrees("preact18", |device| config.init(device));
}

#[test]
fn preact_resnet_18_of_wong2020fast() {
    let config = PreActResNetConfig::preact_resnet18(10).with_width(4).with_final_norm(false);
    agrees("preact18-wong", |device| config.init(device));
}

#[test]
fn preact_resnet_18_of_rice2020overfitting() {
    let config =
        PreActResNetConfig::preact_resnet18(10).with_width(4).with_activated_shortcut(true);
    agrees("preact18-rice", |device| config.init(device));
}

#[test]
fn preact_resnet_50() {
    let config = PreActResNetConfig::preact_resnet50(10).with_width(4);
    agrees("preact50", |device| config.init(device));
}

#[test]
fn wide_resnet_16() {
    let config = WideResNetConfig::wrn(16, 2, 10).unwrap().with_width(4);
    agrees("wrn16", |device| config.init(device));
}

#[test]
fn madrys_wide_resnet_32() {
    let config = MadryWideResNetConfig::wrn_32_10(10).with_widen(2).with_width(4);
    agrees("madry-wrn", |device| config.init(device));
}

#[test]
fn mnist_cnn() {
    let config = MnistCnnConfig::new(10).with_image([12, 12]);
    agrees("mnist-cnn", |device| config.init(device));
}

#[test]
fn mlp() {
    let config = MlpConfig::new(7, 3).with_hidden(vec![16, 12]);
    agrees("mlp", |device| config.init(device));
}

/// The published size: its parameters, and its logits for one input.
fn agrees_in_full(name: &str, network: &str) {
    let case = summary().cases.remove(name).unwrap();
    let model = NetworkConfig::named(network, case.classes).unwrap().init(&Device::flex()).unwrap();
    assert_eq!(model.summary(&case.shape[1..]).unwrap().parameters(), case.parameters);
    let state: Vec<_> = shapes(&saved(&model)).into_iter().collect();
    let model = filled(model, &state);
    keep(&model, name);
    let logits = model.logits(inputs(name, &case.shape));
    let expected = read(&fixture("models.safetensors"));
    close(name, "logits", floats(logits), &expected[&format!("{name}/eval_logits")].1, LOGITS);
}

#[test]
fn resnet_18_in_full() {
    agrees_in_full("full/resnet18", "resnet-18");
}

#[test]
fn resnet_50_in_full() {
    agrees_in_full("full/resnet50", "resnet-50");
}

#[test]
fn wide_resnet_28_10_in_full() {
    agrees_in_full("full/wrn-28-10", "wrn-28-10");
}

/// The table on the crate's page: its rows name each network, an image and a number of classes.
#[test]
fn parameters_and_multiply_adds_are_pytorchs_and_those_of_the_crates_page() {
    let Summary { mut counts, mut multiply_adds, .. } = summary();
    let page = include_str!("../crates/free-at-models/README.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    for row in rows {
        let row: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let (image, classes) = row[2].split_once(", ").unwrap();
        let image: Vec<usize> = image.split('×').map(|size| size.parse().unwrap()).collect();
        let config = NetworkConfig::named(row[1], classes.parse().unwrap()).unwrap();
        let summary = config.init(&Device::flex()).unwrap().summary(&image).unwrap();
        let number = |cell: &str| cell.replace(',', "").parse::<u64>().unwrap();
        let found = (summary.parameters() as u64, summary.multiply_adds());
        assert_eq!(found, (number(row[3]), number(row[4])), "{}", row[1]);
        let name = row[1].replace("preact-resnet-", "preact").replace("resnet-", "resnet");
        let count = counts.remove(&name).unwrap_or(summary.parameters());
        let operations = multiply_adds.remove(&name).unwrap_or(summary.multiply_adds());
        assert_eq!(found, (count as u64, operations), "{}", row[1]);
    }
    assert!(counts.is_empty() && multiply_adds.is_empty(), "{counts:?}, {multiply_adds:?}");
}

/// A checkpoint of a network that PyTorch trained on the digits: its logits and its accuracy.
fn loads(file: &str, network: &str) {
    let checkpoint = Weights::open(fixture("weights").join(file)).unwrap();
    let config = NetworkConfig::named(network, 10).unwrap().fitted(&checkpoint);
    let model = checkpoint.load(config.init(&Device::flex()).unwrap()).unwrap();
    let stem = file.split('.').next().unwrap();
    keep(&model, &format!("weights-{stem}"));
    let expected = read(&fixture("models.safetensors"));
    let expected = &expected[&format!("weights/{stem}/logits")].1;
    let batch: Batch<4> = digits::test().batch(&Device::flex()).unwrap();
    let logits = model.logits(batch.inputs());
    let first = logits.clone().slice_dim(0, 0..expected.len() / 10);
    close(file, "logits", floats(first), expected, TRAINED_LOGITS);
    let right = logits.argmax(1).squeeze_dim::<1>(1).equal(batch.labels()).int().sum();
    let Answers { correct, tested } = summary().weights[file];
    assert_eq!((right.into_scalar::<i64>() as usize, batch.len()), (correct, tested), "{file}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.safetensors");
    save(&model, &path).unwrap();
    let names = |checkpoint: &Weights| -> Vec<(String, Vec<usize>)> {
        let kept = |name: &str| !name.ends_with("num_batches_tracked");
        let plain = |name: &str| name.trim_start_matches("module.").to_string();
        let tensors = checkpoint.tensors().filter(|(name, _)| kept(name));
        tensors.map(|(name, shape)| (plain(name), shape.to_vec())).collect()
    };
    assert_eq!(names(&Weights::open(&path).unwrap()), names(&checkpoint), "{file}");
    let fresh = config.init(&Device::flex()).unwrap();
    let again = Weights::open(&path).unwrap().load(fresh).unwrap().logits(batch.inputs());
    assert_eq!(again.into_data(), model.logits(batch.inputs()).into_data(), "{file}");
}

#[test]
fn a_state_dict_in_torchvisions_names() {
    loads("resnet18.pt", "resnet-18");
}

#[test]
fn a_training_scripts_file_with_dataparallels_prefix() {
    loads("wrn-10.pth", "wrn-10-2");
}

#[test]
fn safetensors_in_robustbenchs_names() {
    loads("preact18.safetensors", "preact-resnet-18");
}
