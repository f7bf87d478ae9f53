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
        let path = path.as_ref();
        let json = serde_json::to_vec_pretty(self).map_err(|error| files::failed(path, error))?;
        files::write(path, &json)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, [`Error::DamagedFile`] if it is no such report.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let json = std::fs::read(path).map_err(|error| files::failed(path, error))?;
        serde_json::from_slice(&json).map_err(|error| files::damaged(path, error))
    }
}
