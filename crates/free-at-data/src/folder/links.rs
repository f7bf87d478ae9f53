//! Links inside a folder of classes: where they lead, and that no image gets two labels.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::entries::{What, is_hidden};
use super::kind::Kind;
use crate::DataError;

/// A folder with images of a class. One class may have two, whose names are written in two ways.
pub(super) struct ClassFolder {
    pub(super) class: String,
    pub(super) path: PathBuf,
    /// The path without links.
    pub(super) real: PathBuf,
}

/// What is known of the folders and links of all classes.
pub(super) struct Links<'a> {
    classes: HashMap<&'a Path, &'a str>,
    /// The folders that the classes' are in.
    above: HashSet<&'a Path>,
    /// What links led to outside of the classes' folders, and the class that has it.
    followed: HashMap<PathBuf, &'a str>,
}

/// What a link leads to.
pub(super) struct Target {
    pub(super) real: PathBuf,
    pub(super) what: What,
}

impl<'a> Links<'a> {
    /// # Errors
    /// [`DataError::ClassesOverlap`].
    pub(super) fn new(folders: &'a [ClassFolder]) -> Result<Self, DataError> {
        let mut by_place: Vec<&ClassFolder> = folders.iter().collect();
        by_place.sort_by(|a, b| a.real.cmp(&b.real));
        // What is inside a folder comes right after it.
        for pair in by_place.windows(2) {
            if let [outer, inner] = pair
                && inner.real.starts_with(&outer.real)
            {
                let [first, second] = [outer, inner].map(|f| f.path.display().to_string());
                let target = inner.real.display().to_string();
                return Err(DataError::ClassesOverlap { first, second, target });
            }
        }
        let above = folders.iter().flat_map(|folder| folder.real.ancestors().skip(1)).collect();
        let classes = folders.iter().map(|f| (f.real.as_path(), f.class.as_str())).collect();
        Ok(Self { classes, above, followed: HashMap::new() })
    }

    /// What a link in a class leads to; none if that is read without the link, or has been.
    ///
    /// # Errors
    /// [`DataError::BrokenLink`], [`DataError::LinkAbove`], [`DataError::LinkToClass`].
    pub(super) fn follow(
        &mut self,
        link: &Path,
        class: &'a str,
    ) -> Result<Option<Target>, DataError> {
        let real = real(link)?;
        let what = What::behind(&real)?;
        let target = Target { real, what };
        if what != What::Folder && (what != What::File || Kind::of(link) == Kind::Other) {
            return Ok(Some(target)); // no image
        }
        let real = target.real.as_path();
        if self.above.contains(real) {
            let (path, target) = (link.display().to_string(), real.display().to_string());
            return Err(DataError::LinkAbove { path, target });
        }
        let home = real.ancestors().find_map(|folder| Some((folder, *self.classes.get(folder)?)));
        match home {
            Some((_, owner)) if owner != class => Err(to_class(link, real, owner)),
            Some((folder, _)) if is_read_there(real, folder, what) => Ok(None),
            // Stores that are told by their content have one file for equal images: copies, as elsewhere.
            _ if what == What::File => Ok(Some(target)),
            _ => Ok(self.is_first(real, link, class)?.then_some(target)),
        }
    }

    /// Whether no link led to this yet; `path` is how it was come to.
    ///
    /// # Errors
    /// [`DataError::LinkToClass`] if another class has it.
    pub(super) fn is_first(
        &mut self,
        real: &Path,
        path: &Path,
        class: &'a str,
    ) -> Result<bool, DataError> {
        match self.followed.get(real) {
            Some(owner) if *owner != class => Err(to_class(path, real, owner)),
            Some(_) => Ok(false),
            None => {
                self.followed.insert(real.to_path_buf(), class);
                Ok(true)
            }
        }
    }
}

/// The path of what a link leads to, without links.
///
/// # Errors
/// [`DataError::BrokenLink`].
pub(super) fn real(link: &Path) -> Result<PathBuf, DataError> {
    fs::canonicalize(link).map_err(|error| {
        let target = fs::read_link(link).unwrap_or_default();
        DataError::BrokenLink {
            path: link.display().to_string(),
            target: target.display().to_string(),
            reason: error.to_string(),
        }
    })
}

/// Whether something in a class's folder is among its images by its own name.
fn is_read_there(real: &Path, folder: &Path, what: What) -> bool {
    let shown = real.strip_prefix(folder).is_ok_and(|way| !is_hidden(way));
    shown && (what == What::Folder || Kind::of(real) != Kind::Other)
}

fn to_class(path: &Path, target: &Path, class: &str) -> DataError {
    let (path, target) = (path.display().to_string(), target.display().to_string());
    DataError::LinkToClass { path, target, class: class.to_string() }
}
