use super::*;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage};

const PROGRESSIVE_JPEG: &[u8] = include_bytes!("../fixtures/progressive.jpg");
const ANIMATED_GIF: &[u8] = include_bytes!("../fixtures/animated.gif");
const ANIMATED_WEBP: &[u8] = include_bytes!("../fixtures/animated.webp");
const PAGES_TIFF: &[u8] = include_bytes!("../fixtures/pages.tif");
const RLE_BMP: &[u8] = include_bytes!("../fixtures/rle.bmp");
/// Written by other programs than the crate `image`: see the script beside them.
const FOREIGN: [(&str, &[u8]); 9] = [
    ("progressive JPEG", PROGRESSIVE_JPEG),
    ("JPEG with restarts", include_bytes!("../fixtures/restarts.jpg")),
    ("lossy WebP", include_bytes!("../fixtures/lossy.webp")),
    ("animated WebP", ANIMATED_WEBP),
    ("animated GIF", ANIMATED_GIF),
    ("TIFF of several pages", PAGES_TIFF),
    ("TIFF with LZW", include_bytes!("../fixtures/lzw.tif")),
    ("BigTIFF", include_bytes!("../fixtures/big.tif")),
    ("BMP with run lengths", RLE_BMP),
];

/// 11×7 pixels, red growing to the right and green downwards.
fn picture() -> RgbImage {
    RgbImage::from_fn(11, 7, |x, y| Rgb([20 * x as u8, 30 * y as u8, 90]))
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A file of every kind, with what it is.
fn files() -> Vec<(String, Vec<u8>)> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let colour = DynamicImage::from(picture());
    let own = [Png, Jpeg, Bmp, WebP, Gif, Tiff].into_iter().flat_map(|format| {
        let grey = DynamicImage::from(colour.to_luma8());
        let of = |what: &str, image| (format!("{format:?} in {what}"), encoded(image, format));
        // No GIF is grey.
        let grey = (format != Gif).then(|| of("grey", &grey));
        [of("colour", &colour)].into_iter().chain(grey).collect::<Vec<_>>()
    });
    own.chain(FOREIGN.map(|(kind, bytes)| (kind.to_string(), bytes.to_vec()))).collect()
}

#[test]
fn a_file_that_is_cut_at_any_byte_is_refused_and_a_longer_one_is_not() {
    let files = files();
    assert_eq!(files.len(), 20);
    for (kind, bytes) in files {
        let whole = image_in(&bytes, false).unwrap_or_else(|reason| panic!("{kind}: {reason}"));
        for length in 0..bytes.len() {
            assert!(image_in(&bytes[..length], false).is_err(), "{kind} cut at byte {length}");
        }
        let longer = [&bytes[..], &[0; 3], b"appended by a camera", &bytes[..9]].concat();
        assert_eq!(image_in(&longer, false).unwrap(), whole, "{kind}");
    }
}

#[test]
fn of_animations_and_several_pages_the_first_is_taken() {
    for bytes in [ANIMATED_GIF, ANIMATED_WEBP, PAGES_TIFF] {
        assert_eq!(image_in(bytes, false).unwrap().into_rgb8(), picture());
    }
    let first_and_last = |x: u32| if x == 0 { 80 } else { 160 };
    let rows = image_in(RLE_BMP, false).unwrap().into_luma8();
    assert_eq!([0, 1].map(|y| rows.get_pixel(3, y).0[0]), [0, 1].map(first_and_last));
}

#[test]
fn a_jpeg_with_an_end_before_its_pixels_is_no_whole_image() {
    // The thumbnail that cameras put into a segment has an end of its own.
    let at = 2;
    let thumbnail = [&[0xff, 0xe1, 0, 6, 0xff, 0xd9, 0, 0][..]].concat();
    let with = [&PROGRESSIVE_JPEG[..at], &thumbnail, &PROGRESSIVE_JPEG[at..]].concat();
    assert!(image_in(&with, false).is_ok());
    let half = &with[..with.len() / 2];
    assert!(image_in(half, false).unwrap_err().contains("cut short"));
}

#[test]
fn what_is_no_image_of_a_format_that_is_read_says_which_it_is() {
    let reason = |bytes: &[u8]| image_in(bytes, false).unwrap_err();
    assert!(reason(b"").contains("is empty"));
    assert!(reason(b"<html>404").contains("does not begin as an image"));
    assert!(reason(b"\0\0\0\x18ftypheic\0\0\0\0mif1").contains("HEIF or AVIF"));
    assert!(reason(b"P6 1 1 255 abc").contains("Pnm, is not read: convert it"));
    let mut no_pixel = ANIMATED_GIF.to_vec();
    no_pixel[6..10].fill(0);
    assert_eq!(reason(&no_pixel), "it has no pixel");
}

/// EXIF that says nothing but an orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat()
}

/// Red to the left and blue to the right, 16×8 pixels, as a file of three formats.
fn turned(orientation: u8) -> [Vec<u8>; 3] {
    fn write(mut encoder: impl ImageEncoder, orientation: u8) {
        let image = RgbaImage::from_fn(16, 8, |x, _| match x < 8 {
            true => Rgba([255, 0, 0, 255]),
            false => Rgba([0, 0, 255, 255]),
        });
        let image = DynamicImage::from(image).into_rgb8();
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.write_image(image.as_raw(), 16, 8, ExtendedColorType::Rgb8).unwrap();
    }
    let [mut jpeg, mut png, mut webp] = [const { Vec::new() }; 3];
    write(JpegEncoder::new_with_quality(&mut jpeg, 100), orientation);
    write(PngEncoder::new(&mut png), orientation);
    write(WebPEncoder::new_lossless(&mut webp), orientation);
    [jpeg, png, webp]
}

#[test]
fn exif_turns_an_image_only_where_that_is_wanted() {
    // To be shown with the left side on top.
    for bytes in turned(6) {
        let stored = image_in(&bytes, false).unwrap().into_rgb8();
        assert_eq!(stored.dimensions(), (16, 8));
        assert!(stored.get_pixel(1, 1).0[0] > 200 && stored.get_pixel(14, 1).0[2] > 200);
        let upright = image_in(&bytes, true).unwrap().into_rgb8();
        assert_eq!(upright.dimensions(), (8, 16));
        assert!(upright.get_pixel(1, 1).0[0] > 200 && upright.get_pixel(1, 14).0[2] > 200);
    }
    for bytes in turned(1) {
        assert_eq!(image_in(&bytes, true).unwrap(), image_in(&bytes, false).unwrap());
    }
    // Without EXIF.
    let plain = encoded(&picture().into(), ImageFormat::Png);
    assert_eq!(image_in(&plain, true).unwrap().into_rgb8(), picture());
}

#[test]
fn an_image_that_takes_too_much_memory_is_refused() {
    // 60,000 × 60,000 pixels in the header of a GIF.
    let mut huge = ANIMATED_GIF.to_vec();
    huge[6..10].copy_from_slice(&[0x60, 0xea, 0x60, 0xea]);
    assert!(image_in(&huge, false).unwrap_err().contains("limit"));
}
