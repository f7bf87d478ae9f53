use super::*;

use std::fs;
use std::path::PathBuf;

use burn::nn::{Linear, LinearConfig};
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::tensor::Device;
use burn::train::checkpoint::Checkpointer;

use crate::train::TrainError;

#[derive(Module, Debug)]
struct Model {
    linear: Linear,
}

fn model(inputs: usize) -> Model {
    Model { linear: LinearConfig::new(inputs, 2).init(&Device::flex()) }
}

/// A folder of its own, deleted at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("free-at-checkpoint-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The three parts as Burn uses them.
fn parts(checkpoints: &Checkpoints, moments: &Moments) -> [PartCheckpointer; 3] {
    let written = Written::default();
    [Part::Model, Part::Optimizer, Part::Schedule].map(|part| PartCheckpointer {
        part,
        folder: checkpoints.folder.clone(),
        moments: moments.clone(),
        written: written.clone(),
        restored: checkpoints.newest.as_ref().map(|(path, _)| path.clone()),
    })
}

fn record(steps: u64) -> LrSchedulerRecord {
    LrSchedulerRecord::new().with_scalar("step", steps)
}

fn save(checkpoints: &Checkpoints, epochs: std::ops::RangeInclusive<u64>) {
    let moments = Moments::default();
    let parts = parts(checkpoints, &moments);
    for epoch in epochs {
        let moment = Moment { passes: epoch, position: 0, steps: 10 * epoch };
        moments.list().push((epoch as usize, moment));
        for part in &parts {
            part.save(epoch as usize, record(epoch)).unwrap();
        }
    }
}

fn open(scratch: &Scratch) -> Checkpoints {
    Checkpoints::open(&scratch.0, &model(4)).unwrap()
}

#[test]
fn the_last_two_are_kept_and_the_newest_is_restored() {
    let scratch = Scratch::new("two");
    save(&open(&scratch), 1..=4);
    assert_eq!(scratch.names(), ["step-0000000030", "step-0000000040"]);
    let found = open(&scratch);
    let about = found.newest().unwrap();
    assert_eq!((about.passes, about.steps), (4, 40));
    let [_, _, schedule] = parts(&found, &Moments::default());
    let restored: LrSchedulerRecord = schedule.restore(4).unwrap();
    assert_eq!(restored.scalar::<u64>("step"), Some(4));
}

#[test]
fn a_damaged_checkpoint_is_skipped_and_the_one_before_is_used() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("has other contents", |file| {
            let mut bytes = fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file, bytes).unwrap();
        }),
        ("bytes", |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() - 3]).unwrap();
        }),
        ("cannot be read", |file| fs::remove_file(file).unwrap()),
        ("is not what was written", |file| {
            fs::write(file.with_file_name("about.json"), "{").unwrap();
        }),
    ];
    for (reason, damage) in damages {
        let scratch = Scratch::new("damaged");
        save(&open(&scratch), 1..=2);
        damage(&scratch.0.join("step-0000000020/optimizer.bpk"));
        let found = open(&scratch);
        assert_eq!(found.newest().unwrap().passes, 1);
        assert!(found.skipped()[0].contains(reason), "{:?}", found.skipped());
        // The pass is made again, and its checkpoint takes the damaged one's place.
        save(&found, 2..=2);
        assert_eq!(open(&scratch).newest().unwrap().passes, 2);
        assert_eq!(scratch.names(), ["step-0000000010", "step-0000000020"]);
    }
}

#[test]
fn a_checkpoint_that_was_not_completed_is_none() {
    let scratch = Scratch::new("incomplete");
    let checkpoints = open(&scratch);
    save(&checkpoints, 1..=1);
    let moments = Moments::default();
    moments.list().push((2, Moment { passes: 2, position: 0, steps: 20 }));
    let [model, optimizer, _] = parts(&checkpoints, &moments);
    model.save(2, record(2)).unwrap();
    optimizer.save(2, record(2)).unwrap(); // killed here
    assert_eq!(open(&scratch).newest().unwrap().passes, 1);
    save(&open(&scratch), 2..=2);
    assert_eq!(scratch.names(), ["step-0000000010", "step-0000000020"]);
}

/// Burn writes each part from a thread of its own, so the next checkpoint can begin before this one ends.
#[test]
fn a_checkpoint_in_the_making_is_no_remains_of_an_old_one() {
    let scratch = Scratch::new("overlap");
    let checkpoints = open(&scratch);
    let moments = Moments::default();
    for epoch in 1..=2 {
        let moment = Moment { passes: epoch, position: 0, steps: 10 * epoch };
        moments.list().push((epoch as usize, moment));
    }
    let [model, optimizer, schedule] = parts(&checkpoints, &moments);
    model.save(1, record(1)).unwrap();
    optimizer.save(1, record(1)).unwrap();
    model.save(2, record(2)).unwrap();
    schedule.save(1, record(1)).unwrap(); // completes the first
    optimizer.save(2, record(2)).unwrap();
    schedule.save(2, record(2)).unwrap();
    assert_eq!(scratch.names(), ["step-0000000010", "step-0000000020"]);
    assert_eq!(open(&scratch).newest().unwrap().passes, 2);
}

