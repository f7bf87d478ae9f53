//! Damage to bytes, drawn from a seed.

use std::ops::Range;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// The largest input, in bytes: two damaged ones in a row do not double for ever.
const MOST: usize = 1 << 16;

/// Lengths, counts and offsets at which readers go wrong.
const NUMBERS: [u64; 15] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    1 << 20,
    1 << 30,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// The same where numbers are written out.
const TEXTS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "0.5",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551615",
    "1e308",
    "-1e999",
    "null",
];

/// Damages bytes. The same seed makes the same damage.
pub(crate) struct Mutator(Xoshiro256PlusPlus);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A number below `end`; 0 if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            end => (self.0.next_u64() % end as u64) as usize,
        }
    }

    /// Damages bytes in up to four places. `other` is another file, parts of which may be put in.
    pub(crate) fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            match self.below(8) {
                0 => bytes.truncate(self.below(bytes.len())),
                1 => drop(bytes.drain(self.range(bytes.len()))),
                2 => self.insert_noise(bytes),
                3 => self.repeat(bytes),
                4 => self.splice(bytes, other),
                5 => self.rewrite_number(bytes),
                _ => self.overwrite_once(bytes),
            }
        }
        bytes.truncate(MOST);
    }

    /// Damages bytes in up to four places and leaves their number.
    pub(crate) fn overwrite(&mut self, bytes: &mut [u8]) {
        for _ in 0..=self.below(4) {
            self.overwrite_once(bytes);
        }
    }

    fn overwrite_once(&mut self, bytes: &mut [u8]) {
        let at = self.below(bytes.len());
        match self.below(4) {
            0 => {
                let bit = 1u8 << self.below(8);
                bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= bit);
            }
            1 => {
                let noise = self.below(256) as u8;
                bytes[at..].iter_mut().take(1).for_each(|byte| *byte = noise);
            }
            2 => {
                let from = self.range(bytes.len());
                let length = from.len().min(bytes.len() - at);
                bytes.copy_within(from.start..from.start + length, at);
            }
            _ => self.write_number(&mut bytes[at..]),
        }
    }

    /// A range inside so many bytes, mostly a short one.
    fn range(&mut self, length: usize) -> Range<usize> {
        const SHORT: usize = 16;
        let start = self.below(length);
        let most = match self.below(4) {
            0 => length - start,
            _ => (length - start).min(SHORT),
        };
        start..start + self.below(most + 1)
    }

    /// One of the numbers that matter, in one to eight bytes, of either order.
    fn write_number(&mut self, bytes: &mut [u8]) {
        let mut number = NUMBERS[self.below(NUMBERS.len())].to_le_bytes();
        let width = 1 << self.below(4);
        let number = &mut number[..width];
        if self.below(2) == 0 {
            number.reverse();
        }
        bytes.iter_mut().zip(number).for_each(|(to, from)| *to = *from);
    }

    /// Another number in place of one that is written out, from somewhere on the first.
    fn rewrite_number(&mut self, bytes: &mut Vec<u8>) {
        let start = self.below(bytes.len());
        let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let Some(first) = bytes[start..].iter().position(u8::is_ascii_digit) else { return };
        let first = start + first;
        let end = first + digits(&bytes[first..]);
        let text = TEXTS[self.below(TEXTS.len())];
        drop(bytes.splice(first..end, text.bytes()));
    }

    fn insert_noise(&mut self, bytes: &mut Vec<u8>) {
        const LONGEST: usize = 32;
        let at = self.below(bytes.len() + 1);
        let mut noise = vec![0; self.below(LONGEST + 1)];
        if self.below(2) == 0 {
            self.0.fill_bytes(&mut noise);
        }
        drop(bytes.splice(at..at, noise));
    }

    /// A part once more, behind itself.
    fn repeat(&mut self, bytes: &mut Vec<u8>) {
        let range = self.range(bytes.len());
        let part = bytes[range.clone()].to_vec();
        drop(bytes.splice(range.end..range.end, part));
    }

    /// A part of another file in place of one of this.
    fn splice(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let part = other[self.range(other.len())].to_vec();
        drop(bytes.splice(self.range(bytes.len()), part));
    }
}

#[test]
fn the_same_seed_makes_the_same_damage_and_another_seed_another() {
    let damaged = |seed| {
        let mut bytes = b"{\"shape\": [12, 34], \"offsets\": [0, 1632]}".to_vec();
        Mutator::new(seed).damage(&mut bytes, b"another file");
        bytes
    };
    assert_eq!(damaged(3), damaged(3));
    let all: std::collections::BTreeSet<_> = (0..200).map(damaged).collect();
    assert!(all.len() > 100, "{} of 200 differ", all.len());
}

#[test]
fn nothing_is_too_short_to_be_damaged() {
    for seed in 0..2_000 {
        let mut mutator = Mutator::new(seed);
        let mut bytes = vec![7; seed as usize % 3];
        mutator.overwrite(&mut bytes);
        assert_eq!(bytes.len(), seed as usize % 3);
        mutator.damage(&mut bytes, &[]);
        assert!(bytes.len() <= MOST);
    }
}
