//! Checkpoints as other programs write them: `fixtures/foreign.py` made these.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use free_at::models::{ModelError, NormalizeConfig, Normalized, SmallCnn, Weights};
use free_at::prelude::*;

use crate::filling::{saved, write};
use crate::reference::fixture;

/// Single precision; the networks' answers differ by 0.01 and more.
const LOGITS: f32 = 1e-5;

/// Names, shapes and values.
type Named = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn network() -> SmallCnnConfig {
    SmallCnnConfig::new(3, 4).with_width(2)
}

fn bare() -> SmallCnn {
    network().init(&Device::flex())
}

/// Behind a normalisation that changes nothing.
fn normalized() -> Normalized<SmallCnn> {
    let none = NormalizeConfig::new(vec![0.0; 3], vec![1.0; 3]);
    Normalized::new(none.init(&Device::flex()), bare())
}

fn open(name: &str) -> Weights {
    Weights::open(fixture(&format!("foreign/{name}"))).unwrap()
}

fn answers(of: &str) -> Vec<f32> {
    let json = include_str!("fixtures/foreign.json");
    let mut answers: BTreeMap<String, Vec<f32>> = serde_json::from_str(json).unwrap();
    answers.remove(of).unwrap()
}

fn gives(model: &impl Classifier<4>, expected: &str) {
    let pixels: Vec<f32> = (0u16..384).map(|at| f32::from(at) / 384.0).collect();
    let images = Tensor::<4>::from_data(TensorData::new(pixels, [2, 3, 8, 8]), &Device::flex());
    let logits = model.logits(images).into_data().try_to_vec::<f32>().unwrap();
    let expected = answers(expected);
    assert_eq!(logits.len(), expected.len());
    for (logit, expected) in logits.iter().zip(&expected) {
        assert!((logit - expected).abs() < LOGITS, "{logit}, expected {expected}");
    }
}

/// The first of PyTorch's networks.
fn tensors() -> Named {
    saved(&open("model_best_checkpoint.pt").load(bare()).unwrap())
}

fn file(
    folder: &Path,
    tensors: impl IntoIterator<Item = (String, (Vec<usize>, Vec<f32>))>,
) -> Weights {
    let path = folder.join("weights.safetensors");
    write(&path, tensors.into_iter().map(|(name, (shape, values))| (name, shape, values)));
    Weights::open(path).unwrap()
}

/// The tensors below a key, with all their numbers times `factor`.
fn copy(key: &str, factor: f32) -> Named {
    let times = |values: Vec<f32>| -> Vec<f32> { values.into_iter().map(|v| factor * v).collect() };
    let named = tensors().into_iter();
    named.map(|(name, (shape, values))| (format!("{key}{name}"), (shape, times(values)))).collect()
}

#[test]
fn a_checkpoint_of_robustness_is_one_network_behind_its_normalisation() {
    let weights = open("robustness.pt");
    let own = NormalizeConfig::new(answers("mean"), answers("std"));
    assert_eq!(weights.normalization().unwrap(), Some(own.clone()));
    gives(&weights.load(normalized()).unwrap(), "normalized");
    // The attacker's copy alone.
    let copy = weights.ignoring("module.model.").ignoring("module.normalizer.");
    assert_eq!(copy.normalization().unwrap(), Some(own));
    gives(&copy.load(normalized()).unwrap(), "normalized");
}

#[test]
fn an_attackers_tensors_of_another_shape_are_no_copies() {
    let folder = tempfile::tempdir().unwrap();
    let mut both: Named = copy("model.", 1.0);
    both.extend(copy("attacker.model.", 1.0));
    gives(&file(folder.path(), both.clone()).load(bare()).unwrap(), "one");
    both.insert("attacker.model.output.bias".into(), (vec![2], vec![0.0; 2]));
    let error = file(folder.path(), both).load(bare()).unwrap_err();
    let ModelError::Mismatch { mismatch, .. } = &error else { panic!("{error}") };
    assert_eq!(mismatch.wrong_shape.len() + mismatch.unused.len(), 2, "{error}");
}

#[test]
fn mu_and_sigma_become_the_normalisation() {
    let weights = open("robustbench.pt");
    gives(&weights.load(normalized()).unwrap(), "normalized");
    let kept = weights.clone().ignoring("mu").ignoring("sigma");
    assert_eq!(kept.normalization(), Ok(None));
    gives(&kept.load(normalized()).unwrap(), "one");
    gives(&kept.load(bare()).unwrap(), "one");
    // And on a device that differentiates.
    let device = Device::flex().autodiff();
    let none = NormalizeConfig::new(vec![0.0; 3], vec![1.0; 3]).init(&device);
    let trained = weights.load(Normalized::new(none, network().init(&device))).unwrap();
    gives(&trained.valid(), "normalized");
}

