//! Whether an image's file is all there. Decoders fill what is missing with grey, or with the last row.

mod tiff;

use image::ImageFormat;

/// Whether the file goes on to where its format says that it ends. What follows does not matter.
pub(super) fn is_complete(format: ImageFormat, bytes: &[u8]) -> bool {
    let end = match format {
        ImageFormat::Png => png(bytes),
        ImageFormat::Jpeg => jpeg(bytes),
        ImageFormat::Gif => gif(bytes),
        ImageFormat::WebP => webp(bytes),
        ImageFormat::Bmp => bmp(bytes),
        ImageFormat::Tiff => tiff::tiff(bytes),
        _ => None,
    };
    end.is_some()
}

/// Chunks, the last of which is IEND.
fn png(bytes: &[u8]) -> Option<()> {
    const SIGNATURE: usize = 8;
    const CHECKSUM: usize = 4;
    let mut rest = bytes.get(SIGNATURE..)?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        rest = after.get(length.checked_add(CHECKSUM)?..)?;
        if kind == b"IEND" {
            return Some(());
        }
    }
}

/// Segments and compressed data, to the marker that ends the image.
fn jpeg(bytes: &[u8]) -> Option<()> {
    const END: u8 = 0xd9;
    let mut rest = bytes;
    loop {
        let at = rest.iter().position(|byte| *byte == 0xff)?;
        let after = rest.get(at + 1..)?;
        let (marker, behind) = after.split_first()?;
        rest = match *marker {
            END => return Some(()),
            0xff => after, // one more before a marker
            // No segment: a byte of compressed data, a restart, the start.
            0x00 | 0x01 | 0xd0..=0xd8 => behind,
            _ => {
                let (length, _) = behind.split_first_chunk::<2>()?;
                behind.get(usize::from(u16::from_be_bytes(*length)).max(2)..)?
            }
        };
    }
}

/// Blocks, the last of which is the trailer.
fn gif(bytes: &[u8]) -> Option<()> {
    const HEADER: usize = 13;
    const DESCRIPTOR: usize = 9;
    let mut rest = bytes.get(HEADER + colours(*bytes.get(10)?)..)?;
    loop {
        let (kind, after) = rest.split_first()?;
        rest = match kind {
            0x3b => return Some(()),
            0x2c => {
                let table = colours(*after.get(DESCRIPTOR - 1)?);
                sub_blocks(after.get(DESCRIPTOR + table + 1..)?)? // 1 for the size of a code
            }
            0x21 => sub_blocks(after.get(1..)?)?,
            0 => after, // some programs pad
            _ => return None,
        };
    }
}

/// The bytes of a colour table.
fn colours(flags: u8) -> usize {
    match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    }
}

/// What follows the sub-blocks of a GIF's block; an empty one is their last.
fn sub_blocks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, after) = bytes.split_first()?;
        bytes = after.get(usize::from(*length)..)?;
        if *length == 0 {
            return Some(bytes);
        }
    }
}

/// The length that the header says.
fn webp(bytes: &[u8]) -> Option<()> {
    const HEADER: usize = 8;
    let (length, _) = bytes.get(4..)?.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    bytes.get(HEADER..)?.get(..length).map(|_| ())
}

/// The decoder wants every byte of pixels that are not compressed. Of those that are, it passes over the mark at
/// the end: their length is in the header.
fn bmp(bytes: &[u8]) -> Option<()> {
    const INFO: u32 = 40; // older headers know no compression
    let word = |at: usize| {
        bytes.get(at..)?.split_first_chunk::<4>().map(|(word, _)| u32::from_le_bytes(*word))
    };
    let (pixels, header) = (word(10)?, word(14)?);
    if header < INFO || !matches!(word(30)?, 1 | 2) {
        return Some(());
    }
    let end = usize::try_from(u64::from(pixels) + u64::from(word(34)?)).ok()?;
    bytes.get(..end).map(|_| ())
}

#[cfg(test)]
mod tests;
