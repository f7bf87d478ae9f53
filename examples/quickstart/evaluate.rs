//! Attacks on the trained models.

use burn::tensor::{Device, Tensor};
use free_at::attacks::{ApgdT, AttackTask, PgdCw};
use free_at::prelude::*;
use free_at::{Draws, FrozenModel};
use free_at_examples::curve::Curve;

use crate::training::{Data, Trained};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const BATCH: usize = 120;

/// Every model under FGSM, PGD-20 and APGD-T, AutoAttack's strongest part.
pub(crate) fn under_attack(
    trained: &[Trained],
    threat: &ThreatModel,
    data: &Data,
) -> Outcome<Vec<RobustnessReport>> {
    let test = data.test.loader(BATCH, None, &Device::default())?;
    let evaluation = Evaluation::new(threat.clone())
        .with_seed(data.seed)
        .independently() // a column for each attack
        .attack(Fgsm::new())
        .attack(Pgd::new(20))
        .attack(ApgdT::new());
    let attack = |run: &Trained| {
        println!("{:9} under attack", run.method);
        Ok(evaluation.run(&run.model, &*test)?)
    };
    trained.iter().map(attack).collect()
}

/// Accuracy under CW-40 over epsilon: PGD on the margin.
pub(crate) fn accuracy_by_epsilon(
    trained: &[Trained],
    threat: &ThreatModel,
    data: &Data,
) -> Outcome<Vec<Curve>> {
    const EPSILONS: [f64; 7] = [0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2];
    let test = data.test.loader(BATCH, None, &Device::default())?;
    let curve = |run: &Trained| -> Outcome<Curve> {
        let named = (run.method.as_str(), &run.model);
        Ok(Curve::measure(named, &*test, threat, &PgdCw::new(40), (&EPSILONS, data.seed))?)
    };
    trained.iter().map(curve).collect()
}

/// Some test images with what each model makes of them and of their adversarial examples.
pub(crate) struct Pictures {
    pub(crate) images: Vec<Vec<f32>>,
    pub(crate) labels: Vec<usize>,
    pub(crate) models: Vec<ModelPictures>,
    pub(crate) epsilon: f64,
}

pub(crate) struct ModelPictures {
    pub(crate) method: String,
    pub(crate) clean: Vec<usize>,
    pub(crate) adversarial: Vec<Vec<f32>>,
    pub(crate) predicted: Vec<usize>,
}

pub(crate) fn adversarial_examples(
    trained: &[Trained],
    threat: &ThreatModel,
    data: &Data,
) -> Outcome<Pictures> {
    const SHOWN: usize = 6;
    let every = data.test.len() / SHOWN;
    let shown = data.test.subset((0..SHOWN).map(|at| at * every).collect());
    let batch = shown.batch(&Device::default())?;
    let draws = Draws::new(data.seed, (0..SHOWN as u64).collect());
    let pictures = |run: &Trained| -> Outcome<ModelPictures> {
        let model = FrozenModel::new(&run.model);
        let inputs = batch.inputs();
        let (labels, draws) = (batch.untargeted(), draws.clone());
        let task = AttackTask::new(&model, inputs.clone(), labels, threat, draws)?;
        let found = PgdCw::new(40).perturb(&task)?;
        Ok(ModelPictures {
            method: run.method.clone(),
            clean: predictions(model.logits(inputs)?)?,
            predicted: predictions(model.logits(found.clone())?)?,
            adversarial: rows(found)?,
        })
    };
    Ok(Pictures {
        images: rows(batch.inputs())?,
        labels: (0..SHOWN).filter_map(|at| shown.label(at)).collect(),
        models: trained.iter().map(pictures).collect::<Outcome<_>>()?,
        epsilon: threat.epsilon().value(),
    })
}

fn predictions(logits: Tensor<2>) -> Outcome<Vec<usize>> {
    let classes = logits.argmax(1).try_into_vec_as::<i64>()?;
    Ok(classes.into_iter().map(|class| class as usize).collect())
}

fn rows(images: Tensor<4>) -> Outcome<Vec<Vec<f32>>> {
    let pixels = images.dims()[1..].iter().product();
    let values = images.try_into_vec_as::<f32>()?;
    Ok(values.chunks(pixels).map(<[f32]>::to_vec).collect())
}
