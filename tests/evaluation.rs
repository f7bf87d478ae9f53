//! The evaluation: verdicts, counts, and that no verdict depends on the batch.

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use free_at::attacks::Verdict;
use free_at::prelude::*;

const SAMPLES: usize = 60;

fn test_data(batch_size: usize) -> std::sync::Arc<dyn DataLoader<Batch<4>>> {
    digits::test().take(SAMPLES).loader(batch_size, None, &Device::flex()).unwrap()
}

/// A network trained for a moment: right often enough to be attacked.
fn model() -> SmallCnn {
    let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let model = SmallCnnConfig::new(1, digits::CLASSES).with_width(8).init(trainer.device());
    let mut model = crate::nets::seeded(model, 0);
    let mut optimizer = crate::nets::sgd();
    for _ in 0..4 {
        for batch in digits::train().loader(32, Some(0), trainer.device()).unwrap().iter() {
            (model, _) = trainer.step(model, &mut optimizer, 0.05, &batch.unwrap()).unwrap();
        }
    }
    model
}

fn evaluation(epsilon: f64) -> Evaluation<4> {
    Evaluation::new(crate::nets::linf(epsilon))
        .with_seed(1)
        .independently()
        .attack(Fgsm::new())
        .attack(Pgd::new(5))
        .attack(Pgd::new(5).with_restarts(3))
}

#[test]
fn verdicts_do_not_depend_on_the_batch_size() {
    let model = model();
    let by_60 = evaluation(0.08).run(&model, &*test_data(60)).unwrap();
    let by_7 = evaluation(0.08).run(&model, &*test_data(7)).unwrap();
    assert_eq!(by_60.verdicts(), by_7.verdicts());
    let accuracies =
        |r: &RobustnessReport| r.attacks.iter().map(|a| a.accuracy).collect::<Vec<_>>();
    assert_eq!(accuracies(&by_60), accuracies(&by_7));
    assert!(by_60.clean > 0.8 && by_60.worst_case < by_60.clean, "{by_60}");
}

#[test]
fn the_parts_of_a_report_add_up() {
    let report = evaluation(0.08).run(&model(), &*test_data(16)).unwrap();
    let count =
        |wanted: fn(&Verdict) -> bool| report.verdicts().iter().filter(|v| wanted(v)).count();
    let wrong = count(|v| *v == Verdict::Misclassified);
    let robust = count(|v| *v == Verdict::Robust);
    let share = |n: usize| n as f64 / SAMPLES as f64;
    assert_eq!(report.samples.len(), SAMPLES);
    assert_eq!(report.clean, share(SAMPLES - wrong));
    assert_eq!(report.worst_case, share(robust));
    for attack in &report.attacks {
        assert!(report.worst_case <= attack.accuracy && attack.accuracy <= report.clean);
    }
    // FGSM costs one gradient for each sample that is right; restarts run on what still stands.
    let right = (SAMPLES - wrong) as u64;
    assert_eq!(report.attacks[0].gradient_computations, right);
    assert!(report.attacks[1].gradient_computations <= 5 * right);
    let all_restarts = 3 * 5 * right;
    let broken_early = report.attacks[2].gradient_computations;
    assert!(broken_early < all_restarts, "broken samples leave the batch");
}

#[test]
fn more_epsilon_is_never_better() {
    let model = model();
    let under = |epsilon| evaluation(epsilon).run(&model, &*test_data(60)).unwrap().worst_case;
    let robust: Vec<f64> = [0.01, 0.05, 0.1, 0.3].map(under).into();
    assert!(robust.windows(2).all(|pair| pair[0] >= pair[1]), "{robust:?}");
    assert!(robust[0] > robust[3]);
}

#[test]
fn a_report_survives_json() {
    let report = evaluation(0.08).run(&model(), &*test_data(60)).unwrap();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<RobustnessReport>(&json).unwrap(), report);
    assert!(report.to_string().contains("worst case"));
}
