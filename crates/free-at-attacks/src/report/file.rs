//! A report as a JSON file.

use std::path::Path;

use free_at_core::{Error, files};

use super::RobustnessReport;

impl RobustnessReport {
    /// Writes the report as JSON: to a temporary name beside `path`, then renamed.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        files::write_json(path.as_ref(), self)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, [`Error::DamagedFile`] if it is no such report.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        files::read_json(path.as_ref())
    }
}
