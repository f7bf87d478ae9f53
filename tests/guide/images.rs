//! The guide's program for a folder of images, as it stands there.

use std::path::Path;

use free_at::attacks::ModelCard;
use free_at::burn::module::Module;
use free_at::burn::tensor::Device;
use free_at::data::ImageFolder;
use free_at::models::{self, Weights};
use free_at::prelude::*;
use free_at::recipe::{Length, Recipe};

/// Trains on the images in a folder; `out` gets the run, the most robust model, its report and its card.
pub(crate) fn train_on_images(
    images: &Path,
    size: usize,
    epochs: usize,
    out: &Path,
) -> Result<RobustnessReport, Box<dyn std::error::Error>> {
    // 1. What the model should withstand.
    let threat = ThreatModel::linf(Epsilon::pixels(4.0));

    // 2. The data. Held-out images are cropped as test images are, not at random.
    let folder = ImageFolder::new(images).with_size(size);
    let (train, test) = (folder.train()?, folder.val()?);
    let (train, held_out) = train.split(train.len() / 10, 0);
    let held_out = held_out.with_transforms(test.transforms().to_vec())?;
    let classes = train.classes();

    // 3. and 4. How to train, and which network: a small one, for a CPU.
    let recipe = Recipe {
        network: NetworkConfig::named("small-cnn", classes)?.for_images(train.shape(), classes),
        threat: threat.clone(),
        length: Length::Epochs(epochs),
        ..Recipe::digits().with_replays(4)
    };
    recipe.check()?;

    // 5. The run. A third of a pass is enough to probe a few hundred images after each.
    let trainer = FreeAdversarialTrainer::new(recipe.free(), Device::default())?;
    let best = out.join("best.safetensors");
    let kept = best.clone();
    let guard = Guard::new(threat.clone(), Pgd::new(10))
        .with_samples(held_out.len())
        .with_share(0.3)
        .on_best(move |model, _| models::save(model, &kept).map_err(Error::other));
    let loader = train.loading(recipe.batch_size).with_seed(0).build(trainer.device())?;
    let minibatches = loader.num_items().div_ceil(recipe.batch_size);
    let model = recipe.model(trainer.device())?;
    let optimizer = recipe.sgd.init(&model);
    let trained = trainer
        .run(out, loader, held_out.loader(recipe.batch_size, None, trainer.device())?)
        .passes(recipe.passes(trainer.replays(), minibatches))
        .guard(guard)
        .launch(model, optimizer, recipe.schedule(trainer.replays(), minibatches).scheduler())?;

    // 6. The report, of the best model on images that nothing was chosen by; and the card.
    let device = Device::default();
    let model = Weights::open(&best)?.load(recipe.model(&device)?)?.valid();
    let test_images = test.len();
    let test = test.loader(recipe.batch_size, None, &device)?;
    let report = Evaluation::new(threat)
        .attack(Pgd::new(20))
        .attack(Pgd::new(100).with_restarts(5))
        .attacks(AutoAttack::standard().for_classes(classes).attacks())
        .run(&model, &*test)?;
    println!("{report}");
    report.save(out.join("report.json"))?;
    ModelCard::new("Free-4 on images of my own")
        .of_file(&best)?
        .model("network", format!("{:?}", recipe.network))
        .data("training images", train.len())
        .data("test images", test_images)
        .training("method", trainer.name())
        .training("passes", trained.passes)
        .measured(&report)
        .save(out.join("MODEL.md"))?;
    Ok(report)
}
