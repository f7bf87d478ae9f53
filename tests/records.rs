//! Evaluations that are stopped and go on from their record.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use free_at::Objective;
use free_at::attacks::{EvaluationError, EvaluationProgress, Square, Target};
use free_at::prelude::*;
use safetensors::SafeTensors;

use crate::catalogue::attacks_within;
use crate::nets::linf;
use crate::reference::{loader, model};

const SAMPLES: usize = 40;

fn evaluation(folder: &Path) -> Evaluation<4> {
    unquantized_evaluation(folder).with_quantized()
}

/// The same with every attack that there is.
fn every_attack(folder: &Path) -> Evaluation<4> {
    let attacks = attacks_within(&linf(0.1), &[1, 8, 8]);
    Evaluation::new(linf(0.1))
        .attacks(attacks)
        .with_quantized()
        .with_record(folder.join("record.jsonl"))
        .with_examples(folder.join("examples.safetensors"))
}

fn unquantized_evaluation(folder: &Path) -> Evaluation<4> {
    Evaluation::new(linf(0.1))
        .attack(Fgsm::new())
        .attack(Pgd::new(8).with_restarts(3))
        .attack(Square::new().with_queries(20))
        .with_record(folder.join("record.jsonl"))
        .with_examples(folder.join("examples.safetensors"))
}

fn run(evaluation: &Evaluation<4>) -> Result<RobustnessReport, EvaluationError> {
    evaluation.run(&model("free-8"), &*loader(SAMPLES, 16))
}

/// The same but for the time it took and what the checks before the attacks cost.
fn assert_same(a: &RobustnessReport, b: &RobustnessReport) {
    let timeless = |report: &RobustnessReport| {
        let mut report = report.clone();
        report.attacks.iter_mut().for_each(|attack| attack.seconds = 0.0);
        report
    };
    assert_eq!(timeless(a), timeless(b));
}

/// Each report without its costs: a broken sample leaves a larger batch later than a smaller one.
fn without_costs(mut report: RobustnessReport) -> RobustnessReport {
    report.attacks.iter_mut().for_each(|attack| {
        (attack.gradient_computations, attack.forward_passes) = (0, 0);
    });
    report
}

