//! The classes of a folder, with their images.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::entries::{What, entries};
use super::kind::{Kind, READ};
use super::links::{ClassFolder, Links, real};
use crate::DataError;

/// What becomes of a class's folder without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    Refused,
    PassedOver,
}

/// The classes with their images, both in order.
pub(super) fn classes(path: &Path, empty: Empty) -> Result<Vec<(String, Vec<PathBuf>)>, DataError> {
    if !path.is_dir() {
        return Err(DataError::NoFolder { path: path.display().to_string() });
    }
    let folders = class_folders(path)?;
    let mut links = Links::new(&folders)?;
    let mut classes = Vec::new();
    for of_class in folders.chunk_by(|a, b| a.class == b.class) {
        let [first, ..] = of_class else { continue };
        let found = Found::look_for(of_class, &first.class, &mut links)?;
        match found.are_read() {
            true => classes.push((first.class.clone(), found.images)),
            false if !found.is_empty() => return Err(found.unreadable(&first.path)),
            false if empty == Empty::Refused => {
                return Err(DataError::EmptyClass { path: first.path.display().to_string() });
            }
            false => {}
        }
    }
    match classes.len() {
        found @ (0 | 1) => Err(DataError::Classes { path: path.display().to_string(), found }),
        _ => Ok(classes),
    }
}

/// The folders in a folder, by the class's name.
fn class_folders(path: &Path) -> Result<Vec<ClassFolder>, DataError> {
    let root = fs::canonicalize(path).map_err(|error| DataError::file(path, error))?;
    let mut folders = Vec::new();
    for entry in entries(path)? {
        let name = entry.path.file_name().unwrap_or_default();
        let real = match entry.what {
            What::Folder => root.join(name),
            What::Link => {
                let real = real(&entry.path)?;
                if What::behind(&real)? != What::Folder {
                    continue;
                }
                real
            }
            What::File | What::Special => continue,
        };
        folders.push(ClassFolder { class: class_name(name), path: entry.path, real });
    }
    folders.sort_by(|a, b| a.class.cmp(&b.class));
    Ok(folders)
}

/// A folder's name as every system writes it: some take accents apart (NFD), others do not (NFC).
fn class_name(folder: &OsStr) -> String {
    match folder.to_str() {
        Some(name) => name.nfc().collect(),
        // No Unicode: with escapes, so that two names stay two.
        None => folder.as_encoded_bytes().escape_ascii().to_string(),
    }
}

/// What is in the folders of a class.
#[derive(Default)]
struct Found {
    /// Pictures, also those of formats that are not read: they are told of when they are wanted.
    images: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Found {
    fn look_for<'a>(
        folders: &'a [ClassFolder],
        class: &'a str,
        links: &mut Links<'a>,
    ) -> Result<Self, DataError> {
        let to_read = folders.iter().map(|folder| Folder {
            path: folder.path.clone(),
            real: folder.real.clone(),
            linked: false,
        });
        let mut walk = Walk {
            class,
            links,
            folders: to_read.collect(),
            pending: VecDeque::new(),
            found: Self::default(),
        };
        walk.run()?;
        let mut found = walk.found;
        found.images.sort();
        found.others.sort();
        Ok(found)
    }

    fn is_empty(&self) -> bool {
        self.images.is_empty() && self.others.is_empty()
    }

    /// Whether there is an image of a format that is read.
    fn are_read(&self) -> bool {
        self.images.iter().any(|image| Kind::of(image) == Kind::Read)
    }

    /// The error for files none of which is read.
    fn unreadable(&self, folder: &Path) -> DataError {
        const SHOWN: usize = 3;
        let files = || self.images.iter().chain(&self.others);
        let names = files().take(SHOWN).filter_map(|file| file.file_name());
        let names: Vec<String> = names.map(|name| name.display().to_string()).collect();
        let more = files().count().saturating_sub(SHOWN);
        let mut names = names.join(", ");
        if more > 0 {
            names += &format!(" and {more} more");
        }
        let (path, formats) = (folder.display().to_string(), READ.join(", "));
        DataError::NoImage { path, names, formats }
    }
}

/// A folder that is to be looked into.
struct Folder {
    path: PathBuf,
    /// The path without links.
    real: PathBuf,
    /// Whether the way to it is over a link.
    linked: bool,
}

/// The way through the folders of a class: first those inside it, then what links lead to.
struct Walk<'a, 'l> {
    class: &'a str,
    links: &'l mut Links<'a>,
    folders: Vec<Folder>,
    pending: VecDeque<PathBuf>,
    found: Found,
}

impl Walk<'_, '_> {
    fn run(&mut self) -> Result<(), DataError> {
        loop {
            if let Some(folder) = self.folders.pop() {
                self.look_into(&folder)?;
            } else if let Some(link) = self.pending.pop_front() {
                self.follow(link)?;
            } else {
                return Ok(());
            }
        }
    }

    fn look_into(&mut self, folder: &Folder) -> Result<(), DataError> {
        for entry in entries(&folder.path)? {
            let real = folder.real.join(entry.path.file_name().unwrap_or_default());
            let is_image = entry.what == What::File && Kind::of(&entry.path) != Kind::Other;
            match entry.what {
                What::Link => self.pending.push_back(entry.path),
                What::File | What::Special if !is_image => self.found.others.push(entry.path),
                // What is found over links may be found twice.
                _ if folder.linked && !self.links.is_first(&real, &entry.path, self.class)? => {}
                What::Folder => {
                    self.folders.push(Folder { path: entry.path, real, linked: folder.linked });
                }
                What::File | What::Special => self.found.images.push(entry.path),
            }
        }
        Ok(())
    }

    fn follow(&mut self, link: PathBuf) -> Result<(), DataError> {
        let Some(target) = self.links.follow(&link, self.class)? else { return Ok(()) };
        match target.what {
            What::Folder => {
                self.folders.push(Folder { path: link, real: target.real, linked: true });
            }
            What::File if Kind::of(&link) != Kind::Other => self.found.images.push(link),
            _ => self.found.others.push(link),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
