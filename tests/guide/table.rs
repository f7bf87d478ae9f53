//! The guide's program for a table, as it stands there.

use std::path::Path;

use free_at::attacks::{Capgd, ModelCard};
use free_at::burn::tensor::Device;
use free_at::models::{self, MlpConfig};
use free_at::prelude::*;
use free_at::recipe::{Decayed, SgdRecipe};

/// Trains on the rows of a CSV file; `out` gets the run, the model, its report and its card.
pub(crate) fn train_on_a_table(
    csv: &Path,
    epochs: usize,
    out: &Path,
) -> Result<RobustnessReport, Box<dyn std::error::Error>> {
    let table = TableConfig::new("pays")
        .with_integers(["age", "asked_before"])
        .with_categories(["job"])
        .open(csv)?;
    let (train, test) = table.split(table.len() / 5, 0)?;
    let threat = train
        .threat(ThreatModel::linf(Epsilon::unit(0.25)))
        .freezing("age")
        .only_down("income")
        .with_reach("asked_before", 1.0)
        .build()?;

    let config = FreeConfig::new(threat.clone()).with_replays(4);
    let trainer = FreeAdversarialTrainer::new(config, Device::default())?;
    let model = MlpConfig::new(train.features(), train.classes()).init(trainer.device());
    let sgd = SgdRecipe { momentum: 0.9, weight_decay: 5e-4, decayed: Decayed::All };
    let optimizer = sgd.init(&model);
    let (rows, test_rows) = (train.len(), test.len());
    let trained = trainer
        .run(
            out,
            train.loader(32, Some(0), trainer.device())?,
            test.loader(32, None, trainer.device())?, // watched, and nothing chosen by it
        )
        .passes(trainer.passes(epochs))
        .launch(model, optimizer, 0.05)?;

    let file = out.join("model.safetensors");
    models::save(&trained.model, &file)?;
    let test = test.loader(32, None, &Device::default())?;
    let report = Evaluation::new(threat)
        .attack(Pgd::new(20))
        .attack(Capgd::new()) // made for tables
        .run(&trained.model, &*test)?;
    println!("{report}");
    report.save(out.join("report.json"))?;
    ModelCard::new("Free-4 on a table of my own")
        .of_file(&file)?
        .data("training rows", rows)
        .data("test rows", test_rows)
        .training("method", trainer.name())
        .training("passes", trained.passes)
        .measured(&report)
        .save(out.join("MODEL.md"))?;
    Ok(report)
}
