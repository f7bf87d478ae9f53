//! Damage behind a checksum or a length, which random bytes do not come past.

use std::io::{Read, Write};
use std::ops::Range;

use flate2::Compression;
use flate2::Crc;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::mutator::Mutator;

/// Packs as gzip does.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Damages what is packed.
pub(crate) fn of_gzip(mutator: &mut Mutator, packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).ok()?;
    mutator.damage(&mut bytes, packed);
    Some(gzip(&bytes))
}

/// Damages the JSON at the beginning of safetensors, and makes its length right again.
pub(crate) fn of_safetensors(mutator: &mut Mutator, bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (header, values) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
    let mut damaged = header.to_vec();
    mutator.damage(&mut damaged, header);
    let length = (damaged.len() as u64).to_le_bytes();
    Some([&length, damaged.as_slice(), values].concat())
}

/// Damages the lines after the first, which says whose they are.
pub(crate) fn of_lines(mutator: &mut Mutator, bytes: &[u8]) -> Option<Vec<u8>> {
    let first = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    let (header, lines) = bytes.split_at(first);
    let mut damaged = lines.to_vec();
    mutator.damage(&mut damaged, lines);
    Some([header, &damaged].concat())
}

/// Damages a chunk of a PNG, and makes its checksum right again.
pub(crate) fn of_png(mutator: &mut Mutator, bytes: &[u8]) -> Option<Vec<u8>> {
    const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    const WORD: usize = 4;
    if !bytes.starts_with(SIGNATURE) {
        return None;
    }
    let (mut chunks, mut at) = (Vec::new(), SIGNATURE.len());
    // A length, a kind, so many bytes, and a checksum of kind and bytes.
    while let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<WORD>()) {
        let body = at + WORD;
        let end = body + WORD + u32::from_be_bytes(*length) as usize;
        chunks.push(body..end);
        at = end + WORD;
    }
    let body: Range<usize> = chunks.get(mutator.below(chunks.len()))?.clone();
    let mut damaged = bytes.to_vec();
    mutator.overwrite(damaged.get_mut(body.start + WORD..body.end)?);
    let mut checksum = Crc::new();
    checksum.update(&damaged[body.clone()]);
    let place = damaged.get_mut(body.end..body.end + WORD)?;
    place.copy_from_slice(&checksum.sum().to_be_bytes());
    Some(damaged)
}

/// Damages what is in a zip archive, and takes its checksums away: PyTorch may leave them out.
pub(crate) fn of_zip(mutator: &mut Mutator, bytes: &[u8]) -> Option<Vec<u8>> {
    const ENTRY: &[u8] = b"PK\x01\x02";
    const CHECKSUM: Range<usize> = 16..20;
    let mut damaged = bytes.to_vec();
    let starts = |at: &usize| bytes[*at..].starts_with(ENTRY);
    let entries: Vec<usize> = (0..bytes.len()).filter(starts).collect();
    for at in &entries {
        damaged.get_mut(at + CHECKSUM.start..at + CHECKSUM.end)?.fill(0);
    }
    mutator.overwrite(&mut damaged[..*entries.first()?]);
    Some(damaged)
}
