//! Models that draw, and attacks that average over their draws.

use std::sync::Arc;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use free_at::attacks::{
    Apgd, AttackParameters, AttackTask, AutoAttack, Eot, FabT, Square, Verdict, Warning,
};
use free_at::models::{InputNoise, ModelError, RandomResize, SmallCnn};
use free_at::prelude::*;
use free_at::{Draws, FrozenModel, Objective};

use crate::nets::linf;
use crate::reference::{loader, model};

const SAMPLES: usize = 60;

/// A trained network that sees its images through noise, far more of it than epsilon, another at each call.
fn noisy() -> InputNoise<SmallCnn> {
    InputNoise::new(0.5, model("standard")).unwrap()
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
    let one_by_one = task(&one_by_one);
    let each: Vec<_> = (0..DRAWS).map(|_| gradient(&one_by_one)).collect();
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

/// What becomes of each sample under each of some attacks, so many at a time.
fn verdicts<M>(model: &M, batch: usize) -> Vec<Verdict>
where
    M: Classifier<4> + Module + ModuleDisplay + 'static,
{
    const SOME: usize = 24;
    let attacks: [Arc<dyn Attack<4>>; 4] = [
        Arc::new(Pgd::new(8).with_restarts(2)),
        Arc::new(Eot::new(Apgd::ce().with_steps(6).with_compaction(), 3)),
        Arc::new(FabT::new().with_targets(2).with_steps(4)),
        Arc::new(Square::new().with_queries(20)),
    ];
    let each = attacks.into_iter().flat_map(|attack| {
        let evaluation = Evaluation::new(linf(0.05)).attacks(vec![attack]).with_batch_size(batch);
        evaluation.run(model, &*loader(SOME, SOME)).unwrap().samples
    });
    each.map(|sample| sample.verdict).collect()
}

#[test]
fn keyed_draws_give_the_same_verdicts_in_any_batch() {
    let noisy = InputNoise::new(0.1, model("free-8")).unwrap();
    let whole = verdicts(&noisy, 24);
    assert_eq!(whole, verdicts(&noisy, 7));
    let robust = whole.iter().filter(|verdict| **verdict == Verdict::Robust).count();
    assert!(robust > 5 && robust < whole.len() - 5, "{robust} of {}", whole.len());
    let resized = RandomResize::new(7..11, model("free-8")).unwrap();
    assert_eq!(verdicts(&resized, 24), verdicts(&resized, 5));
}

#[test]
fn a_resized_image_is_whole_and_somewhere_on_a_black_one() {
    /// Says how bright the image is that it sees, and how large.
    #[derive(Module, Debug)]
    struct Seen {
        scale: f64,
    }
    impl Classifier<4> for Seen {
        fn logits(&self, images: Tensor<4>) -> Tensor<2> {
            let sums = images.clone().flatten::<2>(1, 3).sum_dim(1);
            Tensor::cat(vec![sums.mul_scalar(self.scale), images.flatten::<2>(1, 3)], 1)
        }
    }
    const N: usize = 12;
    let model = RandomResize::new(4..7, Seen { scale: 1.0 }).unwrap();
    let images = Tensor::<4>::ones([N, 1, 4, 4], &Device::flex());
    let draws = Draws::new(3, (0..N as u64).collect());
    let rows = model.logits_with(images, &draws);
    assert_eq!(rows.dims(), [N, 1 + 7 * 7]);
    let mut sizes: Vec<f32> = rows.slice([0..N, 0..1]).try_into_vec_as().unwrap();
    sizes.sort_by(f32::total_cmp);
    sizes.dedup();
    assert_eq!(sizes, [16.0, 25.0, 36.0]); // squares of 4, 5 and 6, all white
}

#[test]
fn random_models_that_cannot_be_are_refused() {
    let refused =
        |found: Result<(), ModelError>| matches!(found, Err(ModelError::Parameter { .. }));
    for deviation in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(refused(InputNoise::new(deviation, model("standard")).map(drop)), "{deviation}");
    }
    for sizes in [0..4, 4..4] {
        assert!(refused(RandomResize::new(sizes, model("standard")).map(drop)));
    }
    let resized = RandomResize::new(8..12, model("standard")).unwrap();
    assert!(Classifier::<4>::check_input(&resized, &[8]).is_err());
}
