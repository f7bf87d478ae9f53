//! Models that answer with a number: what an attack reaches is known of a linear one, and training lowers the error.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor};
use free_at::attacks::{
    Apgd, ApgdT, Boundary, EvaluationError, FabT, HopSkipJump, Intervals, Moeva, Smoothing, Square,
    Target, Verdict,
};
use free_at::models::{Mlp, MlpConfig};
use free_at::prelude::*;
use free_at::train::{TradesConfig, TrainError};
use free_at::{Goal, Norm, Objective};

use crate::catalogue::trainer_of;
use crate::filling::uniform;

const ROWS: usize = 40;
const W: [f32; 3] = [0.8, -0.5, 0.3];
const B: f32 = 0.2;
const TOLERANCE: f64 = 0.25;

/// w · x + b.
#[derive(Module, Debug)]
struct Line {
    linear: Linear,
}

impl Classifier<2> for Line {
    fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        self.linear.forward(rows)
    }
}

fn line() -> Line {
    let device = Device::flex();
    let weight = Param::from_tensor(Tensor::from_data(W.map(|w| [w]), &device));
    Line {
        linear: Linear { weight, bias: Some(Param::from_tensor(Tensor::from_data([B], &device))) },
    }
}

/// Rows in [0, 1], and a number for each: the line's answer, off by up to 0.3.
fn rows() -> Vec<([f32; 3], f32)> {
    let draws = uniform("regression", 4 * ROWS);
    let row = |of: &[f64]| {
        let row: [f32; 3] = std::array::from_fn(|at| of[at] as f32);
        let answer = row.iter().zip(W).map(|(x, w)| x * w).sum::<f32>() + B;
        (row, answer + 0.6 * (of[3] as f32 - 0.5))
    };
    draws.chunks(4).map(row).collect()
}

#[derive(Clone)]
struct Numbers {
    tolerance: f64,
}

impl Batcher<([f32; 3], f32), Batch<2>> for Numbers {
    fn batch(&self, items: Vec<([f32; 3], f32)>, device: &Device) -> Batch<2> {
        let (rows, numbers): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        let n = numbers.len();
        let rows = Tensor::<1>::from_data(rows.concat().as_slice(), device).reshape([n, 3]);
        Batch::of_numbers(rows, Tensor::from_data(numbers.as_slice(), device), self.tolerance)
            .unwrap()
    }
}

fn loader(size: usize, device: &Device) -> Arc<dyn DataLoader<Batch<2>>> {
    let batcher = Numbers { tolerance: TOLERANCE };
    DataLoaderBuilder::new(batcher)
        .batch_size(size)
        .set_device(device.clone())
        .build(InMemDataset::new(rows()))
}

fn model_of_one() -> Mlp {
    MlpConfig::new(3, 1).init(&Device::flex())
}

fn threat(norm: Norm, epsilon: f64) -> ThreatModel {
    ThreatModel::new(norm, Epsilon::unit(epsilon)).with_bounds(Bounds::None)
}

#[test]
fn of_a_linear_model_every_attack_finds_whether_it_can_be_moved_too_far() {
    const EPSILON: f64 = 0.08;
    let slopes = [
        (Norm::Linf, W.iter().map(|w| w.abs()).sum::<f32>()),
        (Norm::L2, W.iter().map(|w| w * w).sum::<f32>().sqrt()),
    ];
    for (norm, slope) in slopes {
        let reach = EPSILON * f64::from(slope);
        // By how much a sample must be breakable for the attack to find it. Attacks that walk along a boundary may walk along
        // the one on the other side of the true number, so of them it is not known.
        let attacks: [(Arc<dyn Attack<2>>, f64); 6] = [
            (Arc::new(Fgsm::new()), 1e-4),
            (Arc::new(Pgd::new(10)), 1e-4),
            (Arc::new(Apgd::ce().with_objective(Objective::Margin).with_steps(10)), 1e-4),
            (
                Arc::new(Moeva::new().with_generations(20).with_population(20).with_children(20)),
                0.02,
            ),
            (Arc::new(HopSkipJump::new().with_steps(8).with_points(40)), f64::INFINITY),
            (Arc::new(Boundary::new().with_steps(600)), f64::INFINITY),
        ];
        for (attack, slack) in attacks {
            let name = attack.name();
            if !attack.norms().contains(&norm) {
                continue;
            }
            let evaluation = Evaluation::new(threat(norm, EPSILON)).attacks(vec![attack]);
            let report = evaluation.run(&line(), &*loader(16, &Device::flex())).unwrap();
            let mut decided = 0;
            for ((row, number), sample) in rows().iter().zip(&report.samples) {
                let answer = row.iter().zip(W).map(|(x, w)| x * w).sum::<f32>() + B;
                let error = f64::from((answer - number).abs());
                let beyond = error + reach - TOLERANCE;
                match (error > TOLERANCE, sample.verdict) {
                    (wrong, Verdict::Misclassified) => assert!(wrong, "{name} {norm}: {error}"),
                    (false, Verdict::Broken) => assert!(beyond > 0.0, "{name} {norm}: {beyond}"),
                    (false, Verdict::Robust) => assert!(beyond < slack, "{name} {norm}: {beyond}"),
                    other => panic!("{name}: {other:?}"),
                }
                decided += usize::from(sample.verdict == Verdict::Broken);
            }
            assert!(decided >= 2, "{name}: {decided}");
        }
    }
}

