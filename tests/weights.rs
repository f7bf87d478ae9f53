//! Weights in and out, and what is refused.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use free_at::FrozenModel;
use free_at::models::{ModelError, ResNet, ResNetConfig, Stem, Weights, save};
use free_at::prelude::*;
use free_at::train::Trainer;

use safetensors::tensor::{Dtype, TensorView};

use crate::filling::{read, saved, write};
use crate::reference::fixture;

fn resnet(device: &Device) -> ResNet {
    ResNetConfig::resnet18(10).with_channels(1).with_width(4).with_stem(Stem::Cifar).init(device)
}

fn checkpoint() -> Weights {
    Weights::open(fixture("weights/resnet18.pt")).unwrap()
}

/// The fixture's tensors, as a file that `change` has been at.
fn changed(
    folder: &Path,
    change: impl Fn(String, Vec<usize>, Vec<f32>) -> Option<(String, Vec<usize>, Vec<f32>)>,
) -> Weights {
    let model = checkpoint().load(resnet(&Device::flex())).unwrap();
    let path = folder.join("changed.safetensors");
    let tensors = saved(&model).into_iter();
    write(&path, tensors.filter_map(|(name, (shape, values))| change(name, shape, values)));
    Weights::open(path).unwrap()
}

#[test]
fn every_tensor_that_does_not_fit_is_in_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = changed(folder.path(), |name, shape, values| match name.as_str() {
        "bn1.weight" => None,
        "conv1.weight" => Some((name, vec![shape[0], 3, 1, 3], values)),
        "fc.bias" => Some(("fc.offset".into(), shape, values)),
        _ => Some((name, shape, values)),
    });
    let ModelError::Mismatch { path, model, mismatch } =
        wrong.load(resnet(&Device::flex())).unwrap_err()
    else {
        panic!("another error");
    };
    assert!(path.ends_with("changed.safetensors"));
    assert_eq!(model, "ResNet");
    assert_eq!(mismatch.missing, ["bn1.weight", "fc.bias"]);
    assert_eq!(mismatch.unused, ["fc.offset"]);
    let [shape] = mismatch.wrong_shape.as_slice() else { panic!("{mismatch:?}") };
    assert_eq!(shape.name, "conv1.weight");
    assert_eq!((&shape.expected, &shape.found), (&vec![4, 1, 3, 3], &vec![4, 3, 1, 3]));
    let text = mismatch.to_string();
    for word in ["bn1.weight, fc.bias", "fc.offset", "conv1.weight is [4, 3, 1, 3]"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn other_code_bases_names_and_wrappers_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let expected = saved(&checkpoint().load(resnet(&Device::flex())).unwrap());
    for wrapper in ["", "module.", "model.", "_orig_mod.module.model.", "net."] {
        let wrapped = changed(folder.path(), |name, shape, values| {
            let name = name.replace(".downsample.", ".shortcut.").replace("fc.", "linear.");
            Some((format!("{wrapper}{name}"), shape, values))
        });
        let loaded = wrapped.load(resnet(&Device::flex())).unwrap();
        assert_eq!(saved(&loaded), expected, "{wrapper}");
    }
}

#[test]
fn what_is_ignored_is_no_mismatch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.safetensors");
    let model = checkpoint().load(resnet(&Device::flex())).unwrap();
    let more =
        ["module.mu", "module.sub_block1.0.weight"].map(|name| (name.into(), vec![1], vec![0.5]));
    let tensors = saved(&model).into_iter();
    let tensors = tensors.map(|(name, (shape, values))| (format!("module.{name}"), shape, values));
    write(&path, tensors.chain(more));
    let checkpoint = Weights::open(&path).unwrap();
    let refused = checkpoint.load(resnet(&Device::flex())).unwrap_err();
    assert!(
        matches!(&refused, ModelError::Mismatch { mismatch, .. } if mismatch.unused.len() == 2),
        "{refused}"
    );
    let checkpoint = checkpoint.ignoring("mu").ignoring("sub_block1");
    assert_eq!(saved(&checkpoint.load(resnet(&Device::flex())).unwrap()), saved(&model));
    // What is ignored is not there, even for a network that needs it.
    let without = checkpoint.ignoring("fc.").load(resnet(&Device::flex())).unwrap_err();
    assert!(
        matches!(&without, ModelError::Mismatch { mismatch, .. } if mismatch.missing == ["fc.bias", "fc.weight"]),
        "{without}"
    );
}

