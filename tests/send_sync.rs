//! What users hold can be shared between threads.

use free_at::attacks::*;
use free_at::data::{Image, Table};
use free_at::models::{MlpConfig, NetworkConfig, Weights};
use free_at::observe::{GradientAlignment, GradientNorm, HardestSamples, SaliencyMaps};
use free_at::prelude::*;
use free_at::train::{
    Best, EpochMetrics, GradientPenalty, MetricsFile, Observation, Overfitting, Run, TrainError,
    Trained, TrainerState,
};
use free_at::{Draws, FeatureRules, FrozenModel, Goal, Norm, Objective, PerturbationSet, Radius};

use crate::nets::LinearNet;

#[test]
fn public_types_are_send_and_sync() {
    fn both<T: Send + Sync>() {}
    macro_rules! are_both { ($($type:ty),* $(,)?) => { $(both::<$type>();)* } }
    are_both!(
        // threat models and models
        Bounds, Draws, Epsilon, Error, FeatureRules, FrozenModel<2>, Goal, Norm, Objective,
        PerturbationSet<4>, Radius<4>, ThreatModel,
        // attacks
        AttackTask<'_, 4>, AutoAttack, Evaluation<4>, EvaluationError, Fgsm, Pgd, Apgd, ApgdT, FabT,
        Square, RobustnessReport, Target, Warning, Box<dyn Attack<4>>,
        // training
        Adversary, Best, Checkpoints, EpochMetrics, FreeAdversarialTrainer, StandardTrainer,
        AdversarialTrainer<Pgd>, FastAdversarialTrainer, GradientPenalty, Guard<LinearNet, 2>,
        MetricsFile, Observation<'_>, Overfitting, TrainError, Trained<LinearNet>, TrainerState,
        // models, data, observers, recipes
        ImageDataset, Image, Table, TableConfig, MlpConfig, NetworkConfig, SmallCnnConfig, Weights,
        GradientAlignment, GradientNorm, HardestSamples, SaliencyMaps, Recipe,
    );
    fn moved<T: Send>() {}
    moved::<Batch<4>>();
    moved::<Run<'_, LinearNet, FreeConfig, burn::backend::Autodiff<burn::backend::Flex>, 2>>();
}
