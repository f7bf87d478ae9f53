//! What is in a folder.

use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

use crate::DataError;

/// Folders that systems and their programs leave among others.
const OF_SYSTEMS: [&str; 5] =
    ["__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"];

/// What stands in a folder under one name.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Folder,
    File,
    Link,
    /// A pipe or a device.
    Special,
}

impl What {
    fn of(kind: FileType) -> Self {
        match kind {
            kind if kind.is_symlink() => Self::Link,
            kind if kind.is_dir() => Self::Folder,
            kind if kind.is_file() => Self::File,
            _ => Self::Special,
        }
    }

    /// What a link leads to in the end.
    pub(super) fn behind(real: &Path) -> Result<Self, DataError> {
        let about = fs::metadata(real).map_err(|error| DataError::file(real, error))?;
        Ok(Self::of(about.file_type()))
    }
}

/// What is in a folder, by name; without what is hidden, such as the previews that desktops write.
pub(super) fn entries(path: &Path) -> Result<Vec<Entry>, DataError> {
    let wrong = |error| DataError::file(path, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        if !is_hidden(Path::new(&entry.file_name())) {
            let what = What::of(entry.file_type().map_err(wrong)?);
            found.push(Entry { path: entry.path(), what });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Whether a name, or one of those on a way, is that of something hidden.
pub(super) fn is_hidden(way: &Path) -> bool {
    way.iter().any(|name| {
        let name = name.to_string_lossy();
        name.starts_with('.') || OF_SYSTEMS.contains(&name.as_ref())
    })
}
