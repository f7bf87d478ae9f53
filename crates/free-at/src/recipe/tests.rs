use super::*;

use burn::module::Module;
use free_at_core::Classifier;
use free_at_core::train::Method;

/// Minibatches of CIFAR-10's 50,000 images, without and with the smaller last one.
const WHOLE: usize = 390;
const ALL: usize = 391;

#[test]
fn shafahi_cifar_is_the_authors_program() {
    let recipe = Recipe::shafahi_cifar();
    assert_eq!((recipe.batch_size, recipe.replays, recipe.drop_last), (128, 8, true));
    assert_eq!(recipe.threat, ThreatModel::linf(Epsilon::pixels(8.0)));
    assert_eq!((recipe.clamp, recipe.step_size), (Clamp::InForward, None));
    assert_eq!(
        recipe.sgd,
        SgdRecipe { momentum: 0.9, weight_decay: 2e-4, decayed: Decayed::Weights }
    );
    assert_eq!(recipe.length, Length::Steps(80_000));
    assert_eq!(recipe.transforms, [Transform::PadCrop { pad: 2 }, Transform::Flip]);
    assert_eq!(recipe.passes(8, WHOLE), 26);
    let schedule = recipe.schedule(8, WHOLE);
    let at = vec![40_000, 60_000];
    assert_eq!(schedule, Schedule::Piecewise { rate: 0.1, factor: 0.1, at });
    let NetworkConfig::MadryWideResNet(network) = &recipe.network else { panic!() };
    assert_eq!(*network, free_at_models::MadryWideResNetConfig::wrn_32_10(10));
    assert!(recipe.normalize.is_none());
}

#[test]
fn shafahi_imagenet_is_the_authors_program() {
    let recipe = Recipe::shafahi_imagenet();
    assert_eq!((recipe.batch_size, recipe.replays, recipe.drop_last), (256, 4, false));
    assert_eq!(recipe.threat, ThreatModel::linf(Epsilon::pixels(4.0)));
    assert_eq!(recipe.sgd, SgdRecipe { momentum: 0.9, weight_decay: 1e-4, decayed: Decayed::All });
    assert_eq!(recipe.clamp, Clamp::InForward);
    // 90 / 4 passes, and the rate falls every 30 / 4 of them, both rounded up.
    assert_eq!(recipe.passes(4, 5_005), 23);
    let pass = 5_005 * 4;
    let at = vec![8 * pass, 16 * pass];
    assert_eq!(recipe.schedule(4, 5_005), Schedule::Piecewise { rate: 0.1, factor: 0.1, at });
    assert_eq!(recipe.transforms, [Transform::RandomResizedCrop { size: 224 }, Transform::Flip]);
    assert_eq!(recipe.normalize, Some(NormalizeConfig::imagenet()));
    let tested = [Transform::Resize { shorter: 256 }, Transform::CentreCrop { size: 224 }];
    assert_eq!(recipe.evaluation, tested);
    assert!(matches!(&recipe.network, NetworkConfig::ResNet(it) if it.classes == 1000));
}

#[test]
fn wong_cifar_is_fast_adversarials_free() {
    let recipe = Recipe::wong_cifar();
    assert_eq!((recipe.batch_size, recipe.replays, recipe.drop_last), (128, 8, false));
    assert_eq!(recipe.threat, ThreatModel::linf(Epsilon::pixels(8.0)));
    assert_eq!(recipe.clamp, Clamp::OnUpdate);
    assert_eq!(recipe.sgd, SgdRecipe { momentum: 0.9, weight_decay: 5e-4, decayed: Decayed::All });
    assert_eq!(recipe.passes(8, ALL), 10);
    let steps = 10 * 8 * ALL;
    assert_eq!(recipe.schedule(8, ALL), Schedule::Triangle { peak: 0.04, steps });
    assert_eq!(recipe.transforms, [Transform::PadCrop { pad: 4 }, Transform::Flip]);
    assert_eq!(recipe.normalize, Some(NormalizeConfig::cifar10()));
    let name = |config: &FreeConfig| config.name();
    assert_eq!(name(&recipe.free()), "free-8");
}

#[test]
fn every_method_takes_as_many_optimiser_steps() {
    let recipe = Recipe::wong_cifar();
    for replays in [1, 2, 4, 8, 10] {
        assert_eq!(recipe.passes(replays, ALL) * replays, 80);
        let Schedule::Triangle { steps, .. } = recipe.schedule(replays, ALL) else { panic!() };
        assert_eq!(steps, 80 * ALL);
    }
}

#[test]
fn every_named_recipe_can_be_followed_written_and_read() {
    for name in Recipe::NAMES {
        let recipe = Recipe::named(name).unwrap();
        recipe.check().unwrap();
        assert_eq!(recipe.name, name);
        let text = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
        // Written before there were additions.
        let mut older: serde_json::Value = serde_json::from_str(&text).unwrap();
        let fields = older.as_object_mut().unwrap();
        for field in ["label_smoothing", "cutmix", "ema"] {
            fields.remove(field).unwrap();
        }
        assert_eq!(serde_json::from_value::<Recipe>(older).unwrap(), recipe);
        let shown = recipe.to_string();
        assert!(shown.contains(name) && shown.contains("learning rate"), "{shown}");
    }
    let unknown = Recipe::named("shafahi").unwrap_err().to_string();
    assert!(unknown.contains("wong-cifar"), "{unknown}");
}

#[test]
fn values_out_of_range_are_refused() {
    let (good, plain) = (Recipe::digits, Additions::default());
    for wrong in [
        Recipe { batch_size: 0, ..good() },
        Recipe { replays: 0, ..good() },
        Recipe { length: Length::Epochs(0), ..good() },
        Recipe { rate: Rate::Cosine { rate: -1.0 }, ..good() },
        Recipe { rate: Rate::EveryEpochs { rate: 0.1, factor: 0.1, epochs: 0 }, ..good() },
        Recipe { rate: Rate::Shares { rate: 0.1, factor: 0.1, at: vec![1.5] }, ..good() },
        Recipe { rate: Rate::Shares { rate: 0.1, factor: 0.1, at: vec![0.7, 0.5] }, ..good() },
        Recipe { threat: ThreatModel::linf(Epsilon::unit(0.0)), ..good() },
        Recipe { additions: Additions { label_smoothing: 1.0, ..plain }, ..good() },
        Recipe { additions: Additions { cutmix: 1.1, ..plain }, ..good() },
        Recipe { additions: Additions { ema: Some(2.0), ..plain }, ..good() },
    ] {
        assert!(wrong.check().is_err(), "{wrong}");
    }
    let normalize = Some(NormalizeConfig::cifar10());
    let colour = Recipe { normalize, ..good() };
    assert!(colour.model(&Device::flex()).unwrap_err().to_string().contains("channels"));
}

#[test]
fn the_model_is_the_network_behind_its_normalisation() {
    let device = Device::flex();
    let model = Recipe::digits().model(&device).unwrap();
    let images = burn::tensor::Tensor::zeros([2, 1, 8, 8], &device);
    assert_eq!(model.logits(images).dims(), [2, 10]);
    assert!(model.num_params() > 1_000);
}

#[test]
fn another_m_takes_as_many_optimiser_steps() {
    for replays in [1, 2, 4, 8] {
        let recipe = Recipe::wong_cifar().with_replays(replays);
        assert_eq!(recipe.steps(recipe.replays, ALL), 80 * ALL);
    }
    // Whole passes: 26 of 390 minibatches, 8 times each.
    assert_eq!(Recipe::shafahi_cifar().steps(8, WHOLE), 81_120);
}
