//! Whether all that the directories of a TIFF file point to is in it.

/// A TIFF file, or a BigTIFF.
struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    /// The bytes of an offset: 4, or 8.
    word: usize,
    /// Steps that are left. No file has more entries and strips than bytes, unless it goes in circles.
    steps: usize,
    /// Directories that are still to be looked at.
    below: Vec<usize>,
}

/// An entry of a directory.
struct Entry {
    tag: u64,
    /// Where its values begin.
    at: usize,
    /// The bytes of one.
    size: usize,
    count: usize,
}

/// All pages, with all strips and tiles.
pub(super) fn tiff(bytes: &[u8]) -> Option<()> {
    let big_endian = bytes.starts_with(b"MM");
    let mut file = Tiff { bytes, big_endian, word: 4, steps: bytes.len(), below: Vec::new() };
    let first = match file.number(2, 2)? {
        42 => 4,
        _ => {
            file.word = 8;
            8
        }
    };
    let mut page = file.offset(first)?;
    while page != 0 {
        let end = file.directory(page)?;
        page = file.offset(end)?;
        while let Some(below) = file.below.pop() {
            file.directory(below)?;
        }
    }
    Some(())
}

impl Tiff<'_> {
    /// Where a directory ends, if all that it points to is there.
    fn directory(&mut self, start: usize) -> Option<usize> {
        let count_size = if self.word == 4 { 2 } else { 8 };
        let entry_size = 4 + 2 * self.word;
        let count = self.offset_of(start, count_size)?;
        self.steps = self.steps.checked_sub(count.checked_add(1)?)?;
        let first = start.checked_add(count_size)?;
        let (mut starts, mut lengths) = (None, None);
        for number in 0..count {
            let entry = self.entry(first.checked_add(number.checked_mul(entry_size)?)?)?;
            match entry.tag {
                273 | 324 => starts = Some(entry), // strips, tiles
                279 | 325 => lengths = Some(entry),
                330 | 34665 | 34853 => self.note(&entry)?, // smaller images, EXIF, GPS
                _ => {}
            }
        }
        if let (Some(starts), Some(lengths)) = (starts, lengths) {
            self.pixels(&starts, &lengths)?;
        }
        first.checked_add(count.checked_mul(entry_size)?)
    }

    /// Takes note of the directories that an entry points to.
    fn note(&mut self, entry: &Entry) -> Option<()> {
        self.steps = self.steps.checked_sub(entry.count)?;
        for number in 0..entry.count {
            self.below.push(self.value(entry, number)?);
        }
        Some(())
    }

    fn pixels(&mut self, starts: &Entry, lengths: &Entry) -> Option<()> {
        let count = starts.count.min(lengths.count);
        self.steps = self.steps.checked_sub(count)?;
        for number in 0..count {
            let (start, length) = (self.value(starts, number)?, self.value(lengths, number)?);
            self.bytes.get(start..start.checked_add(length)?)?;
        }
        Some(())
    }

    /// An entry whose values are there.
    fn entry(&self, at: usize) -> Option<Entry> {
        let (tag, kind) = (self.number(at, 2)?, self.number(at.checked_add(2)?, 2)?);
        let count = self.offset(at.checked_add(4)?)?;
        let size = match kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 0, // unknown, to be passed over
        };
        let length = count.checked_mul(size)?;
        let own = at.checked_add(4 + self.word)?;
        let at = if length <= self.word { own } else { self.offset(own)? };
        self.bytes.get(at..at.checked_add(length)?)?;
        Some(Entry { tag, at, size, count })
    }

    fn value(&self, entry: &Entry, number: usize) -> Option<usize> {
        self.offset_of(entry.at.checked_add(number.checked_mul(entry.size)?)?, entry.size)
    }

    fn offset(&self, at: usize) -> Option<usize> {
        self.offset_of(at, self.word)
    }

    fn offset_of(&self, at: usize, size: usize) -> Option<usize> {
        usize::try_from(self.number(at, size)?).ok()
    }

    /// An unsigned number of at most 8 bytes.
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(match self.big_endian {
            true => bytes.iter().fold(0, append),
            false => bytes.iter().rev().fold(0, append),
        })
    }
}