#[test]
fn training_lowers_the_error_within_the_ball_and_its_accuracy_is_that_of_the_tolerance() {
    const EPSILON: f64 = 0.1;
    let trainer =
        FreeAdversarialTrainer::new(FreeConfig::new(threat(Norm::Linf, EPSILON)), Device::flex())
            .unwrap();
    let mut model: Mlp = MlpConfig::new(3, 1).with_seed(1).init(trainer.device());
    let mut sgd = SgdConfig::new().init();
    let (mut losses, mut last) = (Vec::new(), 0.0);
    for _ in 0..60 {
        for batch in loader(ROWS, trainer.device()).iter() {
            let batch = batch.unwrap();
            let output;
            (model, output) = trainer.step(model, &mut sgd, 0.05, &batch).unwrap();
            losses.push(output.loss.into_scalar::<f32>());
            let right = output.output.argmax(1).squeeze_dim::<1>(1).equal(output.targets);
            last = right.int().sum().into_scalar::<i64>() as f64 / ROWS as f64;
        }
    }
    assert!(losses[losses.len() - 1] < 0.65 * losses[0], "{losses:?}");
    let evaluation = Evaluation::new(threat(Norm::Linf, EPSILON)).attack(Pgd::new(10));
    let report = evaluation.run(&model.valid(), &*loader(16, &Device::flex())).unwrap();
    assert!(report.clean > 0.6 && report.worst_case > 0.3, "{report}");
    // Trained on moved rows: what the last step counted is between the two.
    assert!(last >= report.worst_case - 0.1 && last <= report.clean + 0.1, "{last} {report}");
}

#[test]
fn what_numbers_have_no_part_in_is_refused() {
    let test = || loader(16, &Device::flex());
    let core = |found: Result<RobustnessReport, EvaluationError>| match found {
        Err(EvaluationError::Core(error)) => error,
        other => panic!("{other:?}"),
    };
    let evaluation = || Evaluation::<2>::new(threat(Norm::Linf, 0.1));
    for attack in [
        Arc::new(Apgd::dlr()) as Arc<dyn Attack<2>>,
        Arc::new(ApgdT::new().with_targets(1)),
        Arc::new(FabT::new().with_targets(1)),
    ] {
        let refused = core(evaluation().attacks(vec![attack]).run(&line(), &*test()));
        assert!(matches!(refused, Error::Unsupported { .. }), "{refused}");
    }
    let targeted = evaluation().attack(Square::new()).with_target(Target::LeastLikely);
    let refused = targeted.run(&line(), &*test());
    assert!(refused.is_err());
    let two: Mlp = MlpConfig::new(3, 2).init(&Device::flex());
    let refused = core(evaluation().attack(Fgsm::new()).run(&two, &*test()));
    assert_eq!(refused, Error::Answers { found: 2 });
    let numbers = |tolerance| {
        let rows = Tensor::<2>::zeros([2, 3], &Device::flex());
        Batch::of_numbers(rows, Tensor::zeros([2], &Device::flex()), tolerance)
    };
    for tolerance in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(numbers(tolerance), Err(Error::Tolerance { .. })), "{tolerance}");
    }
    let trainer = trainer_of(TradesConfig::new(threat(Norm::Linf, 0.1)));
    let model: Mlp = MlpConfig::new(3, 1).init(trainer.device());
    let batch = loader(ROWS, trainer.device()).iter().next().unwrap().unwrap();
    let refused = trainer.step(model, &mut SgdConfig::new().init(), 0.1, &batch).err().unwrap();
    let error = refused.error;
    assert!(matches!(error, TrainError::Core(Error::Unsupported { .. })), "{error}");

    let certified = Intervals::new(threat(Norm::Linf, 0.1)).certify(&model_of_one(), &*test());
    assert!(matches!(certified, Err(EvaluationError::Core(Error::Unsupported { .. }))));
    let smoothed =
        Smoothing::new(Epsilon::unit(0.1)).with_estimation(10).certify(&line(), &*test());
    assert!(matches!(smoothed, Err(EvaluationError::Core(Error::Unsupported { .. }))));

    let device = Device::flex();
    let goal = Goal::beyond(Tensor::from_data([1.0, 1.0, 1.0], &device), 0.5);
    let answers = Tensor::<2>::from_data([[1.4], [1.6], [f32::NAN]], &device);
    let fooled: Vec<i32> = goal.fooled(answers).int().try_into_vec_as().unwrap();
    assert_eq!(fooled, [0, 1, 1]);
}