#[test]
fn a_full_disk_leaves_the_checkpoint_before() {
    let scratch = Scratch::new("full");
    let checkpoints = open(&scratch);
    save(&checkpoints, 1..=1);
    fs::write(scratch.0.join("incomplete-20"), "no folder can be made here").unwrap();
    let moments = Moments::default();
    moments.list().push((2, Moment { passes: 2, position: 0, steps: 20 }));
    let [model, ..] = parts(&checkpoints, &moments);
    assert!(model.save(2, record(2)).unwrap_err().to_string().contains("incomplete-20"));
    assert_eq!(open(&scratch).newest().unwrap().passes, 1);
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let scratch = Scratch::new("other");
    save(&open(&scratch), 1..=1);
    let refused = Checkpoints::open(&scratch.0, &model(5)).unwrap_err();
    assert!(matches!(refused, TrainError::OtherModel { path } if path.contains("step-")));
}

#[test]
fn a_checkpoint_of_another_version_is_skipped() {
    let scratch = Scratch::new("version");
    save(&open(&scratch), 1..=1);
    let about = scratch.0.join("step-0000000010/about.json");
    let newer = fs::read_to_string(&about).unwrap().replace("\"version\": 2", "\"version\": 3");
    fs::write(&about, newer).unwrap();
    let found = open(&scratch);
    assert!(found.newest().is_none() && found.skipped()[0].contains("version 3"));
}

type Said = serde_json::Map<String, serde_json::Value>;

/// Two checkpoints, of which the newer is made to say something else of itself: the passes of the one that is used,
/// and what was skipped.
fn used_after(test: &str, change: impl Fn(&mut Said)) -> (u64, Vec<String>) {
    let scratch = Scratch::new(test);
    save(&open(&scratch), 1..=2);
    let about = scratch.0.join("step-0000000020/about.json");
    let mut said: Said = serde_json::from_slice(&fs::read(&about).unwrap()).unwrap();
    change(&mut said);
    fs::write(&about, serde_json::to_vec(&said).unwrap()).unwrap();
    let found = open(&scratch);
    (found.newest().unwrap().passes, found.skipped().to_vec())
}

#[test]
fn what_a_checkpoint_says_of_itself_is_sealed() {
    for name in ["passes", "position", "steps", "model", "seal"] {
        let (passes, skipped) = used_after("sealed", |said| {
            let is_number = said[name].is_number();
            let changed: serde_json::Value = if is_number { 1.into() } else { "00".into() };
            said.insert(name.into(), changed);
        });
        assert_eq!(passes, 1, "{name}");
        assert!(skipped[0].contains("about.json has other contents"), "{name}: {skipped:?}");
    }
}

#[test]
fn a_checkpoint_of_an_earlier_program_has_no_seal_and_is_used() {
    let unsealed = |name: &str, number: u64| {
        used_after("unsealed", |said| {
            said.remove("seal").unwrap();
            said.insert(name.into(), number.into());
        })
    };
    assert_eq!(unsealed("position", 0), (2, Vec::new()));
    // What no training can have written is refused all the same.
    for (name, number) in [("steps", 21), ("passes", u64::MAX), ("position", 21)] {
        let (passes, skipped) = unsealed(name, number);
        assert_eq!(passes, 1, "{name}");
        assert!(skipped[0].contains("about.json has other contents"), "{name}: {skipped:?}");
    }
}

#[test]
fn files_that_are_none_of_a_checkpoint_are_not_read() {
    let elsewhere = if cfg!(unix) { "/dev/zero" } else { "../model.bpk" };
    let named = |names: &[&str]| {
        used_after("named", |said| {
            said.remove("seal").unwrap();
            let entry = said["files"][0].clone();
            let entries = names.iter().map(|name| {
                let mut entry = entry.clone();
                entry[0] = (*name).into();
                entry
            });
            said.insert("files".into(), entries.collect());
        })
    };
    let [model, optimizer, schedule] = ["model.bpk", "optimizer.bpk", "schedule.bpk"];
    for names in [
        &[][..],
        &[model, optimizer],
        &[model, optimizer, schedule, schedule],
        &[model, optimizer, elsewhere],
    ] {
        let (passes, skipped) = named(names);
        assert_eq!(passes, 1, "{names:?}");
        assert!(skipped[0].contains("it names the files"), "{names:?}: {skipped:?}");
    }
}