#[test]
fn a_normalisation_is_not_lost_on_a_network_without_one() {
    let weights = open("robustbench.pt");
    let gray = NormalizeConfig::new(vec![0.5], vec![0.5]).init(&Device::flex());
    let errors = [
        weights.load(bare()).unwrap_err(),
        weights.load(Normalized::new(gray, bare())).unwrap_err(),
    ];
    for error in errors {
        let ModelError::Mismatch { mismatch, .. } = &error else { panic!("{error}") };
        assert_eq!(mismatch.normalization, ["mu", "sigma"]);
        assert!(mismatch.missing.is_empty() && mismatch.unused.is_empty(), "{error}");
        assert!(error.to_string().contains("mu, sigma (load it into a `Normalized`"), "{error}");
    }
}

#[test]
fn what_is_no_normalisation_is_not_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], Vec<usize>); 3] =
        [(&["mu", "sigma"], vec![3, 2]), (&["mu"], vec![3]), (&["sigma"], vec![3])];
    for (names, shape) in cases {
        let mut more = tensors();
        let values = vec![0.5; shape.iter().product::<usize>()];
        more.extend(names.iter().map(|name| (name.to_string(), (shape.clone(), values.clone()))));
        let weights = file(folder.path(), more);
        assert_eq!(weights.normalization(), Ok(None));
        let error = weights.load(normalized()).unwrap_err();
        let ModelError::Mismatch { mismatch, .. } = &error else { panic!("{error}") };
        assert_eq!(mismatch.unused, names);
    }
}

#[test]
fn one_of_several_state_dictionaries_is_chosen_by_its_key() {
    for (name, keys) in [("best_last.pt", ["best", "last"]), ("ema.pt", ["model", "model_ema"])] {
        let weights = open(name);
        let error = weights.load(bare()).unwrap_err();
        let text = error.to_string();
        let ModelError::StateDicts { path, found, .. } = error else { panic!("{text}") };
        assert!(path.ends_with(name));
        assert_eq!(found, keys);
        assert!(text.contains(&format!("under {}", keys.join(", "))), "{text}");
        assert!(text.contains("Weights::under"), "{text}");
    }
    gives(&open("best_last.pt").under("last").load(bare()).unwrap(), "one");
    gives(&open("best_last.pt").under("best").load(bare()).unwrap(), "two");
    gives(&open("ema.pt").under("model").load(bare()).unwrap(), "one");
    gives(&open("ema.pt").under("model_ema").load(bare()).unwrap(), "two");
    gives(&open("ema.pt").ignoring("model_ema").load(bare()).unwrap(), "one");

    let chosen = open("best_last.pt").under("best");
    let config = NetworkConfig::named("small-cnn", 10).unwrap().fitted(&chosen);
    assert_eq!(config, NetworkConfig::SmallCnn(network()));
    let again = open("best_last.pt").under("last").under("best");
    gives(&again.load(config.init(&Device::flex()).unwrap()).unwrap(), "two");
}

#[test]
fn a_key_that_the_file_does_not_have_is_told_with_those_it_has() {
    for key in ["bset", "best.module", "bes", "epoch"] {
        let error = open("best_last.pt").under(key).load(bare()).unwrap_err();
        let text = error.to_string();
        let ModelError::Key { key: said, found, .. } = error else { panic!("{text}") };
        assert_eq!((said.as_str(), found), (key, vec!["best".to_string(), "last".into()]));
        assert!(text.contains(&format!("`{key}`; it has best, last")), "{text}");
    }
}

#[test]
fn a_usual_key_is_not_chosen_in_silence_where_there_are_others() {
    let folder = tempfile::tempdir().unwrap();
    let found = |keys: &[&str]| {
        let tensors = keys.iter().zip([1.0, 0.5]).flat_map(|(key, factor)| copy(key, factor));
        let weights = file(folder.path(), tensors.collect::<Named>());
        match weights.load(bare()) {
            Err(ModelError::StateDicts { found, .. }) => found,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found(&["state_dict.", "state_dict_ema."]), ["state_dict", "state_dict_ema"]);
    assert_eq!(found(&["last.module.", "best.module."]), ["best", "last"]);
    assert_eq!(found(&["module.model.", "module.ema."]), ["module.ema", "module.model"]);
    assert_eq!(found(&["network.weights."]), ["network.weights"]);
    let weights = Weights::open(folder.path().join("weights.safetensors")).unwrap();
    gives(&weights.under("network.weights").load(bare()).unwrap(), "one");
}

#[test]
fn a_key_takes_the_normalisation_beside_the_weights_along() {
    let folder = tempfile::tempdir().unwrap();
    let mut both = copy("best.model.", 1.0);
    both.extend(copy("last.model.", 0.5));
    for (name, values) in [("mean", answers("mean")), ("std", answers("std"))] {
        both.insert(format!("best.normalize.{name}"), (vec![1, 3, 1, 1], values));
    }
    let best = file(folder.path(), both).under("best");
    gives(&best.load(normalized()).unwrap(), "normalized");
    assert!(best.load(bare()).is_err());
}

#[test]
fn an_object_that_is_not_read_is_told_with_the_way_round_it() {
    let path = fixture("foreign/history.pt");
    let error = Weights::open(&path).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ModelError::Object { .. }), "{text}");
    let line = format!("torch.save(torch.load({path:?}, weights_only=False)[\"state_dict\"]");
    assert!(text.contains(&line), "{text}");
}

