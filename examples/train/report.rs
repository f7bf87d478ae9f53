//! The end of a run: curves, and how robust the best model is on the test images.

use std::error::Error;
use std::ops::ControlFlow;

use burn::module::Module;
use burn::train::Interrupter;
use free_at::attacks::{EvaluationError, EvaluationProgress};
use free_at::files;
use free_at::models::Weights;
use free_at::prelude::*;
use free_at::train::EpochMetrics;

use crate::arguments::{MethodName, Suite};
use crate::curves;
use crate::run::{Model, Run, say_skipped};

pub(crate) fn finish(run: &Run, method: &str, stopper: Interrupter) -> Result<(), Box<dyn Error>> {
    let out = &run.arguments.out;
    let metrics = EpochMetrics::read(&out.join("metrics.jsonl"))?;
    let title = format!("{method}, {:?}", run.settings.wanted.dataset);
    files::write(&out.join("curves.svg"), curves::draw(&title, &metrics, "PGD-10")?.as_bytes())?;
    // Ordinary training is most robust where it has learnt least: its result is the last model.
    let ordinary = run.settings.wanted.method == MethodName::Standard;
    let file = match EpochMetrics::best(&metrics).filter(|_| !ordinary) {
        Some(best) => {
            println!(
                "best of held-out images: {:.1} % under PGD-10 after pass {}",
                100.0 * best.robust_accuracy,
                best.epoch
            );
            "best.safetensors"
        }
        None => "last.safetensors",
    };
    if run.arguments.no_report {
        return Ok(());
    }
    let device = run.devices[0].clone();
    let model = run.settings.recipe.model(&device)?;
    let model: Model = Weights::open(out.join(file))?.load(model)?.valid();
    let test = run.data.test.take(run.settings.wanted.samples);
    let test = test.loader(run.settings.recipe.batch_size, None, &device.without_autodiff())?;
    let evaluation = Evaluation::new(run.settings.recipe.threat.clone())
        .with_seed(run.settings.wanted.seed)
        .with_record(out.join("record.jsonl"))
        .with_progress(move |_: &EvaluationProgress| match stopper.should_stop() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
    let auto = AutoAttack::standard().for_classes(run.data.test.classes());
    let auto = auto.with_compaction().attacks();
    let evaluation = match run.settings.wanted.attacks {
        Suite::Quick => evaluation.attack(Pgd::new(20)),
        Suite::AutoAttack => evaluation.attacks(auto),
        Suite::Full => {
            evaluation.attack(Pgd::new(20)).attack(Pgd::new(100).with_restarts(5)).attacks(auto)
        }
    };
    println!("{file} on test images:");
    let report = match evaluation.run(&model, &*test) {
        Err(EvaluationError::Stopped) => {
            println!("stopped: --resume --out {} goes on with the report", out.display());
            return Ok(());
        }
        report => report?,
    };
    say_skipped(&run.data.test);
    println!("{report}");
    report.save(out.join("report.json"))?;
    files::write(&out.join("report.txt"), report.to_string().as_bytes())?;
    println!("wrote the models, the report and the curves to {}", out.display());
    Ok(())
}