#[test]
fn a_new_last_layer_stays_on_a_body_that_is_loaded() {
    let config = ResNetConfig::resnet18(3).with_channels(1).with_width(4).with_stem(Stem::Cifar);
    let fresh = saved(&config.init(&Device::flex()));
    let body = saved(&checkpoint().load(resnet(&Device::flex())).unwrap());
    let tuned = checkpoint().keeping("fc.").load(config.init(&Device::flex())).unwrap();
    for (name, tensor) in saved(&tuned) {
        let from = if name.starts_with("fc.") { &fresh } else { &body };
        assert_eq!(tensor, from[&name], "{name}");
    }
}

#[test]
fn a_scripts_optimizer_is_passed_over_and_a_second_copy_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.safetensors");
    let model = checkpoint().load(resnet(&Device::flex())).unwrap();
    let named = |prefix: &'static str, factor: f32| {
        saved(&model).into_iter().map(move |(name, (shape, values))| {
            let values = values.into_iter().map(|value| factor * value).collect();
            (format!("{prefix}{name}"), shape, values)
        })
    };
    let optimizer = [("optimizer.state.0.momentum_buffer".into(), vec![1], vec![0.5])];
    write(&path, named("model.", 1.0).chain(optimizer.clone()));
    let loaded = Weights::open(&path).unwrap().load(resnet(&Device::flex())).unwrap();
    assert_eq!(saved(&loaded), saved(&model));
    // Two copies: the second is not taken silently, and ignoring one chooses the other.
    write(&path, named("model.", 1.0).chain(named("net.", 0.5)));
    let both = Weights::open(&path).unwrap();
    let refused = both.load(resnet(&Device::flex())).unwrap_err();
    assert!(
        matches!(&refused, ModelError::StateDicts { found, .. } if found == &["model", "net"]),
        "{refused}"
    );
    let half = both.ignoring("model.").load(resnet(&Device::flex())).unwrap();
    assert_eq!(saved(&half)["fc.bias"].1[0], 0.5 * saved(&model)["fc.bias"].1[0]);
}

#[test]
fn integers_for_weights_are_told_with_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("integers.safetensors");
    let bytes = [0u8; 80];
    let view = TensorView::new(Dtype::I64, vec![10], &bytes).unwrap();
    safetensors::serialize_to_file([("fc.bias", view)], None, &path).unwrap();
    let error = Weights::open(&path).unwrap().load(resnet(&Device::flex())).unwrap_err();
    let ModelError::Mismatch { mismatch, .. } = error else { panic!("{error}") };
    assert_eq!(mismatch.wrong_type, ["fc.bias"]);
    assert!(mismatch.missing.contains(&"conv1.weight".to_string()));
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    #[derive(burn::module::Module, Debug)]
    struct Twice {
        first: burn::nn::Linear,
        second: burn::nn::Linear,
    }
    impl free_at::models::PyTorchNames for Twice {
        fn pytorch_name(&self, name: &str) -> String {
            name.replace("first", "layer").replace("second", "layer")
        }
    }
    let linear = || burn::nn::LinearConfig::new(2, 2).init(&Device::flex());
    let error = checkpoint().load(Twice { first: linear(), second: linear() }).unwrap_err();
    assert!(error.to_string().contains("layer.weight (the name of two tensors)"), "{error}");
}

#[test]
fn a_frozen_network_and_its_device_stay_what_they_were() {
    let checkpointing = Device::flex().autodiff().gradient_checkpointing();
    let loaded = checkpoint().load(resnet(&checkpointing)).unwrap();
    let images: Batch<4> = digits::test().take(8).batch(&checkpointing).unwrap();
    assert_eq!(
        loaded.logits(images.inputs()).device().gradient_checkpointing_strategy(),
        checkpointing.gradient_checkpointing_strategy()
    );
    let gradients = loaded.logits(images.inputs()).sum().backward();
    assert!(burn::optim::GradientsParams::from_grads(gradients, &loaded).len() > 50);
    let frozen = checkpoint().load(resnet(&Device::flex().autodiff()).freeze()).unwrap();
    let before = saved(&frozen);
    let images: Batch<4> = digits::test().take(8).batch(&Device::flex().autodiff()).unwrap();
    let logits = frozen.logits(images.inputs());
    assert!(!logits.is_require_grad());
    assert_eq!(saved(&frozen), before); // and no running statistics moved
}

