//! One reader under fire.

use std::any::Any;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::limits::{self, Budget, Limit, MIB, Memory};
use crate::mutator::Mutator;

/// One input: files by their names in a folder.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// A reader and what it is tried with.
pub(crate) struct Target {
    /// The folder's name, here and in `corpus`.
    pub(crate) name: &'static str,
    /// Inputs of a run that is not given a time.
    pub(crate) inputs: u64,
    pub(crate) limit: Limit,
    /// How long one input may take.
    pub(crate) patience: Duration,
    /// Whole inputs, of which damaged ones are made.
    pub(crate) seeds: Vec<Files>,
    /// Damage that random bytes do not come to; none for a file that is not of that kind.
    pub(crate) inside: fn(&mut Mutator, &[u8]) -> Option<Vec<u8>>,
    /// Reads all of an input; the error as a text.
    pub(crate) read: fn(&Path) -> Result<(), String>,
}

/// What came of an input that a reader withstood.
struct Outcome {
    read: Result<(), String>,
    peak: usize,
    took: Duration,
}

/// Does something while no reader is at work whose memory it would count.
pub(crate) fn alone<T>(work: impl FnOnce() -> T) -> T {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// Tries a reader with its seeds, its corpus, and then with damaged seeds.
pub(crate) fn fuzz(target: impl FnOnce() -> Target) {
    alone(|| target().run());
}

/// What all inputs came to.
#[derive(Default)]
struct Tally {
    inputs: u64,
    read: u64,
    /// The largest share of the declared memory.
    most: f64,
    slowest: Duration,
}

impl Target {
    fn run(&self) {
        let (start, mut tally) = (Instant::now(), Tally::default());
        for (at, seed) in self.seeds.iter().enumerate() {
            let read = self.add(&mut tally, seed, &format!("seed {at}"));
            assert_eq!(read, Ok(()), "{}: seed {at} is whole", self.name);
        }
        for (path, files) in self.corpus() {
            let _ = self.add(&mut tally, &files, &path.display().to_string());
        }
        let (budget, seed, mut done) = (Budget::asked(self.inputs), limits::seed(), 0);
        while budget.allows(done) {
            let what = format!("input {done} of FREE_AT_FUZZ_SEED={seed}");
            let _ = self.add(&mut tally, &self.damaged(seed.wrapping_add(done)), &what);
            done += 1;
        }
        let Tally { inputs, read, most, slowest } = tally;
        println!(
            "{}: {inputs} inputs in {:.0} s, {read} of them read, at most {:.1} % of the declared memory, \
             the slowest in {:.3} s",
            self.name,
            start.elapsed().as_secs_f64(),
            100.0 * most,
            slowest.as_secs_f64()
        );
    }

    /// Reads one input; what the reader said of it.
    fn add(&self, tally: &mut Tally, files: &Files, what: &str) -> Result<(), String> {
        let Outcome { read, peak, took } = self.withstands(files, what);
        tally.inputs += 1;
        tally.read += u64::from(read.is_ok());
        tally.most = tally.most.max(peak as f64 / self.limit.of(files) as f64);
        tally.slowest = tally.slowest.max(took);
        read
    }

    /// A seed of which one file, or now and then two, are damaged.
    fn damaged(&self, seed: u64) -> Files {
        let mut mutator = Mutator::new(seed);
        let mut files = self.seeds[mutator.below(self.seeds.len())].clone();
        let other = &self.seeds[mutator.below(self.seeds.len())];
        for _ in 0..=mutator.below(5) / 4 {
            let other = &other[mutator.below(other.len())].1;
            let at = mutator.below(files.len());
            let bytes = &mut files[at].1;
            let inside = match mutator.below(2) {
                0 => None,
                _ => (self.inside)(&mut mutator, bytes),
            };
            match inside {
                Some(damaged) => *bytes = damaged,
                None => mutator.damage(bytes, other),
            }
        }
        files
    }

    /// Reads an input. Panics if the reader does, or takes more than it may; the input is kept.
    fn withstands(&self, files: &Files, what: &str) -> Outcome {
        let folder = self.folder();
        write(&folder, files);
        let fault = match self.attempt(&folder) {
            Ok(outcome) if outcome.peak <= 2 * self.limit.of(files) => return outcome,
            Ok(Outcome { peak, .. }) => {
                let (found, declared) = (peak / MIB, self.limit.of(files) as f64 / MIB as f64);
                format!("it took {found} MiB of memory, where {declared:.1} are declared")
            }
            Err(fault) => fault,
        };
        panic!("{} and {what}, kept in {}: {fault}", self.name, folder.display());
    }

    /// Reads what is in a folder, in a thread of its own.
    fn attempt(&self, folder: &Path) -> Result<Outcome, String> {
        let (read, path, start) = (self.read, folder.to_path_buf(), Instant::now());
        let (sender, receiver) = mpsc::channel();
        let reading = thread::Builder::new().name(self.name.into()).spawn(move || {
            let memory = Memory::watch();
            let result = catch_unwind(|| read(&path));
            let _ = sender.send((result, memory.peak()));
        });
        let reading = reading.map_err(|error| format!("no thread could be made: {error}"))?;
        let (result, peak) = receiver.recv_timeout(self.patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("it did not end within {:?}", self.patience),
            RecvTimeoutError::Disconnected => "it ended its thread".to_string(),
        })?;
        let took = start.elapsed();
        reading.join().map_err(|panic| format!("it panicked: {}", said(panic)))?;
        let read = result.map_err(|panic| format!("it panicked: {}", said(panic)))?;
        Ok(Outcome { read, peak, took })
    }

    /// Where the input at work is. It stays there if the whole program goes down.
    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(self.name)
    }

    /// Inputs that a reader did not withstand once: a file in place of the first one of the first seed, or a folder of
    /// files in place of those with their names.
    fn corpus(&self) -> Vec<(PathBuf, Files)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(self.name);
        if !folder.is_dir() {
            return Vec::new();
        }
        let paths = entries(&folder).into_iter().filter(|path| !path.ends_with("README.md"));
        let input = |path: PathBuf| {
            let mut files = self.seeds[0].clone();
            match path.is_dir() {
                true => lay_over(&path, "", &mut files),
                false => files[0].1 = fs::read(&path).unwrap(),
            }
            (path, files)
        };
        paths.map(input).collect()
    }
}

