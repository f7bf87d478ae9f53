//! What a file is by the ending of its name.

use std::path::Path;

/// Endings of the formats that are read, in small letters.
pub(super) const READ: [&str; 14] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jif", "jfif", "mpo", "bmp", "dib", "gif", "webp", "tif",
    "tiff",
];

/// Endings of other pictures, with what the format is called.
const FOREIGN: [(&str, &str); 39] = [
    ("heic", "HEIF"),
    ("heif", "HEIF"),
    ("hif", "HEIF"),
    ("avif", "AVIF"),
    ("svg", "SVG"),
    ("svgz", "SVG"),
    ("ico", "a Windows icon"),
    ("cur", "a Windows icon"),
    ("tga", "TGA"),
    ("ppm", "Netpbm"),
    ("pgm", "Netpbm"),
    ("pbm", "Netpbm"),
    ("pnm", "Netpbm"),
    ("pam", "Netpbm"),
    ("hdr", "Radiance HDR"),
    ("exr", "OpenEXR"),
    ("dds", "DirectDraw Surface"),
    ("jp2", "JPEG 2000"),
    ("j2k", "JPEG 2000"),
    ("jpx", "JPEG 2000"),
    ("jpf", "JPEG 2000"),
    ("jxl", "JPEG XL"),
    ("jxr", "JPEG XR"),
    ("psd", "Photoshop's"),
    ("xcf", "GIMP's"),
    ("pcx", "PCX"),
    ("qoi", "QOI"),
    ("cr2", "a camera's raw data"),
    ("cr3", "a camera's raw data"),
    ("crw", "a camera's raw data"),
    ("nef", "a camera's raw data"),
    ("nrw", "a camera's raw data"),
    ("arw", "a camera's raw data"),
    ("dng", "a camera's raw data"),
    ("orf", "a camera's raw data"),
    ("raf", "a camera's raw data"),
    ("rw2", "a camera's raw data"),
    ("pef", "a camera's raw data"),
    ("srw", "a camera's raw data"),
];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image of a format that is read.
    Read,
    /// A picture of a format that is not, and its name.
    Foreign(&'static str),
    /// No picture.
    Other,
}

impl Kind {
    pub(super) fn of(path: &Path) -> Self {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if READ.contains(&ending.as_str()) {
            return Self::Read;
        }
        match FOREIGN.iter().find(|(foreign, _)| *foreign == ending) {
            Some((_, format)) => Self::Foreign(format),
            None => Self::Other,
        }
    }
}
