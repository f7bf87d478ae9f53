use super::*;

use std::sync::Arc;

use burn::train::metric::store::NumericMetricUpdate;
use burn::train::metric::{Metric, MetricEntry, SerializedEntry};

fn write(file: &mut MetricsFile, epoch: usize, per_cent: f64) {
    let metric = RobustAccuracyMetric::new();
    let id = MetricId::new(Arc::new("robust".into()));
    file.log_metric_definition(MetricDefinition::new(id.clone(), &metric));
    let entry = MetricEntry::new(id, SerializedEntry::new(String::new(), String::new()));
    let update = |value| MetricsUpdate {
        entries: Vec::new(),
        entries_numeric: vec![NumericMetricUpdate::new(entry.clone(), Some(value), None)],
    };
    // What a minibatch had is not of interest afterwards.
    file.log(update(NumericEntry::Value(1.0)), epoch, &Split::Valid);
    file.log(update(NumericEntry::Final(per_cent)), epoch, &Split::Valid);
    file.log_epoch_summary(EpochSummary { epoch_number: epoch, split: Split::Valid });
    assert_eq!(metric.name().as_str(), RobustAccuracyMetric::NAME);
}

/// A new folder.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("free-at-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_run_that_goes_on_keeps_the_lines_before_its_checkpoint() {
    let folder = folder("metrics");
    let path = folder.join("metrics.jsonl");
    let open = |passes| MetricsFile::open(&path, passes, LoadingClock::default()).unwrap();
    let mut first = open(0);
    (1..=3).for_each(|epoch| write(&mut first, epoch, 10.0 * epoch as f64));
    drop(first);
    // Killed while it wrote a line.
    let cut = std::fs::read_to_string(&path).unwrap() + "{\"epoch\":4,\"spl";
    std::fs::write(&path, cut).unwrap();

    let mut second = open(2);
    assert_eq!(second.best(), Some(Best { epoch: 2, robust_accuracy: 0.2 }));
    let name = RobustAccuracyMetric::NAME;
    let mut read = |epoch| second.read_numeric(name, epoch, &Split::Valid).unwrap();
    assert!(matches!(read(2)[..], [NumericEntry::Final(20.0)]));
    assert!(read(3).is_empty());
    write(&mut second, 3, 15.0);
    let lines = EpochMetrics::read(&path).unwrap();
    assert_eq!(lines.iter().map(|line| line.epoch).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(lines[2].metrics["seconds"] >= 0.0);
    assert_eq!(EpochMetrics::best(&lines), Some(Best { epoch: 2, robust_accuracy: 0.2 }));
    assert!(EpochMetrics::read(&path).unwrap().len() == 3 && open(0).values.is_empty());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn event_files_stand_beside_the_lines_and_no_line_is_lost_without_them() {
    let folder = folder("metrics-events");
    let path = folder.join("metrics.jsonl");
    let events = folder.join("tensorboard");
    std::fs::write(&events, "no folder").unwrap();
    let mut file = MetricsFile::open(&path, 0, LoadingClock::default()).unwrap();
    write(&mut file, 1, 10.0);
    assert_eq!(EpochMetrics::read(&path).unwrap().len(), 1);
    std::fs::remove_file(&events).unwrap();
    write(&mut file, 2, 20.0);
    assert_eq!(EpochMetrics::read(&path).unwrap().len(), 2);
    let written: Vec<_> = std::fs::read_dir(&events).unwrap().map(|file| file.unwrap()).collect();
    let [written] = &written[..] else { panic!("one file, found {written:?}") };
    let bytes = std::fs::read(written.path()).unwrap();
    let tag = b"Robust Accuracy/valid";
    assert_eq!(bytes.windows(tag.len()).filter(|window| window == tag).count(), 1);
    std::fs::remove_dir_all(folder).unwrap();
}
