use free_at_core::{Epsilon, FeatureRules};

use super::*;
use crate::report::{AttackReport, SampleReport, Verdict, Versions, wilson_interval};
use crate::warning::Warning;

fn report(threat: ThreatModel) -> RobustnessReport {
    let verdicts = [Verdict::Robust, Verdict::Robust, Verdict::Broken, Verdict::Misclassified];
    let sample = |verdict| SampleReport { verdict, attack: None, norm: None };
    RobustnessReport {
        threat,
        target: None,
        cascade: true,
        seed: 7,
        versions: Versions { free_at: "0.1.0".into(), burn: "0.22".into(), device: "Flex".into() },
        hash: "1f2e".into(),
        clean: 0.75,
        clean_interval: wilson_interval(3, 4),
        attacks: vec![AttackReport {
            name: "pgd-20".into(),
            parameters: "Pgd { steps: 20 | restarts: 1 }".into(),
            accuracy: 0.5,
            interval: wilson_interval(2, 4),
            attacked: 3,
            broken: 1,
            gradient_computations: 60,
            forward_passes: 3,
            seconds: 0.1,
            quantized: None,
        }],
        worst_case: 0.5,
        worst_case_interval: wilson_interval(2, 4),
        quantized: None,
        warnings: vec![Warning::EpsilonCoversBounds],
        samples: verdicts.map(sample).to_vec(),
    }
}

fn linf() -> ThreatModel {
    ThreatModel::linf(Epsilon::pixels(8.0))
}

#[test]
fn data_threat_model_attacks_intervals_hash_and_command_are_on_the_card() {
    let card = ModelCard::new("Free-8")
        .model("network", "a network")
        .data("data set", "digits")
        .training("seed", 3)
        .by_command("train --seed 3")
        .measured(&report(linf()))
        .picture("Accuracy over epsilon", "curve.svg")
        .to_string();
    let warning = escaped(&Warning::EpsilonCoversBounds.to_string());
    for line in [
        "# Free-8",
        "| network | a network |",
        "| data set | digits |",
        "| seed | 3 |",
        "```sh",
        "train --seed 3",
        "| norm | L-infinity |",
        "| epsilon | 8/255, in the unit of the inputs |",
        "| bounds of inputs | from 0 to 1 |",
        "| what the adversary wants | any wrong class |",
        "| none (clean) | 75.0 % | 30.1 to 95.4 % | 3/4 |  |",
        "| pgd-20 | 50.0 % | 15.0 to 85.0 % | 2/4 | Pgd { steps: 20 \\| restarts: 1 } |",
        "| worst case | 50.0 % | 15.0 to 85.0 % | 2/4 |  |",
        &format!("**Warning:** {warning}"),
        "Seed 7. Report `1f2e`, by free-at 0.1.0 on Burn 0.22, Flex.",
        "![Accuracy over epsilon](curve.svg)",
    ] {
        assert!(card.lines().any(|found| found == line), "no line `{line}` in\n{card}");
    }
    assert!(card.contains("what those above it had left standing"));
    assert!(!card.contains("8 bits"));
    let quantized = Some(QuantizedAccuracy { rounded: 0.5, quantized: 0.25 });
    let own = RobustnessReport { cascade: false, quantized, ..report(linf()) };
    let own = ModelCard::new("Free-8").measured(&own).to_string();
    assert!(own.contains("every sample that is right without one"));
    assert!(
        own.contains(
            "8 bits: 50.0 % with examples that are rounded, 25.0 % with attacks that know"
        )
    );
}

#[test]
fn a_model_that_was_not_attacked_has_a_card_that_says_so() {
    let card = ModelCard::new("Free-8").to_string();
    assert_eq!(card, "# Free-8\n\n## Robust accuracy\n\nNot measured: nothing is known of it.\n");
}

#[test]
fn tables_have_their_own_units_bounds_and_rules() {
    let bounds = Bounds::PerFeature { low: vec![0.0; 3], high: vec![f32::INFINITY; 3] };
    let rules = FeatureRules::new(3).with_categories(vec![1, 2]);
    let threat = linf().with_bounds(bounds).with_scale(vec![2.0; 3]).with_rules(rules);
    let card = ModelCard::new("table").measured(&report(threat)).to_string();
    for line in [
        "| epsilon | 8/255, in each feature's own unit |",
        "| bounds of inputs | each feature's own |",
        "| rules of the data | 3 features, columns of categories: 1, relations: 0 |",
    ] {
        assert!(card.lines().any(|found| found == line), "no line `{line}` in\n{card}");
    }
}

#[test]
fn every_goal_of_the_adversary_has_words_of_its_own() {
    let targets =
        [Target::Given(vec![1]), Target::LeastLikely, Target::Random, Target::MostLikely(2)];
    let mut goals: Vec<String> = targets.iter().map(|target| goal(Some(target))).collect();
    goals.push(goal(None));
    goals.sort();
    goals.dedup();
    assert_eq!(goals.len(), 5, "{goals:?}");
    assert_eq!(super::bounds(&Bounds::None), "none");
}

#[test]
fn whatever_stands_in_a_name_the_card_keeps_its_shape() {
    let card = ModelCard::new("a\n# b")
        .data("file|s", "<b>*x* `y`_z_\nnext")
        .by_command("echo ```")
        .picture("a [b]", "my curve (1) é.svg")
        .to_string();
    for line in [
        "# a \\# b",
        "| file\\|s | \\<b\\>\\*x\\* \\`y\\`\\_z\\_ next |",
        "````sh",
        "````",
        "![a \\[b\\]](my%20curve%20%281%29%20%C3%A9.svg)",
    ] {
        assert!(card.lines().any(|found| found == line), "no line `{line}` in\n{card}");
    }
}

#[test]
fn the_file_is_named_by_its_hash_and_a_missing_one_is_refused() {
    let folder = std::env::temp_dir().join(format!("free-at-card-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let model = folder.join("best.safetensors");
    assert!(matches!(ModelCard::new("none").of_file(&model), Err(Error::File { .. })));
    fs::write(&model, "abc").unwrap();
    let card = ModelCard::new("abc").of_file(&model).unwrap();
    let path = folder.join("MODEL.md");
    card.save(&path).unwrap();
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written, card.to_string());
    assert!(written.contains("| file | best.safetensors |"), "{written}");
    // FIPS 180-2, appendix B.1.
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(written.contains(&format!("| SHA-256 | {hash} |")), "{written}");
    fs::remove_dir_all(folder).unwrap();
}
