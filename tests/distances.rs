//! Reports of the smallest perturbations, and of several threat models together.

use free_at::Norm;
use free_at::attacks::{
    Apgd, Ddn, DistanceReport, Distances, EvaluationError, Fmn, ModelInfo, SigmaZero, Target,
    UnionReport, Verdict,
};
use free_at::prelude::*;

use crate::reference::{loader, model};

const SAMPLES: usize = 60;

#[test]
fn the_curve_is_what_an_evaluation_finds_at_each_epsilon_or_below() {
    let model = model("free-8");
    let distances = Distances::new(Norm::L2).attack(Ddn::new(100)).attack(Fmn::new(100));
    let report = distances.run(&model, &*loader(SAMPLES, SAMPLES)).unwrap();
    assert_eq!(report.accuracy_at(0.0), report.clean);
    for epsilon in [0.3, 0.6] {
        let threat = ThreatModel::l2(Epsilon::unit(epsilon));
        let attacks = Evaluation::new(threat).attack(Apgd::ce()).attack(Apgd::dlr());
        let evaluated = attacks.run(&model, &*loader(SAMPLES, SAMPLES)).unwrap();
        // Both bound the same share from above; the two attacks are about as strong.
        let apart = report.accuracy_at(epsilon) - evaluated.worst_case;
        assert!(apart.abs() < 0.05, "{epsilon}: {apart}");
    }
    let curve = report.curve();
    assert_eq!(curve[0], (0.0, report.clean));
    assert!(curve.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 >= pair[1].1));
    let (_, last) = *curve.last().unwrap();
    assert_eq!(last, 0.0, "an example was found for every image");
}

#[test]
fn the_closest_over_all_attacks_and_batches_is_kept() {
    let model = model("standard");
    let run = |distances: Distances<4>, batch| distances.run(&model, &*loader(SAMPLES, batch));
    let (ddn, fmn) = (Ddn::new(40), Fmn::new(40));
    let one = run(Distances::new(Norm::L2).attack(ddn.clone()), SAMPLES).unwrap();
    let other = run(Distances::new(Norm::L2).attack(fmn.clone()), SAMPLES).unwrap();
    let both = run(Distances::new(Norm::L2).attack(ddn).attack(fmn), 7).unwrap();
    let at = |report: &DistanceReport, sample: usize| report.samples[sample].distance;
    for sample in 0..SAMPLES {
        let Some(found) = at(&both, sample) else {
            assert_eq!(both.samples[sample].verdict, Verdict::Misclassified);
            continue;
        };
        let nearest = at(&one, sample).unwrap().min(at(&other, sample).unwrap());
        assert!((found - nearest).abs() < 1e-4 * nearest, "{sample}: {found}, {nearest}");
    }
    assert_eq!(both.attacks.iter().map(|a| a.found).collect::<Vec<_>>(), [one.attacks[0].found; 2]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("distances.json");
    both.save(&path).unwrap();
    assert_eq!(DistanceReport::load(&path).unwrap(), both);
    assert!(both.to_string().contains("closest of all"));
}

#[test]
fn targets_are_further_away_and_features_are_counted() {
    let model = model("free-8");
    let of = |distances: Distances<4>| {
        distances.attack(SigmaZero::new(60)).run(&model, &*loader(SAMPLES, SAMPLES)).unwrap()
    };
    let any = of(Distances::new(Norm::L0));
    let one = of(Distances::new(Norm::L0).with_target(Target::LeastLikely));
    assert!(one.median() > any.median());
    let whole = |at: f64| at.fract() == 0.0 && at >= 1.0;
    assert!(any.samples.iter().filter_map(|sample| sample.distance).all(whole));
    let refused = Distances::<4>::new(Norm::L2).attack(SigmaZero::new(5));
    let refused = refused.run(&model, &*loader(4, 4)).unwrap_err();
    assert!(matches!(refused, EvaluationError::Core(Error::Unsupported { .. })), "{refused}");
    let none = Distances::<4>::new(Norm::L2).run(&model, &*loader(4, 4)).unwrap_err();
    assert_eq!(none, EvaluationError::NoAttack);
}

#[test]
fn a_union_is_broken_where_any_of_its_threat_models_is() {
    let model = model("free-8");
    let report = |norm, epsilon| {
        let threat = ThreatModel::new(norm, Epsilon::unit(epsilon));
        let evaluation = Evaluation::new(threat).attack(Apgd::ce().with_steps(30));
        evaluation.run(&model, &*loader(SAMPLES, SAMPLES)).unwrap()
    };
    let reports = [report(Norm::Linf, 0.1), report(Norm::L2, 0.6), report(Norm::L1, 1.5)];
    let union = UnionReport::of(&reports).unwrap();
    for sample in 0..SAMPLES {
        let verdicts: Vec<Verdict> = reports.iter().map(|r| r.verdicts()[sample]).collect();
        let broken = verdicts.contains(&Verdict::Broken);
        assert_eq!(union.verdicts[sample] == Verdict::Broken, broken);
    }
    let worst = reports.iter().map(|report| report.worst_case).fold(1.0, f64::min);
    assert!(union.worst_case < worst, "each breaks some that the others do not: {union}");
    assert!(union.to_string().contains("L1, ε = 1.5"));
    let other = Evaluation::new(ThreatModel::l2(Epsilon::unit(0.5))).attack(Fgsm::new());
    let other = other.run(&crate::reference::model("standard"), &*loader(40, 40)).unwrap();
    let mixed = UnionReport::of(&[reports[0].clone(), other]).unwrap_err();
    assert!(matches!(mixed, EvaluationError::OtherData { .. }), "{mixed}");
    assert_eq!(UnionReport::of(&[]).unwrap_err(), EvaluationError::NoAttack);
}

#[test]
fn an_entry_of_robustbench_is_made_of_the_standard_attacks_alone() {
    let model = model("standard");
    let run = |attacks| {
        let evaluation = Evaluation::new(ThreatModel::linf(Epsilon::pixels(25.0)));
        evaluation.attacks(attacks).run(&model, &*loader(6, 6)).unwrap()
    };
    let info = || ModelInfo::new("a model", "SmallCnn", "digits").by("its authors");
    let report = run(AutoAttack::standard().with_compaction().attacks());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entry.json");
    info().with_footnote("A note.").measured(&report).unwrap().save(&path).unwrap();
    let entry: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(entry["clean_acc"], format!("{:.2}", 100.0 * report.clean));
    assert_eq!(entry["autoattack_acc"], format!("{:.2}", 100.0 * report.worst_case));
    assert_eq!(entry["eps"], "25/255");
    assert_eq!(entry["footnote"], "A note. Evaluated on 6 samples.");
    assert_eq!(entry["authors"], "its authors");
    let other = info().measured(&run(AutoAttack::rand())).unwrap_err();
    assert!(matches!(other, EvaluationError::NotStandard { .. }), "{other}");
}
