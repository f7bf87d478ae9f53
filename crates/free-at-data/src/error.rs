//! Data that are not what they should be.

use std::fmt::Display;
use std::path::Path;

use free_at_core::Error;

/// Why data were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There is no such folder.
    #[error("there is no folder {path}")]
    NoFolder {
        /// The folder.
        path: String,
    },

    /// None of the files that a data set has is in the folder.
    #[error("{folder} has none of {expected}: give the folder with the data set's files")]
    NoFile {
        /// The folder.
        folder: String,
        /// What was looked for.
        expected: String,
    },

    /// A file cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },

    /// A file that is not of the format it should be.
    #[error("{path} is damaged or of another format: {reason}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },

    /// A file that is truncated or too long.
    #[error("{path} has {found} bytes, {expected} expected: copy it again")]
    Length {
        /// The file.
        path: String,
        /// What its length must be.
        expected: String,
        /// Bytes found.
        found: u64,
    },

    /// A label beyond the classes.
    #[error("record {record} of {path} has label {label}, but there are {classes} classes")]
    Label {
        /// The file.
        path: String,
        /// The record's number, from 0.
        record: usize,
        /// The label found.
        label: usize,
        /// The number of classes.
        classes: usize,
    },

    /// Images and labels differ in number.
    #[error("{images} images but {labels} labels in {path}")]
    Count {
        /// Images found.
        images: usize,
        /// Labels found.
        labels: usize,
        /// The file of labels.
        path: String,
    },

    /// A folder without a folder for each of at least two classes.
    #[error(
        "{path} has {found} class folders with images, at least 2 expected: one folder for each class, with its images inside"
    )]
    Classes {
        /// The folder.
        path: String,
        /// Folders found.
        found: usize,
    },

    /// A class's folder without a file.
    #[error(
        "{path} holds no file: put images of the class in, or delete the folder, which changes the numbers of the classes after it"
    )]
    EmptyClass {
        /// The folder.
        path: String,
    },

    /// A class's folder with files, none of which is an image that is read.
    #[error(
        "{path} holds {names}, and no image of a format that is read ({formats}): convert the images, or move the folder elsewhere if it is no class"
    )]
    NoImage {
        /// The folder.
        path: String,
        /// Some of its files.
        names: String,
        /// The endings of the formats that are read.
        formats: String,
    },

    /// Two folders of classes that are one, or one inside the other.
    #[error(
        "{first} and {second} are two classes, but both hold the images in {target}, which would have two labels: delete one of the links"
    )]
    ClassesOverlap {
        /// One folder.
        first: String,
        /// The other.
        second: String,
        /// The folder that both hold.
        target: String,
    },

    /// A link that leads nowhere, or in a circle.
    #[error(
        "the link {path} leads to {target}, which cannot be opened: {reason}. Bring that back or delete the link"
    )]
    BrokenLink {
        /// The link.
        path: String,
        /// What it leads to.
        target: String,
        /// What the system said.
        reason: String,
    },

    /// A link in a class to a folder that holds folders of classes.
    #[error(
        "the link {path} leads to {target}, which holds the folders of classes: their images would have two labels. Delete the link"
    )]
    LinkAbove {
        /// The link.
        path: String,
        /// What it leads to.
        target: String,
    },

    /// A link in a class to what another class has.
    #[error(
        "{path} leads to {target}, which class `{class}` has: an image would have two labels. Delete one of them"
    )]
    LinkToClass {
        /// The link, or what was found over it.
        path: String,
        /// What it leads to.
        target: String,
        /// The other class.
        class: String,
    },

    /// A packed file that is too long unpacked: above 4 GiB.
    #[error(
        "{path} unpacks to more than {most} bytes, the most that are unpacked: it is damaged, or unpack it first"
    )]
    Unpacked {
        /// The file.
        path: String,
        /// The most bytes unpacked.
        most: u64,
    },

    /// A class that the training images do not have.
    #[error("{path} has class `{class}`, which the training folder has not")]
    UnknownClass {
        /// The folder.
        path: String,
        /// The class.
        class: String,
    },

    /// An image that does not decode.
    #[error("{path} does not decode: {reason}")]
    Undecodable {
        /// The file.
        path: String,
        /// What the decoder said.
        reason: String,
    },

    /// More than one in a hundred images do not decode.
    #[error(
        "{skipped} of {images} images do not decode, more than 1 %: {names}. Delete or repair them"
    )]
    TooManyUndecodable {
        /// Images skipped so far.
        skipped: usize,
        /// All images.
        images: usize,
        /// Some of them.
        names: String,
    },

    /// A corruption that there is not, or not of these images.
    #[error("`{corruption}` cannot be done: {reason}")]
    Corruption {
        /// The corruption.
        corruption: String,
        /// Why not.
        reason: String,
    },

    /// A transform that images of this shape cannot have, or that has nothing to make.
    #[error("`{transform}` cannot be applied to {found}: {reason}")]
    Transform {
        /// The transform.
        transform: String,
        /// What it was to be applied to.
        found: String,
        /// Why not.
        reason: &'static str,
    },

    /// A thread that prepares minibatches is gone.
    #[error("a thread that prepares minibatches panicked: {reason}")]
    Worker {
        /// What it said.
        reason: String,
    },

    /// A table whose columns or values are not what they should be.
    #[error(transparent)]
    Table(#[from] crate::TableError),

    /// Samples, labels or sizes that no batch can have.
    #[error(transparent)]
    Core(#[from] Error),
}

impl DataError {
    pub(crate) fn file(path: &Path, reason: impl Display) -> Self {
        Self::File { path: path.display().to_string(), reason: reason.to_string() }
    }

    pub(crate) fn format(path: &Path, reason: impl Display) -> Self {
        Self::Format { path: path.display().to_string(), reason: reason.to_string() }
    }
}
