//! Wine quality: 1,599 red wines, 11 measurements and a mark from tasters each, embedded.
//!
//! The red wines of "Wine Quality" by P. Cortez, A. Cerdeira, F. Almeida, T. Matos and J. Reis, UCI Machine
//! Learning Repository, 2009, <https://doi.org/10.24432/C56S3T>, licensed under
//! [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/).

use flate2::read::GzDecoder;

use crate::{DataError, Table, TableConfig};

const EMBEDDED: &[u8] = include_bytes!("../data/wine-quality-red.csv.gz");

/// The 1,599 rows; the classes are the marks, 3 to 8, most of them 5 and 6.
///
/// ```
/// let table = free_at_data::wine_quality::table()?;
/// assert_eq!((table.len(), table.features(), table.classes()), (1_599, 11, 6));
/// # Ok::<(), free_at_data::DataError>(())
/// ```
///
/// # Errors
/// None for the file that is embedded; the type is that of every other table.
pub fn table() -> Result<Table, DataError> {
    TableConfig::new("quality").read(GzDecoder::new(EMBEDDED), "red wines")
}