#[test]
fn an_archive_whose_folder_has_a_name_of_21_letters_is_read() {
    gives(&open("model_best_checkpoint.pt").load(bare()).unwrap(), "one");
    // The name inside stays.
    let folder = tempfile::tempdir().unwrap();
    let renamed = folder.path().join("a.pt");
    std::fs::copy(fixture("foreign/model_best_checkpoint.pt"), &renamed).unwrap();
    let weights = Weights::open(&renamed).unwrap();
    std::fs::remove_file(&renamed).unwrap();
    gives(&weights.load(bare()).unwrap(), "one");
}

#[test]
fn a_fused_network_is_called_one() {
    let folder = tempfile::tempdir().unwrap();
    // `fuse_modules` with a ReLU.
    let listed = tensors().into_iter().filter(|(name, _)| !name.contains(".norm."));
    let listed = listed.map(|(name, tensor)| (name.replace(".conv.", ".conv.0."), tensor));
    let biases = ["first", "second", "third"];
    let biases = biases.map(|block| (format!("{block}.conv.0.bias"), (vec![2], vec![0.5; 2])));
    let listed = file(folder.path(), listed.chain(biases));
    for weights in [open("fused.pt"), listed] {
        let error = weights.load(bare()).unwrap_err();
        assert!(matches!(error, ModelError::Fused { .. }), "{error}");
        assert!(error.to_string().contains("SmallCnn that have none: the network was fused"));
    }
    // Without biases something else is wrong, and with some of the batch norms too.
    for part in [".norm.", "first.norm."] {
        let tensors = tensors().into_iter().filter(|(name, _)| !name.contains(part));
        let error = file(folder.path(), tensors).load(bare()).unwrap_err();
        assert!(matches!(error, ModelError::Mismatch { .. }), "{error}");
    }
}

/// The tensors with one number of each of these replaced.
fn with(number: f32, names: &[&str]) -> Named {
    let mut tensors = tensors();
    for name in names {
        *tensors.get_mut(*name).unwrap().1.last_mut().unwrap() = number;
    }
    tensors
}

#[test]
fn numbers_that_give_nan_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["first.conv.weight", "output.bias", "third.norm.running_mean"];
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let weights = file(folder.path(), with(number, &names));
        let error = weights.load(bare()).unwrap_err();
        let text = error.to_string();
        let ModelError::NotFinite { path, tensors } = error else { panic!("{text}") };
        assert!(path.ends_with("weights.safetensors"));
        assert_eq!(tensors, names);
        assert!(text.contains(&names.join(", ")), "{text}");
        // What is not loaded does no harm.
        let ours = weights.keeping("first.conv.").keeping("output.").keeping("third.norm.");
        ours.load(bare()).unwrap();
    }
    let variances = ["first.norm.running_var", "second.norm.running_var"];
    let error = file(folder.path(), with(-1e-3, &variances)).load(bare()).unwrap_err();
    let text = error.to_string();
    let ModelError::NegativeVariance { tensors, .. } = error else { panic!("{text}") };
    assert_eq!(tensors, variances);
    assert!(text.contains(&variances.join(", ")), "{text}");
    // Others may be negative, and a channel without variance is one that is always the same.
    file(folder.path(), with(-1e-3, &names)).load(bare()).unwrap();
    file(folder.path(), with(0.0, &variances)).load(bare()).unwrap();
}

/// Makes parameters of half precision.
struct Half;

impl ModuleMapper for Half {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.cast(FloatDType::F16))
    }
}

#[test]
fn what_overflows_in_the_networks_precision_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let large = file(folder.path(), with(1e5, &["output.bias"]));
    large.load(bare()).unwrap();
    let error = large.load(bare().map(&mut Half)).unwrap_err();
    assert!(
        matches!(&error, ModelError::NotFinite { tensors, .. } if tensors == &["output.bias"]),
        "{error}"
    );
    open("model_best_checkpoint.pt").load(bare().map(&mut Half)).unwrap();
}

#[test]
fn a_normalisation_that_gives_nan_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let normalizing = |mu: f32, sigma: f32| {
        let mut tensors = tensors();
        for (name, number) in [("mu", mu), ("sigma", sigma)] {
            tensors.insert(name.into(), (vec![1, 3, 1, 1], vec![0.5, number, 0.5]));
        }
        let weights = file(folder.path(), tensors);
        let error = weights.load(normalized()).unwrap_err();
        assert_eq!(weights.normalization().unwrap_err(), error);
        error
    };
    for (mu, sigma, name) in [(f32::NAN, 0.5, "mu"), (0.5, f32::INFINITY, "sigma")] {
        let error = normalizing(mu, sigma);
        assert!(
            matches!(&error, ModelError::NotFinite { tensors, .. } if tensors == &[name]),
            "{error}"
        );
    }
    for sigma in [0.0, -0.5] {
        let error = normalizing(0.5, sigma);
        let named = |reason: &str| reason.starts_with("sigma: ") && reason.contains("above 0");
        assert!(matches!(&error, ModelError::Damaged { reason, .. } if named(reason)), "{error}");
    }
}
