//! What holds for every network: reproducible initial weights, sizes, and what is refused.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use free_at::attacks::{AttackTask, EvaluationError};
use free_at::models::{
    MadryWideResNetConfig, MlpConfig, MnistCnnConfig, ModelError, NormalizeConfig, Normalized,
    PerImageStandardizeConfig, PreActResNetConfig, PyTorchNames, ResNetConfig, Stem,
    WideResNetConfig,
};
use free_at::prelude::*;
use free_at::train::TrainError;
use free_at::{Draws, Error, FrozenModel, Goal, Objective};

use crate::filling::{inputs, saved};
use crate::nets::launch;

/// Every image network, small, with an image it takes.
pub(crate) fn networks() -> Vec<(NetworkConfig, [usize; 3])> {
    let [resnet, bottleneck] = [false, true].map(|bottleneck| {
        ResNetConfig::new([1, 1, 1, 1], bottleneck, 4).with_width(4).with_stem(Stem::Cifar)
    });
    vec![
        (NetworkConfig::ResNet(resnet.with_stem(Stem::ImageNet)), [3, 33, 40]),
        (NetworkConfig::ResNet(bottleneck), [3, 9, 17]),
        (NetworkConfig::PreActResNet(preact()), [3, 12, 7]),
        (NetworkConfig::WideResNet(WideResNetConfig::new(1, 2, 4).with_width(4)), [3, 11, 16]),
        (NetworkConfig::MadryWideResNet(madry()), [3, 8, 12]),
        (
            NetworkConfig::MnistCnn(MnistCnnConfig::new(4).with_channels(3).with_image([9, 6])),
            [3, 9, 6],
        ),
        (NetworkConfig::SmallCnn(SmallCnnConfig::new(3, 4).with_width(4)), [3, 5, 8]),
    ]
}

fn preact() -> PreActResNetConfig {
    PreActResNetConfig::new([1, 1, 1, 1], false, 4).with_width(4)
}

fn madry() -> MadryWideResNetConfig {
    MadryWideResNetConfig::new(4).with_blocks(1).with_widen(2).with_width(4)
}

#[test]
fn a_seed_gives_the_same_weights_whatever_the_backends_generator_did() {
    let make = |seed, device: &Device| saved(&preact().with_seed(seed).init(device));
    let first = make(3, &Device::flex());
    Device::flex().seed(99); // The backend's generator plays no part.
    assert_eq!(first, make(3, &Device::flex().autodiff()));
    assert_ne!(first, make(4, &Device::flex()));
}

