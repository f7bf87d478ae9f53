//! Seconds of an evaluation with each attack, of a model about 45 % robust, and what compaction saves.
//!
//! `cargo bench -p free-at-benches --bench attacks`

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Device;
use criterion::Criterion;
use free_at::attacks::{Apgd, Attack, Bim, FabT, Square};
use free_at::models::SmallCnn;
use free_at::prelude::*;
use free_at_benches::cases::sgd;
use free_at_benches::ratio::{Bar, ratio};
use free_at_benches::ratios;
use free_at_benches::timing;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SAMPLES: usize = 64;
const ROBUST: f64 = 0.45;
/// Square's; AutoAttack's 5,000 would be most of the bench.
const QUERIES: usize = 500;

type Loader = Arc<dyn DataLoader<Batch<4>>>;

/// The quickstart's network after one pass of Free-8.
fn trained() -> SmallCnn {
    let config = FreeConfig::new(ThreatModel::linf(Epsilon::unit(0.1))).with_replays(8);
    let trainer = FreeAdversarialTrainer::new(config, Device::default());
    let trainer = trainer.expect("the configuration is valid");
    let device = trainer.device();
    let loader = digits::train().loader(128, Some(0), device).expect("the batch size is valid");
    let mut model = SmallCnnConfig::new(1, digits::CLASSES).with_width(14).init(device);
    let mut optimizer = sgd();
    for batch in (0..3).flat_map(|_| loader.iter()) {
        let batch = batch.expect("digits are in memory");
        for _ in 0..trainer.replays() {
            let step = trainer.step(model, &mut optimizer, 0.1, &batch);
            model = step.expect("the batch fits the model").0;
        }
    }
    model.valid()
}

fn robust(threat: ThreatModel, model: &SmallCnn, test: &Loader) -> f64 {
    let report = Evaluation::new(threat).attack(Apgd::ce()).run(model, &**test);
    report.expect("the attack runs").worst_case
}

/// The budget at which the model is about 45 % robust: compaction saves the more, the fewer samples
/// withstand.
fn budget(model: &SmallCnn, test: &Loader) -> ThreatModel {
    let threats =
        (2..=30).map(|hundredths| ThreatModel::linf(Epsilon::unit(f64::from(hundredths) / 100.0)));
    let mut below = threats.skip_while(|threat| robust(threat.clone(), model, test) > ROBUST);
    below.next().expect("no model withstands everything")
}

fn attacks(criterion: &mut Criterion) {
    let device = Device::default();
    let model = trained();
    let test = digits::test().take(SAMPLES).loader(SAMPLES, None, &device);
    let test = test.expect("the batch size is valid");
    let threat = budget(&model, &test);
    let share = 100.0 * robust(threat.clone(), &model, &test);
    println!("{threat}, {SAMPLES} digits, {share:.0} % robust under APGD-CE");

    let mut group = timing::group(criterion, "attacks");
    let mut time = |name: &str, attacks: Vec<Arc<dyn Attack<4>>>| {
        timing::time(&mut group, name, &device, || {
            let evaluation = Evaluation::new(threat.clone()).attacks(attacks.clone());
            evaluation.run(&model, &*test).expect("the attacks run");
        });
    };
    time("FGSM", vec![Arc::new(Fgsm::new())]);
    time("BIM-10", vec![Arc::new(Bim::new(10))]);
    time("PGD-20", vec![Arc::new(Pgd::new(20))]);
    time("APGD-CE", vec![Arc::new(Apgd::ce())]);
    time("APGD-CE, compacted", vec![Arc::new(Apgd::ce().with_compaction())]);
    time("FAB-T", vec![Arc::new(FabT::new())]);
    time("Square", vec![Arc::new(Square::new().with_queries(QUERIES))]);
    let auto = AutoAttack::standard().with_queries(QUERIES);
    time("AutoAttack", auto.clone().attacks());
    time("AutoAttack, compacted", auto.with_compaction().attacks());
    group.finish();
}

fn main() {
    let ratios = [
        ratio("attacks", "APGD-CE, compacted", "APGD-CE", Bar::Most(0.6)),
        ratio("attacks", "AutoAttack, compacted", "AutoAttack", Bar::None),
    ];
    ratios::run(attacks, &ratios);
}