#[test]
fn half_precision_weights_become_the_networks_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let model = checkpoint().load(resnet(&Device::flex())).unwrap();
    let halves: Vec<(String, Vec<usize>, Vec<u8>)> = saved(&model)
        .into_iter()
        .map(|(name, (shape, values))| {
            // bfloat16 is the upper half of f32.
            (
                name,
                shape,
                values
                    .iter()
                    .flat_map(|v| (v.to_bits() >> 16).to_le_bytes()[..2].to_vec())
                    .collect(),
            )
        })
        .collect();
    let views = halves.iter().map(|(name, shape, bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::BF16, shape.clone(), bytes);
        (name, view.unwrap())
    });
    safetensors::serialize_to_file(views, None, &path).unwrap();
    let loaded = Weights::open(&path).unwrap().load(resnet(&Device::flex())).unwrap();
    let (loaded, whole) = (saved(&loaded), saved(&model));
    for (name, (_, values)) in loaded {
        let upper = |value: &f32| f32::from_bits(value.to_bits() & 0xffff_0000);
        let expected: Vec<f32> = whole[&name].1.iter().map(upper).collect();
        assert_eq!(values, expected, "{name}");
    }
}

#[test]
fn damaged_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture("weights/resnet18.pt")).unwrap();
    let safe = std::fs::read(fixture("weights/preact18.safetensors")).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let cases: [(&str, &[u8]); 7] = [
        ("empty.pt", b""),
        ("text.pt", b"these are not weights"),
        ("short.pt", &whole[..whole.len() / 2]),
        ("flipped.pt", &flipped),
        ("short.safetensors", &safe[..safe.len() / 2]),
        ("header.safetensors", &safe[..20]),
        ("huge.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{"),
    ];
    for (name, bytes) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = Weights::open(&path).and_then(|file| file.load(resnet(&Device::flex())));
        let Err(ModelError::Damaged { path, reason }) = error else {
            panic!("{name}: {:?}", error.err());
        };
        assert!(path.ends_with(name) && !reason.is_empty(), "{path}: {reason}");
    }
    let missing = Weights::open(folder.path().join("missing.pt")).unwrap_err();
    assert!(matches!(missing, ModelError::File { .. }), "{missing}");
    let nowhere = save(&resnet(&Device::flex()), folder.path().join("no/folder.safetensors"));
    assert!(matches!(nowhere, Err(ModelError::File { .. })), "{nowhere:?}");
}

#[cfg(unix)]
#[test]
fn weights_are_not_saved_in_place_of_a_device_or_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let [socket, device, link] = ["socket", "device", "link"].map(|name| folder.path().join(name));
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::os::unix::fs::symlink("/dev/full", &device).unwrap();
    for special in [&socket, &device] {
        let error = save(&resnet(&Device::flex()), special).unwrap_err();
        assert!(matches!(error, ModelError::File { .. }), "{error}");
        assert!(error.to_string().contains("expected a file, found a device"), "{error}");
        assert!(!std::fs::metadata(special).unwrap().is_file());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2); // nothing is left over
    // A link to a file stays, and the file is replaced.
    let file = folder.path().join("file");
    std::fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    save(&resnet(&Device::flex()), &link).unwrap();
    assert!(link.is_symlink());
    assert_eq!(read(&file), saved(&resnet(&Device::flex())));
}

#[test]
fn loading_leaves_a_clone_alone() {
    let model = resnet(&Device::flex().autodiff());
    let before = saved(&model);
    let loaded = checkpoint().load(model.clone()).unwrap();
    assert_eq!(saved(&model), before);
    assert_ne!(saved(&loaded), before);
}

#[test]
fn a_loaded_network_trains_on_and_saves_its_latest_statistics() {
    let threat = ThreatModel::linf(Epsilon::unit(0.1));
    let trainer = Trainer::new(FreeConfig::new(threat).with_replays(2), Device::flex()).unwrap();
    let model = checkpoint().load(resnet(trainer.device())).unwrap();
    let before = saved(&model);
    let batch: Batch<4> = digits::train().take(16).batch(trainer.device()).unwrap();
    let mut optimizer = burn::optim::SgdConfig::new().init();
    let (model, _) = trainer.step(model, &mut optimizer, 0.1, &batch).unwrap();
    let after = saved(&model);
    for name in ["conv1.weight", "bn1.running_mean", "fc.bias"] {
        assert_ne!(after[name], before[name], "{name}");
    }
    // What is saved is what the next forward pass in evaluation mode sees.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("after.safetensors");
    save(&model, &path).unwrap();
    assert_eq!(read(&path), after);
    let again = Weights::open(&path).unwrap().load(resnet(&Device::flex())).unwrap();
    let inputs: Tensor<4> = batch.inputs().without_autodiff();
    let frozen = FrozenModel::new(&model);
    assert_eq!(
        again.logits(inputs.clone()).into_data(),
        frozen.logits(inputs).unwrap().into_data()
    );
}
