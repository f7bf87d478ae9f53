//! Breast cancer Wisconsin: 569 tumours, 30 measurements of cell nuclei each, embedded.
//!
//! "Breast Cancer Wisconsin (Diagnostic)" by W. Wolberg, O. Mangasarian, N. Street and W. Street, UCI Machine
//! Learning Repository, 1993, <https://doi.org/10.24432/C5DW2B>, licensed under
//! [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/).

use flate2::read::GzDecoder;

use crate::{DataError, Table, TableConfig};

const EMBEDDED: &[u8] = include_bytes!("../data/breast-cancer.csv.gz");

/// The 569 rows; class 0 is benign (357 rows), class 1 malignant (212).
///
/// ```
/// let table = free_at_data::breast_cancer::table()?;
/// assert_eq!((table.len(), table.features()), (569, 30));
/// assert_eq!(table.class_names(), ["benign", "malignant"]);
/// # Ok::<(), free_at_data::DataError>(())
/// ```
///
/// # Errors
/// None for the file that is embedded; the type is that of every other table.
pub fn table() -> Result<Table, DataError> {
    TableConfig::new("diagnosis").read(GzDecoder::new(EMBEDDED), "breast cancer Wisconsin")
}
