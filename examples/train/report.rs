//! The end of a run: curves, how robust the best model is on the test images, and its card.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::train::Interrupter;
use free_at::attacks::{EvaluationError, EvaluationProgress, ModelCard};
use free_at::files;
use free_at::models::Weights;
use free_at::prelude::*;
use free_at::train::EpochMetrics;
use free_at_examples::curve::Curve;
use free_at_examples::plot;

use crate::arguments::{MethodName, Suite};
use crate::run::{Model, Run, say_skipped};
use crate::{card, curves};

/// The file of the card.
const CARD: &str = "MODEL.md";

pub(crate) fn finish(run: &Run, method: &str, stopper: Interrupter) -> Result<(), Box<dyn Error>> {
    let out = &run.arguments.out;
    let metrics = EpochMetrics::read(&out.join("metrics.jsonl"))?;
    let title = format!("{method}, {:?}", run.settings.wanted.dataset);
    files::write(&out.join(card::PASSES), curves::draw(&title, &metrics, "PGD-10")?.as_bytes())?;
    let (file, why) = result(run, &metrics);
    let card = card::of(run, method, (file, why.as_str()), &metrics)?;
    // Not to be without one whatever comes.
    card.save(out.join(CARD))?;
    if run.arguments.no_report {
        return Ok(());
    }
    println!("{file} on test images:");
    match report(run, file, stopper, &title) {
        Err(error)
            if error.downcast_ref::<EvaluationError>() == Some(&EvaluationError::Stopped) =>
        {
            println!("stopped: --resume --out {} goes on with the report", out.display());
            Ok(())
        }
        report => {
            card_of(card, &report?, out)?;
            println!("wrote the models, the report, the curves and the card to {}", out.display());
            Ok(())
        }
    }
}

/// The file of the model that the run ends with, and why it is that one.
fn result(run: &Run, metrics: &[EpochMetrics]) -> (&'static str, String) {
    // Ordinary training is most robust where it has learnt least: its result is the last model.
    let ordinary = run.settings.wanted.method == MethodName::Standard;
    match EpochMetrics::best(metrics).filter(|_| !ordinary) {
        Some(best) => {
            let (robust, pass) = (100.0 * best.robust_accuracy, best.epoch);
            let why =
                format!("best of held-out images: {robust:.1} % under PGD-10 after pass {pass}");
            println!("{why}");
            ("best.safetensors", why)
        }
        None => ("last.safetensors", "after the last pass".into()),
    }
}

/// Attacks the model, writes what was found, and the curve over epsilon.
fn report(
    run: &Run,
    file: &str,
    stopper: Interrupter,
    title: &str,
) -> Result<RobustnessReport, Box<dyn Error>> {
    let (out, settings) = (&run.arguments.out, run.settings);
    let device = run.devices[0].clone();
    let model = settings.recipe.model(&device)?;
    let model: Model = Weights::open(out.join(file))?.load(model)?.valid();
    let test = run.data.test.take(settings.wanted.samples);
    let test = test.loader(settings.recipe.batch_size, None, &device.without_autodiff())?;
    let evaluation = |threat: ThreatModel| {
        let stopper = stopper.clone();
        Evaluation::new(threat).with_seed(settings.wanted.seed).with_progress(
            move |_: &EvaluationProgress| match stopper.should_stop() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            },
        )
    };
    let threat = &settings.recipe.threat;
    let attacked = evaluation(threat.clone())
        .with_record(out.join("record.jsonl"))
        .attacks(attacks(settings.wanted.attacks, run.data.test.classes()));
    let report = attacked.run(&model, &*test)?;
    say_skipped(&run.data.test);
    println!("{report}");
    report.save(out.join("report.json"))?;
    files::write(&out.join("report.txt"), report.to_string().as_bytes())?;

    let epsilons = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0].map(|share| share * threat.epsilon().value());
    let by_pgd = |threat| evaluation(threat).attack(Pgd::new(20));
    let curve = Curve::measure_by((title, &model), &*test, threat, &epsilons, by_pgd)?;
    let plot = plot::draw("Accuracy under PGD-20", threat.norm(), &[curve])?;
    files::write(&out.join(card::EPSILONS), plot.as_bytes())?;
    Ok(report)
}

fn attacks(suite: Suite, classes: usize) -> Vec<Arc<dyn Attack<4>>> {
    let auto = AutoAttack::standard().for_classes(classes).with_compaction();
    let pgd: Arc<dyn Attack<4>> = Arc::new(Pgd::new(20));
    let restarted: Arc<dyn Attack<4>> = Arc::new(Pgd::new(100).with_restarts(5));
    match suite {
        Suite::Quick => vec![pgd],
        Suite::AutoAttack => auto.attacks(),
        Suite::Full => [pgd, restarted].into_iter().chain(auto.attacks()).collect(),
    }
}

/// The card with what was found.
fn card_of(card: ModelCard, report: &RobustnessReport, out: &Path) -> Result<(), Box<dyn Error>> {
    let card = card.measured(report).picture("Robust accuracy over epsilon", card::EPSILONS);
    Ok(card.save(out.join(CARD))?)
}
