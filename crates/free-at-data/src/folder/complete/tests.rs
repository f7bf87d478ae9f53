use super::*;

#[test]
fn bytes_that_fill_before_a_marker_are_passed_over() {
    let scan = [0xff, 0xda, 0, 2, 1, 2, 0xff, 0, 3, 0xff, 0xd0, 4];
    let whole = [&[0xff, 0xd8][..], &scan, &[0xff, 0xff, 0xff, 0xd9]].concat();
    assert!(is_complete(ImageFormat::Jpeg, &whole));
    assert!(!is_complete(ImageFormat::Jpeg, &whole[..whole.len() - 1]));
    // A mark inside a segment is none.
    let segment = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 0xff, 0xd9];
    assert!(!is_complete(ImageFormat::Jpeg, &segment));
}

#[test]
fn zeros_between_the_blocks_of_a_gif_are_passed_over_and_nothing_else_is() {
    let start = [&b"GIF89a"[..], &[1, 0, 1, 0, 0, 0, 0]].concat();
    let image = [0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 9, 0];
    let with = |between: &[u8]| [&start[..], &image, between, &[0x3b]].concat();
    assert!(is_complete(ImageFormat::Gif, &with(&[])));
    assert!(is_complete(ImageFormat::Gif, &with(&[0, 0])));
    assert!(!is_complete(ImageFormat::Gif, &with(&[7])));
}

/// A TIFF file with one directory of these entries (tag, type, count, value), and where the next is.
fn tiff_file(entries: &[[u32; 4]], next: u32, big_endian: bool) -> Vec<u8> {
    let short = |value: u32| match big_endian {
        true => (value as u16).to_be_bytes(),
        false => (value as u16).to_le_bytes(),
    };
    let long = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut bytes = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
    bytes.extend(short(42));
    bytes.extend(long(8));
    bytes.extend(short(entries.len() as u32));
    for [tag, kind, count, value] in entries {
        bytes.extend([short(*tag), short(*kind)].concat());
        bytes.extend([long(*count), long(*value)].concat());
    }
    bytes.extend(long(next));
    bytes
}

#[test]
fn a_tiff_file_is_complete_with_all_that_it_points_to() {
    const LONG: u32 = 4;
    let strips = [[273, LONG, 1, 8], [279, LONG, 1, 30]];
    for big_endian in [false, true] {
        let file = |entries: &[[u32; 4]], next| {
            is_complete(ImageFormat::Tiff, &tiff_file(entries, next, big_endian))
        };
        assert!(file(&strips, 0), "8 + 30 are the bytes of the file");
        assert!(!file(&[strips[0], [279, LONG, 1, 31]], 0), "a strip");
        assert!(file(&[[700, 1, 18, 8]], 0), "values");
        assert!(!file(&[[700, 1, 19, 8]], 0), "values");
        assert!(!file(&[[34665, LONG, 1, 26]], 0), "EXIF");
        assert!(!file(&strips, 40), "a page");
    }
}

#[test]
fn a_tiff_file_that_goes_in_circles_comes_to_an_end() {
    const LONG: u32 = 4;
    let circle = |entries: &[[u32; 4]], next| {
        is_complete(ImageFormat::Tiff, &tiff_file(entries, next, false))
    };
    assert!(!circle(&[[273, LONG, 1, 8], [279, LONG, 1, 8]], 8));
    assert!(!circle(&[[330, LONG, 1, 8]], 0), "a smaller image that is the image itself");
    assert!(!circle(&[[330, 99, u32::MAX, 8]], 0), "values of an unknown size");
}