/// Puts the files in a folder, and in those inside it, in place of others with their names.
fn lay_over(folder: &Path, inside: &str, files: &mut Files) {
    for path in entries(folder) {
        let name = format!("{inside}{}", path.file_name().unwrap_or_default().display());
        if path.is_dir() {
            lay_over(&path, &format!("{name}/"), files);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        match files.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = bytes,
            None => files.push((name, bytes)),
        }
    }
}

/// All files of a folder and of those inside it, as an input.
pub(crate) fn files_of(folder: &Path) -> Files {
    let mut files = Files::new();
    lay_over(folder, "", &mut files);
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Makes a folder hold these files and nothing else.
fn write(folder: &Path, files: &Files) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    for (name, bytes) in files {
        let path = folder.join(name);
        path.parent().into_iter().for_each(|parent| fs::create_dir_all(parent).unwrap());
        fs::write(path, bytes).unwrap();
    }
}

/// What a panic said.
fn said(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("no text").to_string(),
    }
}

/// What the reader below is given to read something.
const SHORT: Duration = Duration::from_secs(2);

/// A reader that can be told to do what none may.
fn obedient() -> Target {
    Target {
        name: "obedient",
        inputs: 20,
        limit: Limit { floor: MIB, of_each: 1 },
        patience: SHORT,
        seeds: vec![vec![("file".into(), b"fine".to_vec())]],
        inside: |_, _| None,
        read: |folder| match fs::read(folder.join("file")).unwrap().as_slice() {
            b"panic" => panic!("as told"),
            b"greed" => {
                drop(std::hint::black_box(vec![1u8; 16 * MIB]));
                Ok(())
            }
            b"hang" => {
                thread::sleep(3 * SHORT);
                Ok(())
            }
            b"fine" => Ok(()),
            _ => Err("neither".into()),
        },
    }
}

#[test]
fn a_reader_that_panics_takes_too_much_or_hangs_is_told() {
    alone(|| {
        let target = obedient();
        target.run();
        for (input, expected) in [
            ("panic", "it panicked: as told"),
            ("greed", "it took 16 MiB of memory, where 1.0 are declared"),
            ("hang", "it did not end within 2s"),
        ] {
            let files = vec![("file".to_string(), input.as_bytes().to_vec())];
            let fault = catch_unwind(|| target.withstands(&files, "what it is told"));
            let text = said(fault.err().unwrap());
            assert!(text.starts_with("obedient and what it is told, kept in "), "{text}");
            assert!(text.ends_with(expected), "{text}");
            assert_eq!(fs::read(target.folder().join("file")).unwrap(), input.as_bytes());
        }
    });
}
