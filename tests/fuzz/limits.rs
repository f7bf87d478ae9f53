//! How much time and memory a reader may take, and how long it is tried.

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use crate::target::Files;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A reader that takes longer hangs: the slowest of the small inputs here takes a fraction of a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const MIB: usize = 1 << 20;

/// The most bytes that gzip makes of one.
const UNPACKED: usize = 1032;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The memory that a reader declares for an input. It may take twice as much, and no more.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    /// Bytes for any input: for what is read into, threads, names.
    pub(crate) floor: usize,
    /// Bytes for each byte of the input, unpacked.
    pub(crate) of_each: usize,
}

impl Limit {
    pub(crate) fn of(self, files: &Files) -> usize {
        let unpacked = |bytes: &Vec<u8>| match bytes.starts_with(&GZIP) {
            true => UNPACKED * bytes.len(),
            false => bytes.len(),
        };
        let bytes: usize = files.iter().map(|(_, bytes)| unpacked(bytes)).sum();
        self.floor + self.of_each * bytes
    }
}

/// The memory that was in use, and the most since then: of this program, so of one reader at a time.
pub(crate) struct Memory {
    before: usize,
}

impl Memory {
    pub(crate) fn watch() -> Self {
        ALLOCATOR.reset_peak_usage();
        Self { before: ALLOCATOR.current_usage() }
    }

    pub(crate) fn peak(&self) -> usize {
        ALLOCATOR.peak_usage().saturating_sub(self.before)
    }
}

/// How long a reader is tried.
pub(crate) enum Budget {
    /// So many inputs: the same in every run, but for the seconds that trainings and evaluations write down.
    Inputs(u64),
    /// Until then.
    Until(Instant),
}

impl Budget {
    /// What `FREE_AT_FUZZ_SECONDS` says, or so many inputs where it is not there.
    pub(crate) fn asked(inputs: u64) -> Self {
        match number("FREE_AT_FUZZ_SECONDS") {
            Some(seconds) => Self::Until(Instant::now() + Duration::from_secs(seconds)),
            None => Self::Inputs(inputs),
        }
    }

    pub(crate) fn allows(&self, done: u64) -> bool {
        match self {
            Self::Inputs(inputs) => done < *inputs,
            Self::Until(end) => Instant::now() < *end,
        }
    }
}

/// `FREE_AT_FUZZ_SEED`; 0 where it is not there.
pub(crate) fn seed() -> u64 {
    number("FREE_AT_FUZZ_SEED").unwrap_or(0)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number, found {text}")))
}

#[test]
fn memory_that_a_reader_takes_is_seen() {
    crate::target::alone(|| {
        let memory = Memory::watch();
        drop(std::hint::black_box(vec![1u8; 8 * MIB]));
        assert!((8 * MIB..16 * MIB).contains(&memory.peak()), "{}", memory.peak());
    });
}
