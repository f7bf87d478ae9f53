use super::*;

use std::fs;

use crate::evaluation::tally::{Broken, Place};

const FEATURES: usize = 3;

/// A folder of its own, deleted at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("free-at-record-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn record(&self) -> PathBuf {
        self.0.join("record.jsonl")
    }

    fn open(&self) -> Result<(Record, Vec<WithExamples>), EvaluationError> {
        let of = Fingerprint::recorded("key".into(), None);
        Record::open(&self.record(), &of, Some(FEATURES))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One that broke a sample.
fn finding() -> Finding {
    Finding {
        place: Place { quantized: false, attack: 0, run: 0 },
        samples: vec![0, 1],
        broken: vec![Broken { sample: 1, norm: 0.5, rounded: false }],
        gradient_computations: 2,
        forward_passes: 3,
        seconds: 0.25,
    }
}

/// A record of these findings, opened again.
fn reopened(name: &str, findings: &[Finding]) -> Result<Vec<WithExamples>, EvaluationError> {
    let scratch = Scratch::new(name);
    let (mut record, _) = scratch.open()?;
    for finding in findings {
        record.add(finding, &[0.5; FEATURES]).unwrap();
    }
    drop(record); // and its lock
    scratch.open().map(|(_, found)| found)
}

#[test]
fn what_is_added_is_found_again() {
    let found = reopened("again", &[finding(), finding()]).unwrap();
    let expected = (finding(), vec![0.5; FEATURES]);
    assert_eq!(found, [expected.clone(), expected]);
}

#[test]
fn costs_beyond_all_counting_are_damage() {
    let costs = |computations, passes, seconds| Finding {
        gradient_computations: computations,
        forward_passes: passes,
        seconds,
        ..finding()
    };
    let damages = [
        [costs(u64::MAX, 0, 0.0), finding()],
        [finding(), costs(0, u64::MAX, 0.0)],
        [costs(1 << 52, 1 << 51, 0.0), costs(1 << 52, 0, 0.0)],
        [costs(1, 1, f64::MAX), costs(1, 1, f64::MAX)],
        [finding(), costs(1, 1, -0.5)],
    ];
    for findings in damages {
        let error = reopened("costs", &findings).unwrap_err();
        assert!(matches!(error, EvaluationError::Core(Error::DamagedFile { .. })), "{error}");
    }
}

#[test]
fn a_norm_below_zero_is_damage() {
    let broken = vec![Broken { sample: 1, norm: -0.5, rounded: false }];
    let error = reopened("norm", &[Finding { broken, ..finding() }]).unwrap_err();
    assert!(error.to_string().contains("line 2: -0.5 is no norm"), "{error}");
}

#[test]
fn examples_that_are_not_there_take_no_memory() {
    let scratch = Scratch::new("examples");
    drop(scratch.open().unwrap());
    let of = Fingerprint::recorded("key".into(), None);
    let features = u32::MAX as usize; // no memory has room for so many of a thousand samples
    let header =
        format!("{{\"free_at_record\":{FORMAT},\"hash\":\"key\",\"features\":{features}}}\n");
    let broken = vec![Broken { sample: 1, norm: 0.5, rounded: false }; 1 << 10];
    let line = serde_json::to_string(&Finding { broken, ..finding() }).unwrap();
    fs::write(scratch.record(), header + &line + "\n").unwrap();
    let error = Record::open(&scratch.record(), &of, Some(features)).err().unwrap();
    assert!(error.to_string().contains("bytes expected, found 0 bytes"), "{error}");
}