/// Stops an evaluation again and again, in batches of several sizes, and compares what it comes to.
fn stopped_and_resumed(
    evaluation: fn(&Path) -> Evaluation<4>,
    stops: &[(usize, usize)],
    compared: fn(RobustnessReport) -> RobustnessReport,
) {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = compared(run(&evaluation(whole.path())).unwrap());
    assert!(expected.attacks.iter().filter(|attack| attack.broken > 0).count() > 1);

    let batches = Arc::new(AtomicUsize::new(0));
    let stopping_after = |limit: usize| {
        let batches = batches.clone();
        let start = batches.load(Ordering::SeqCst);
        evaluation(parts.path()).with_progress(move |at: &EvaluationProgress| {
            assert!(at.done <= at.samples && at.run < at.runs);
            match batches.fetch_add(1, Ordering::SeqCst) + 1 - start >= limit {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    };
    for &(limit, batch_size) in stops {
        let stopped = run(&stopping_after(limit).with_batch_size(batch_size));
        assert_eq!(stopped.unwrap_err(), EvaluationError::Stopped);
        // As a killed process leaves it: in the middle of a line, and of an example.
        for (file, rest) in
            [("record.jsonl", &b"{\"quantized\":fal"[..]), ("record.jsonl.examples", b"abc")]
        {
            use std::io::Write;
            let path = parts.path().join(file);
            let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(rest).unwrap();
        }
    }
    let resumed = run(&stopping_after(usize::MAX)).unwrap();
    assert_same(&compared(resumed), &expected);

    let examples = |folder: &Path| std::fs::read(folder.join("examples.safetensors")).unwrap();
    assert_eq!(examples(parts.path()), examples(whole.path()));
    // A finished evaluation has nothing left to do.
    let before = batches.load(Ordering::SeqCst);
    assert_same(&compared(run(&stopping_after(1)).unwrap()), &expected);
    assert_eq!(batches.load(Ordering::SeqCst), before);
}

#[test]
fn a_stopped_evaluation_goes_on_without_repeating_anything() {
    // Of two samples at a time, so that PGD is stopped between two lots of eight batches.
    let stops = [(1, 16), (3, 2), (4, 7), (5, 30)];
    stopped_and_resumed(evaluation, &stops, |report| report);
}

#[test]
fn every_attack_goes_on_after_a_stop() {
    // Here and there in the cascade.
    let stops = [(1, 16), (3, 16), (8, 16), (10, 16), (10, 16)];
    stopped_and_resumed(every_attack, &stops, without_costs);
}

#[test]
fn saved_examples_are_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(&evaluation(folder.path())).unwrap();
    let bytes = std::fs::read(folder.path().join("examples.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let view = tensors.tensor("adversarial").unwrap();
    assert_eq!(view.shape(), [SAMPLES, 1, 8, 8]);
    let values: Vec<f32> =
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let broken = tensors.tensor("broken").unwrap().data().to_vec();
    for (at, image) in (0..SAMPLES).map(|at| (at, digits::test().image(at).unwrap())) {
        let moved = values[at * 64..][..64].iter().zip(&image.pixels).map(|(a, b)| (a - b).abs());
        let norm = f64::from(moved.fold(0.0, f32::max));
        assert_eq!(norm, report.samples[at].norm.unwrap_or(0.0), "sample {at}");
        assert_eq!(broken[at] == 1, report.samples[at].norm.is_some());
    }
}

#[test]
fn records_of_other_evaluations_and_damaged_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.jsonl");
    run(&evaluation(folder.path())).unwrap();
    let written = std::fs::read_to_string(&record).unwrap();

    let begun = |threat: ThreatModel, steps: f64| {
        Evaluation::new(threat)
            .attack(Fgsm::new())
            .attack(Pgd::new(8).with_restarts(3).with_step_size(Epsilon::unit(steps)))
            .attack(Square::new().with_queries(20))
            .with_record(folder.path().join("record.jsonl"))
            .with_examples(folder.path().join("examples.safetensors"))
    };
    let others = [
        begun(linf(0.2), 0.03125).with_quantized(),
        begun(linf(0.1), 0.03).with_quantized(),
        unquantized_evaluation(folder.path()),
        evaluation(folder.path()).with_seed(1),
        evaluation(folder.path()).attack(Fgsm::new().with_objective(Objective::Margin)),
        evaluation(folder.path()).with_target(Target::Random),
        evaluation(folder.path()).independently(),
    ];
    for other in others {
        assert!(matches!(run(&other), Err(EvaluationError::OtherEvaluation { .. })));
    }
    let other_model = evaluation(folder.path()).run(&model("pgd-7"), &*loader(SAMPLES, 16));
    assert!(matches!(other_model, Err(EvaluationError::OtherEvaluation { .. })));
    let fewer = evaluation(folder.path()).run(&model("free-8"), &*loader(SAMPLES - 1, 16));
    assert!(matches!(fewer, Err(EvaluationError::OtherEvaluation { .. })));

    let garbled = written.replacen("\"attack\":1", "\"attack\":x", 1);
    let foreign = written.replacen("\"samples\":[", "\"samples\":[912,", 1);
    let unattacked = written.replacen("\"broken\":[{\"sample\":", "\"broken\":[{\"sample\":9", 1);
    assert!(foreign != written && unattacked != written);
    for damaged in [garbled, foreign, unattacked, String::new(), "{}\n".into(), "not json\n".into()]
    {
        std::fs::write(&record, damaged).unwrap();
        assert!(matches!(
            run(&evaluation(folder.path())),
            Err(EvaluationError::Core(Error::DamagedFile { .. }))
        ));
    }
    let older = written.replacen("\"free_at_record\":3", "\"free_at_record\":1", 1);
    std::fs::write(&record, older).unwrap();
    let refused = run(&evaluation(folder.path())).unwrap_err();
    assert!(refused.to_string().contains("version 1, this program reads version 3"), "{refused}");
    std::fs::write(&record, &written).unwrap();
    std::fs::write(folder.path().join("record.jsonl.examples"), [0; 4]).unwrap();
    assert!(matches!(
        run(&evaluation(folder.path())),
        Err(EvaluationError::Core(Error::DamagedFile { .. }))
    ));
}

#[test]
fn a_record_is_at_work_for_one_evaluation_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let nested = folder.path().to_path_buf();
    let outer = evaluation(folder.path()).with_progress(move |_: &EvaluationProgress| {
        let inner = run(&evaluation(&nested));
        assert!(matches!(inner, Err(EvaluationError::Core(Error::File { .. }))), "{inner:?}");
        ControlFlow::Break(())
    });
    assert_eq!(run(&outer).unwrap_err(), EvaluationError::Stopped);
    assert!(run(&evaluation(folder.path())).is_ok());
}

#[test]
fn files_that_cannot_be_written_are_told_before_any_attack() {
    let folder = tempfile::tempdir().unwrap();
    let never = |_: &EvaluationProgress| -> ControlFlow<()> { panic!("an attack was run") };
    let evaluation = evaluation(folder.path()).with_progress(never);
    let examples = evaluation.clone().with_examples(folder.path().join("no/examples.safetensors"));
    assert!(matches!(run(&examples), Err(EvaluationError::Core(Error::File { .. }))));
    let record = evaluation.with_record(folder.path().join("no/record.jsonl"));
    assert!(matches!(run(&record), Err(EvaluationError::Core(Error::File { .. }))));
}

/// A network, and what it makes of its logits or its inputs: no parameter tells one from another.
#[derive(burn::module::Module, Debug)]
struct Changed {
    net: free_at::models::SmallCnn,
    #[module(skip)]
    scale: f64,
    #[module(skip)]
    shift: f64,
}

impl Classifier<4> for Changed {
    fn logits(&self, images: burn::tensor::Tensor<4>) -> burn::tensor::Tensor<2> {
        self.net.logits(images.add_scalar(self.shift)).mul_scalar(self.scale)
    }
}

#[test]
fn the_same_weights_in_another_model_are_another_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.jsonl");
    let evaluation = Evaluation::new(linf(0.1)).attack(Fgsm::new());
    let resumed = evaluation.clone().with_record(&record);
    let test = loader(SAMPLES, 16);
    let of = |scale, shift| Changed { net: model("free-8"), scale, shift };
    let first = resumed.run(&of(1.0, 0.0), &*test).unwrap();
    // A scale changes no clean verdict, and a small shift hardly any.
    for other in [of(2.0, 0.0), of(1.0, 0.1)] {
        let refused = resumed.run(&other, &*test);
        assert!(matches!(refused, Err(EvaluationError::OtherEvaluation { .. })));
        let alone = evaluation.run(&other, &*test).unwrap();
        assert_ne!(alone.hash, first.hash);
    }
    let again = resumed.run(&of(1.0, 0.0), &*test).unwrap();
    assert_eq!(again.hash, first.hash);
    // Rounding of another device or number of threads.
    assert!(resumed.run(&of(1.0 + 1e-5, 0.0), &*test).is_ok());
}