#[test]
fn initial_weights_have_the_references_spread() {
    // At least 2,048 values each: the spread of a sample is within 5 % of the distribution's.
    let close = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.05;
    let spread = |values: &[f32]| {
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        (values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    let wide = saved(&WideResNetConfig::wrn(10, 4, 10).unwrap().init(&Device::flex()));
    let conv = &wide["block2.layer.0.conv2.weight"]; // 128 → 128
    assert!(close(spread(&conv.1), (2.0 / (9.0 * 128.0f64)).sqrt()));
    let last = &wide["fc.weight"]; // 256 → 10, uniform
    assert!(close(spread(&last.1), (1.0 / (3.0 * 256.0f64)).sqrt()));
    assert!(wide["fc.bias"].1.iter().all(|bias| *bias == 0.0));

    let resnet = ResNetConfig::resnet18(10).with_width(16).init(&Device::flex());
    let conv = &saved(&resnet)["layer3.1.conv2.weight"]; // 64 → 64
    assert!(close(spread(&conv.1), (2.0 / (9.0 * 64.0f64)).sqrt()));
    let mnist = saved(&MnistCnnConfig::new(10).init(&Device::flex()));
    let bound = (1.0 / 1568.0f32).sqrt(); // of fc1's weights and biases
    assert!(mnist["5.weight"].1.iter().chain(&mnist["5.bias"].1).all(|w| w.abs() <= bound));
    assert!(close(spread(&mnist["5.weight"].1), f64::from(bound) / 3.0f64.sqrt()));
    assert!(mnist["5.bias"].1.iter().any(|bias| *bias != 0.0));

    let preact =
        saved(&PreActResNetConfig::preact_resnet18(10).with_width(16).init(&Device::flex()));
    let conv = &preact["layer3.0.conv2.weight"]; // 64 → 64, uniform
    assert!(close(spread(&conv.1), (1.0 / (3.0 * 9.0 * 64.0f64)).sqrt()));
    assert!(conv.1.iter().all(|w| w.abs() <= (1.0 / (9.0 * 64.0f32)).sqrt()));

    let madry = saved(&madry().with_width(32).with_widen(4).init(&Device::flex()));
    let last = &madry["fc.weight"]; // 512 → 4, uniform unit scaling: U(±√(3/n)) has variance 1/n
    assert!(close(spread(&last.1), (1.0 / 512.0f64).sqrt()));
}

#[test]
fn zero_init_residual_zeroes_the_last_gamma_of_each_block_and_no_other() {
    let config =
        ResNetConfig::new([1, 1, 1, 1], true, 4).with_width(4).with_zero_init_residual(true);
    let weights = saved(&config.init(&Device::flex()));
    for (name, (_, values)) in weights.iter().filter(|(name, (shape, _))| {
        shape.len() == 1 && name.ends_with("weight") // γ
    }) {
        let expected = if name.ends_with("bn3.weight") { 0.0 } else { 1.0 };
        assert!(values.iter().all(|gamma| *gamma == expected), "{name}");
    }
}

#[test]
fn every_image_network_takes_its_size_and_the_summary_counts_what_is_trained() {
    for (config, image) in networks() {
        let model = config.init(&Device::flex()).unwrap();
        let summary = model.summary(&image).unwrap();
        let [channels, height, width] = image;
        let logits = model.logits(Tensor::ones([2, channels, height, width], &Device::flex()));
        assert_eq!(logits.dims(), [2, 4], "{summary}");
        assert_eq!(summary.parts.last().unwrap().output, [4], "{summary}");
        let statistics = |name: &str| name.contains("running_");
        let trained = saved(&model).into_iter().filter(|(name, _)| !statistics(name));
        let trained: usize = trained.map(|(_, (_, values))| values.len()).sum();
        assert_eq!(summary.parameters(), trained, "{summary}");
        assert!(model.num_params() >= trained);
    }
}

#[test]
fn shapes_that_a_network_does_not_take_are_errors_and_no_panics() {
    for (config, [channels, height, width]) in networks() {
        let model = config.init(&Device::flex()).unwrap();
        let wrong: [&[usize]; 4] =
            [&[channels + 1, height, width], &[channels, 0, width], &[channels, height], &[]];
        for shape in wrong {
            let error = model.check_input(shape).unwrap_err();
            assert!(matches!(&error, Error::InputShape { found, .. } if found == shape), "{error}");
        }
    }
    let refused = |config: &NetworkConfig, shape: [usize; 3]| {
        config.init(&Device::flex()).unwrap().check_input(&shape).unwrap_err().to_string()
    };
    let madry = refused(&NetworkConfig::MadryWideResNet(madry()), [3, 9, 8]);
    assert!(madry.contains("shortcut"), "{madry}");
    let mnist = refused(&NetworkConfig::MnistCnn(MnistCnnConfig::new(4)), [1, 32, 32]);
    assert!(mnist.contains("1568 inputs"), "{mnist}");
}

#[test]
fn trainers_attacks_and_evaluations_refuse_a_wrong_shape() {
    let device = Device::flex();
    let model = SmallCnnConfig::new(3, digits::CLASSES).init(&device);
    let threat = ThreatModel::linf(Epsilon::unit(0.1));
    let batch: Batch<4> = digits::test().take(4).batch(&device).unwrap(); // one channel
    let is_shape = |error: &Error| matches!(error, Error::InputShape { .. });

    let frozen = FrozenModel::new(&model);
    let draws = Draws::new(0, (0..4).collect());
    let labels = batch.untargeted();
    let gradient = frozen.input_gradient(batch.inputs(), &labels, Objective::CrossEntropy);
    assert!(is_shape(&gradient.err().unwrap()));
    let task = AttackTask::new(&frozen, batch.inputs(), batch.untargeted(), &threat, draws);
    assert!(is_shape(&task.err().unwrap()));
    let loader = digits::test().take(4).loader(4, None, &device).unwrap();
    let evaluation = Evaluation::new(threat.clone()).attack(Fgsm::new());
    let refused = evaluation.run(&model, &*loader).unwrap_err();
    assert!(matches!(refused, EvaluationError::Core(error) if is_shape(&error)));

    let trainer = FreeAdversarialTrainer::new(FreeConfig::new(threat), device.clone()).unwrap();
    let model = SmallCnnConfig::new(3, digits::CLASSES).init(trainer.device());
    let batch: Batch<4> = digits::train().take(4).batch(trainer.device()).unwrap();
    let mut optimizer = burn::optim::SgdConfig::new().init();
    let error = trainer.step(model, &mut optimizer, 0.1, &batch).err().unwrap();
    assert!(matches!(error.error, TrainError::Core(error) if is_shape(&error)));
}

#[test]
fn impossible_configurations_and_names_are_typed_errors() {
    let parameter = |error: ModelError| match error {
        ModelError::Parameter { parameter, .. } => parameter,
        other => panic!("{other}"),
    };
    let depth = |depth| parameter(WideResNetConfig::wrn(depth, 10, 10).unwrap_err());
    assert_eq!([0, 4, 27, 29].map(depth), ["depth"; 4]);
    let zeros = [
        NetworkConfig::ResNet(ResNetConfig::resnet18(0)),
        NetworkConfig::ResNet(ResNetConfig::new([1, 0, 1, 1], false, 10)),
        NetworkConfig::PreActResNet(PreActResNetConfig::preact_resnet18(10).with_width(0)),
        NetworkConfig::WideResNet(WideResNetConfig::new(1, 0, 10)),
        NetworkConfig::WideResNet(WideResNetConfig::new(1, 1, 10).with_dropout(1.0)),
        NetworkConfig::MadryWideResNet(MadryWideResNetConfig::new(10).with_width(3)),
        NetworkConfig::MnistCnn(MnistCnnConfig::new(10).with_image([28, 3])),
        NetworkConfig::SmallCnn(SmallCnnConfig::new(0, 10)),
        NetworkConfig::SmallCnn(
            SmallCnnConfig::new(3, 10)
                .with_normalize(Some(NormalizeConfig::new(vec![0.5], vec![0.5]))),
        ),
        NetworkConfig::WideResNet(WideResNetConfig::wrn(28, usize::MAX, 10).unwrap()),
    ];
    let found = zeros.map(|config| parameter(config.init(&Device::flex()).unwrap_err()));
    let expected = [
        "classes",
        "blocks",
        "width",
        "widen",
        "dropout",
        "width",
        "image",
        "channels",
        "normalize",
        "widen",
    ];
    assert_eq!(found, expected);
    assert_eq!(
        parameter(MlpConfig::new(3, 2).with_hidden(vec![4, 0]).check().unwrap_err()),
        "hidden"
    );
    let normalize = |mean: &[f32], std: &[f32]| {
        parameter(NormalizeConfig::new(mean.to_vec(), std.to_vec()).check().unwrap_err())
    };
    assert_eq!(normalize(&[0.5], &[0.5, 0.5]), "mean and std");
    assert_eq!(normalize(&[], &[]), "mean and std");
    assert_eq!(normalize(&[f32::NAN], &[0.5]), "mean");
    assert_eq!(normalize(&[0.5], &[0.0]), "std");
    let white =
        |white| PerImageStandardizeConfig::new().with_white(white).check().map_err(parameter);
    assert_eq!([0.0, f64::NAN, 1.0].map(white), [Err("white"), Err("white"), Ok(())]);
    let unknown = NetworkConfig::named("vgg-16", 10).unwrap_err();
    assert!(matches!(&unknown, ModelError::UnknownArchitecture { name, .. } if name == "vgg-16"));
    assert!(unknown.to_string().contains("resnet-18"), "{unknown}");
}

#[test]
fn an_image_of_one_colour_has_finite_logits_and_gradients() {
    let model = madry().init(&Device::flex());
    let images = Tensor::<4>::full([1, 3, 8, 8], 0.5, &Device::flex());
    let labels = Goal::untargeted(Tensor::from_data([1], &Device::flex()));
    let found =
        FrozenModel::new(&model).input_gradient(images, &labels, Objective::CrossEntropy).unwrap();
    let finite = |values: Vec<f32>| values.iter().all(|value| value.is_finite());
    assert!(finite(found.gradient.into_data().try_into_vec().unwrap()));
    assert!(finite(found.logits.into_data().try_into_vec().unwrap()));
}

#[test]
fn dropout_acts_in_training_and_never_under_attack() {
    let config = WideResNetConfig::new(1, 2, 4).with_width(4);
    let device = Device::flex().autodiff();
    let x: Tensor<4> = inputs("dropout", &[4, 3, 8, 8]);
    let floats = |tensor: Tensor<2>| tensor.into_data().try_into_vec::<f32>().unwrap();
    let train = |dropout| {
        floats(
            config.clone().with_dropout(dropout).init(&device).logits(x.clone().to_device(&device)),
        )
    };
    assert_eq!(train(0.0), train(0.0));
    assert_ne!(train(0.5), train(0.0));
    let attack = |dropout| {
        let frozen = FrozenModel::new(&config.clone().with_dropout(dropout).init(&device));
        let labels = Goal::untargeted(Tensor::from_data([0, 1, 2, 3], &Device::flex()));
        frozen.input_gradient(x.clone(), &labels, Objective::CrossEntropy).unwrap().gradient
    };
    assert_eq!(attack(0.5).into_data(), attack(0.0).into_data());
}

#[test]
fn a_normalized_model_is_the_model_of_normalized_inputs() {
    let device = Device::flex();
    let network = preact().init(&device);
    let x: Tensor<4> = inputs("normalized", &[2, 3, 8, 8]);
    let constant = |values: [f32; 3]| Tensor::<1>::from_data(values, &device).reshape([1, 3, 1, 1]);
    let by_hand =
        (x.clone() - constant([0.4914, 0.4822, 0.4465])) / constant([0.2471, 0.2435, 0.2616]);
    let model = Normalized::new(NormalizeConfig::cifar10().init(&device), network.clone());
    let apart = (model.logits(x) - network.logits(by_hand)).abs().max().into_scalar::<f32>();
    assert!(apart < 1e-5, "{apart}"); // rounding of one division
    assert!(matches!(model.check_input(&[1, 8, 8]), Err(Error::InputShape { .. })));
    assert!(matches!(model.summary(&[1, 8, 8]), Err(Error::InputShape { .. })));
    assert_eq!(saved(&model), saved(&network));
    assert_eq!(model.model_name(), "PreActResNet");
}

#[test]
fn configurations_survive_json() {
    for (config, _) in networks() {
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<NetworkConfig>(&json).unwrap(), config, "{json}");
    }
}

#[test]
fn a_summary_of_an_image_beyond_reason_is_no_panic() {
    let mnist = MnistCnnConfig::new(10).init(&Device::flex());
    assert!(mnist.summary(&[1, usize::MAX, usize::MAX]).is_err());
    let wide = WideResNetConfig::new(1, 1, 4).init(&Device::flex());
    assert_eq!(wide.summary(&[3, usize::MAX, usize::MAX]).unwrap().multiply_adds(), u64::MAX);
}

#[test]
fn a_network_in_burns_loop_goes_on_from_its_checkpoint_as_if_uninterrupted() {
    let run = |folder: &Path, seed: u64, from: Option<usize>, epochs: usize| {
        let free = FreeConfig::new(ThreatModel::linf(Epsilon::unit(0.1))).with_replays(2);
        let trainer = FreeAdversarialTrainer::new(free, Device::flex()).unwrap();
        let resnet = ResNetConfig::new([1, 1, 1, 1], true, 10)
            .with_width(2)
            .with_channels(1)
            .with_stem(Stem::Cifar)
            .with_seed(seed);
        let network = NetworkConfig::ResNet(resnet).init(trainer.device()).unwrap();
        let normalize = NormalizeConfig::new(vec![0.3], vec![0.4]).init(trainer.device());
        let train = digits::train().take(32).loader(16, None, trainer.device()).unwrap();
        let valid = digits::test().take(16).loader(16, None, &Device::flex()).unwrap();
        let model = Normalized::new(normalize, network);
        let result = launch(&trainer, model, [train, valid], folder, (from, epochs), 0.05);
        assert!(result.error.is_none());
        saved(&result.model.into_classifier())
    };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let whole = run(folders[0].path(), 1, None, 3);
    let half = run(folders[1].path(), 1, None, 2);
    assert_ne!(whole, half);
    assert_eq!(run(folders[1].path(), 2, Some(2), 3), whole);
}
