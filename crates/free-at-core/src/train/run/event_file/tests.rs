use super::*;

/// What TensorBoard's own classes write: `expected.py` made it.
const EXPECTED: &[u8] = include_bytes!("expected.tfevents");
const TIME: f64 = 1_700_000_000.25;

fn metrics<const N: usize>(metrics: [(&str, f64); N]) -> BTreeMap<String, f64> {
    metrics.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("free-at-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder); // of an earlier process of this number
    folder
}

/// The contents of the files in a folder, as TensorBoard orders them.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.iter().all(|path| path.to_string_lossy().contains("tfevents")), "{paths:?}");
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// When a file was begun: behind the length, its checksum and the key.
fn began(file: &[u8]) -> f64 {
    f64::from_le_bytes(file[13..21].try_into().unwrap())
}

#[test]
fn the_bytes_are_those_that_tensorboard_writes() {
    let many = (0..40).map(|number| (format!("metric {number:02}"), -f64::from(number))).collect();
    let found = [
        beginning(TIME, 299),
        scalars(
            TIME,
            299,
            "train",
            &metrics([("Accuracy", 93.75), ("Loss", 0.1), ("seconds", 1e-30)]),
        ),
        scalars(TIME, 299, "valid", &metrics([("Robust Accuracy", 51.2)])),
        scalars(TIME, 300, "train", &many),
    ]
    .concat();
    assert_eq!(found, EXPECTED);
}

#[test]
fn every_epoch_is_in_the_file_when_it_is_over() {
    let folder = folder("events");
    let mut events = EventFile::new(folder.clone());
    assert!(!folder.exists(), "nothing to be shown yet");
    for epoch in 1..=2 {
        events.write(epoch, "train", &metrics([("Loss", 0.5)]));
        let [file] = files(&folder).try_into().unwrap();
        assert!(file.starts_with(&beginning(began(&file), 1)));
        let last = scalars(0.0, epoch as u64, "train", &metrics([("Loss", 0.5)]));
        // The time and the checksum of the data apart.
        let end = &file[file.len() - last.len()..];
        assert_eq!(
            (&end[..13], &end[21..last.len() - 4]),
            (&last[..13], &last[21..last.len() - 4])
        );
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_run_that_goes_on_drops_the_steps_that_it_makes_again() {
    let folder = folder("events-resumed");
    let mut first = EventFile::new(folder.clone());
    (1..=3).for_each(|epoch| first.write(epoch, "train", &metrics([("Loss", 0.5)])));
    let before = files(&folder);
    let mut second = EventFile::new(folder.clone());
    (3..=4).for_each(|epoch| second.write(epoch, "train", &metrics([("Loss", 0.25)])));
    let [old, new] = files(&folder).try_into().unwrap();
    assert_eq!(vec![old], before, "what is there stays");
    assert!(new.starts_with(&beginning(began(&new), 3)));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn after_a_failure_another_file_goes_on() {
    let folder = folder("events-failing");
    fs::write(&folder, "no folder").unwrap();
    let mut events = EventFile::new(folder.clone());
    events.write(1, "train", &metrics([("Loss", 0.5)]));
    assert!(events.file.is_none() && fs::read(&folder).unwrap() == b"no folder");
    fs::remove_file(&folder).unwrap();
    events.write(2, "train", &metrics([("Loss", 0.5)]));
    let [file] = files(&folder).try_into().unwrap();
    assert!(file.starts_with(&beginning(began(&file), 2)));
    fs::remove_dir_all(folder).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_logged_and_no_file_is_written_behind_what_was_cut_off() {
    let folder = folder("events-full");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut events = EventFile { folder: folder.clone(), file: Some(full) };
    events.write(1, "train", &metrics([("Loss", 0.5)]));
    assert!(events.file.is_none());
    events.write(1, "valid", &metrics([("Loss", 0.5)]));
    assert_eq!(files(&folder).len(), 1);
    fs::remove_dir_all(folder).unwrap();
}
