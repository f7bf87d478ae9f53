//! Models that draw, and attacks that average over their draws.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::module::Module;
use burn::tensor::Tensor;
use free_at::attacks::{AttackParameters, AttackTask, AutoAttack, Eot, Warning};
use free_at::models::SmallCnn;
use free_at::prelude::*;
use free_at::{Draws, FrozenModel, Objective};

use crate::nets::linf;
use crate::reference::{loader, model};

const SAMPLES: usize = 60;

/// A trained network that sees its images through noise, another at each call.
#[derive(Module, Debug)]
struct Noisy {
    net: SmallCnn,
    #[module(skip)]
    calls: Arc<AtomicU64>,
}

impl Classifier<4> for Noisy {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        const SIZE: f64 = 0.5; // far more than epsilon
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let dims = images.dims();
        let draws = Draws::new(call, (0..dims[0] as u64).collect());
        let noise = draws.normal(dims, &images.device().without_autodiff());
        let noise = if images.device().is_autodiff() { noise.autodiff() } else { noise };
        self.net.logits(images + noise.mul_scalar(SIZE))
    }
}

fn noisy() -> Noisy {
    Noisy { net: model("standard"), calls: Arc::default() }
}

/// How many images the network without noise gets wrong after an attack of the one with it.
fn broken(attack: &dyn Attack<4>) -> i64 {
    let batch = loader(SAMPLES, SAMPLES).iter().next().unwrap().unwrap();
    let draws = Draws::new(0, (0..SAMPLES as u64).collect());
    let noisy = FrozenModel::new(&noisy());
    let task =
        AttackTask::new(&noisy, batch.inputs(), batch.untargeted(), &linf(0.1), draws).unwrap();
    let logits = model("standard").logits(attack.perturb(&task).unwrap());
    batch.untargeted().fooled(logits).int().sum().into_scalar::<i64>()
}

#[test]
fn averaging_over_draws_finds_what_one_draw_hides() {
    let (alone, averaged) = (broken(&Pgd::new(10)), broken(&Eot::new(Pgd::new(10), 20)));
    assert!(averaged >= alone + 5, "{alone} of {SAMPLES} by PGD, {averaged} with EOT");
}

#[test]
fn a_gradient_is_the_mean_over_draws_and_the_answer_that_of_the_last() {
    const DRAWS: usize = 3;
    let batch = loader(SAMPLES, SAMPLES).iter().next().unwrap().unwrap();
    let task = |model| {
        let draws = Draws::new(0, (0..SAMPLES as u64).collect());
        AttackTask::new(model, batch.inputs(), batch.untargeted(), &linf(0.1), draws).unwrap()
    };
    let gradient = |task: &AttackTask<4>| {
        task.gradient(batch.inputs(), &batch.untargeted(), Objective::CrossEntropy).unwrap()
    };
    let one_by_one = FrozenModel::new(&noisy());
    let each: Vec<_> = (0..DRAWS).map(|_| gradient(&task(&one_by_one))).collect();
    let mean =
        each.iter().skip(1).fold(each[0].gradient.clone(), |sum, next| sum + next.gradient.clone());
    let together = FrozenModel::new(&noisy());
    let found = gradient(&task(&together).averaging(DRAWS));
    let same = |a: Tensor<4>, b: Tensor<4>| (a - b).abs().max().into_scalar::<f32>() == 0.0;
    assert!(same(found.gradient, mean.div_scalar(DRAWS as f64)));
    assert_eq!(found.logits.into_data(), each[DRAWS - 1].logits.clone().into_data());
    assert_eq!(together.gradient_computations(), (DRAWS * SAMPLES) as u64);
}

#[test]
fn a_model_that_does_not_draw_is_attacked_as_without_eot() {
    const DRAWS: usize = 2; // the mean of two equal numbers is exactly that number
    let test = loader(SAMPLES, SAMPLES);
    let report = |attack: Arc<dyn Attack<4>>| {
        let evaluation = Evaluation::new(linf(0.1)).attacks(vec![attack]);
        evaluation.run(&model("standard"), &*test).unwrap()
    };
    let (alone, averaged) =
        (report(Arc::new(Pgd::new(10))), report(Arc::new(Eot::new(Pgd::new(10), DRAWS))));
    assert_eq!(alone.worst_case, averaged.worst_case);
    assert_eq!(
        averaged.attacks[0].gradient_computations,
        DRAWS as u64 * alone.attacks[0].gradient_computations
    );
}

#[test]
fn a_model_that_draws_is_noticed_and_rand_is_for_it() {
    let evaluation = Evaluation::new(linf(0.1)).attacks(AutoAttack::rand());
    let test = loader(4, 4);
    let report = evaluation.run(&noisy(), &*test).unwrap();
    assert!(report.warnings.iter().any(|w| matches!(w, Warning::Randomized { .. })), "{report}");
    assert!(report.to_string().contains("AutoAttack::rand"), "{report}");
    let names: Vec<&str> = report.attacks.iter().map(|attack| attack.name.as_str()).collect();
    assert_eq!(names, ["apgd-ce-eot-20", "apgd-dlr-eot-20"]);
    assert!(Eot::new(Pgd::new(10), 0).check().is_err());
}
