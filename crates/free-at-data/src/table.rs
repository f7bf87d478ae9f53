//! Tables: rows of numbers, whole numbers and categories, with a class each.

mod config;
mod encoding;
mod error;
mod raw;
mod read;
mod relation;
pub(crate) mod threat;

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use free_at_core::{Batch, Bounds, Error};

use crate::error::DataError;
use crate::loader;
use crate::loading::Loading;
use crate::order::shuffled;
use crate::samples::Samples;
use encoding::Encoding;
use raw::Raw;

pub use config::{Missing, TableConfig};
pub use encoding::{Change, Column, ColumnKind, Value};
pub use error::TableError;

/// A table with a class for each row, its columns as features of a model: numbers standardised, categories
/// one feature each. From [`TableConfig`], or embedded: [`breast_cancer`](crate::breast_cancer),
/// [`wine_quality`](crate::wine_quality). Clones share the rows.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_data::wine_quality;
///
/// let (train, test) = wine_quality::table()?.split(320, 0)?;   // standardised by the training rows
/// let batches = train.loader(64, Some(0), &Device::flex())?;
/// let (row, class) = test.row(0).expect("there are rows");
/// println!("{}: {}", test.class_names()[class], test.decode(row)?[10]); // alcohol, in per cent
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Table {
    raw: Arc<Raw>,
    /// Rows of `raw`.
    chosen: Arc<[usize]>,
    encoding: Arc<Encoding>,
    /// The features of every row of `raw`.
    values: Arc<[f32]>,
}

impl Table {
    fn of(raw: Raw) -> Result<Self, DataError> {
        let chosen: Vec<usize> = (0..raw.len()).collect();
        let encoding = Encoding::fit(&raw, &chosen)?;
        Ok(Self::encoded(Arc::new(raw), chosen, Arc::new(encoding)))
    }

    fn encoded(raw: Arc<Raw>, chosen: Vec<usize>, encoding: Arc<Encoding>) -> Self {
        let values = encoding.encode(&raw).into();
        Self { raw, chosen: chosen.into(), encoding, values }
    }

    fn raw(&self) -> &Raw {
        &self.raw
    }

    /// Another table of the same columns, with this one's encoding.
    fn encoding_of(&self, raw: Raw) -> Result<Self, DataError> {
        let names =
            |raw: &Raw| raw.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let (ours, found) = (names(&self.raw), names(&raw));
        if let Some(column) = ours.iter().zip(&found).find(|(ours, found)| ours != found) {
            let (table, column) = (raw.name.clone(), column.0.clone());
            return Err(TableError::NoSuchColumn { table, column, found }.into());
        }
        if ours.len() != found.len() {
            let (expected, found) = (ours.len(), found.len());
            return Err(Error::FeatureCount { what: "the other table", expected, found }.into());
        }
        let other = self.raw.columns.iter().zip(&raw.columns);
        if let Some((column, _)) = other.into_iter().find(|(ours, found)| ours.kind != found.kind) {
            let (table, column) = (raw.name, column.name.clone());
            return Err(TableError::OtherKind { table, column }.into());
        }
        let chosen = (0..raw.len()).collect();
        Ok(Self::encoded(Arc::new(raw), chosen, self.encoding.clone()))
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// The number of features of a row: one for each number, and for each category.
    pub fn features(&self) -> usize {
        self.encoding.features()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.raw.classes.len()
    }

    /// What the classes are called, sorted: by value if all are numbers.
    pub fn class_names(&self) -> &[String] {
        &self.raw.classes
    }

    /// The columns, in the order of the file, with what standardises them.
    pub fn columns(&self) -> &[Column] {
        &self.encoding.columns
    }

    /// What the features are called: `alcohol`, `job = clerk`.
    pub fn feature_names(&self) -> Vec<String> {
        let of = |column: &Column| match column.kind() {
            ColumnKind::Category { names } => {
                names.iter().map(|name| format!("{} = {name}", column.name())).collect()
            }
            _ => vec![column.name().to_string()],
        };
        self.columns().iter().flat_map(of).collect()
    }

    /// The features of row `index`, and its class; none beyond the last.
    pub fn row(&self, index: usize) -> Option<(&[f32], usize)> {
        let row = *self.chosen.get(index)?;
        Some((self.features_of(row), self.raw.labels[row]))
    }

    /// The values of a row of features, in the units of the columns.
    ///
    /// # Errors
    /// [`Error::FeatureCount`] for another number of features.
    pub fn decode(&self, row: &[f32]) -> Result<Vec<Value>, Error> {
        self.check_row(row)?;
        Ok(self.encoding.decode(row))
    }

    /// In which columns, and how, two rows of features differ: what an attack did, say.
    ///
    /// # Errors
    /// [`Error::FeatureCount`] for another number of features.
    pub fn changes(&self, before: &[f32], after: &[f32]) -> Result<Vec<Change>, Error> {
        self.check_row(before)?;
        self.check_row(after)?;
        Ok(self.encoding.changes(before, after))
    }

    /// Two tables without a row in common: all but `held_out` rows, and `held_out` that are drawn at
    /// random. Both keep the order, and both are standardised by the first alone.
    ///
    /// # Errors
    /// [`DataError::Table`] with [`TableError::Constant`] if the first has a column of one value only.
    pub fn split(&self, held_out: usize, seed: u64) -> Result<(Self, Self), DataError> {
        let mut drawn = shuffled(self.len(), seed, 0);
        let mut rest = drawn.split_off(held_out.min(self.len()));
        drawn.sort_unstable();
        rest.sort_unstable();
        let rows = |of: Vec<usize>| of.into_iter().map(|at| self.chosen[at]).collect::<Vec<_>>();
        let (rest, drawn) = (rows(rest), rows(drawn));
        let encoding = Arc::new(Encoding::fit(&self.raw, &rest)?);
        let first = Self::encoded(self.raw.clone(), rest, encoding);
        let second = Self { chosen: drawn.into(), ..first.clone() };
        Ok((first, second))
    }

    /// The first `n` rows, or all if there are fewer, standardised as before.
    #[must_use]
    pub fn take(&self, n: usize) -> Self {
        self.choose((0..n.min(self.len())).collect())
    }

    /// All rows in one batch.
    ///
    /// # Errors
    /// [`DataError::Core`] with [`Error::EmptyBatch`] for none.
    pub fn batch(&self, device: &Device) -> Result<Batch<2>, DataError> {
        self.send((0..self.len()).collect(), device)
    }

    /// Minibatches on `device`, reshuffled for each pass where a seed is given: the short form of
    /// [`loading`](Self::loading).
    ///
    /// # Errors
    /// [`Error::BatchSize`] for a batch size of 0.
    pub fn loader(
        &self,
        batch_size: usize,
        shuffle: Option<u64>,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<Batch<2>>>, Error> {
        let loading = self.loading(batch_size);
        match shuffle {
            Some(seed) => loading.with_seed(seed).build(device),
            None => loading.build(device),
        }
    }

    /// Minibatches of `batch_size` rows: the builder of a data loader.
    pub fn loading(&self, batch_size: usize) -> Loading<Self> {
        Loading::new(self.clone(), batch_size, false)
    }

    fn column(&self, name: &str) -> Result<&Column, TableError> {
        let found = self.columns().iter().find(|column| column.name() == name);
        found.ok_or_else(|| TableError::NoSuchColumn {
            table: self.raw.name.clone(),
            column: name.into(),
            found: self.columns().iter().map(|column| column.name().to_string()).collect(),
        })
    }

    fn features_of(&self, row: usize) -> &[f32] {
        let features = self.features();
        &self.values[row * features..][..features]
    }

    fn check_row(&self, row: &[f32]) -> Result<(), Error> {
        let (expected, found) = (self.features(), row.len());
        match expected == found {
            true => Ok(()),
            false => Err(Error::FeatureCount { what: "the row", expected, found }),
        }
    }
}

impl Loading<Table> {
    /// The loader of minibatches on `device`.
    ///
    /// # Errors
    /// [`Error::BatchSize`] for a batch size of 0.
    pub fn build(self, device: &Device) -> Result<Arc<dyn DataLoader<Batch<2>>>, Error> {
        loader::build(self, device)
    }
}

impl Samples<2> for Table {
    type Prepared = Vec<usize>;

    fn count(&self) -> usize {
        self.len()
    }

    fn choose(&self, indices: Vec<usize>) -> Self {
        let chosen = indices.into_iter().map(|at| self.chosen[at]).collect();
        Self { chosen, ..self.clone() }
    }

    fn prepare(
        &self,
        indices: &[usize],
        _: Option<(u64, u64)>,
    ) -> Result<Option<Vec<usize>>, DataError> {
        Ok(Some(indices.to_vec()))
    }

    fn send(&self, indices: Vec<usize>, device: &Device) -> Result<Batch<2>, DataError> {
        let rows: Vec<usize> = indices.into_iter().map(|at| self.chosen[at]).collect();
        let values: Vec<&[f32]> = rows.iter().map(|row| self.features_of(*row)).collect();
        let labels: Vec<usize> = rows.iter().map(|row| self.raw.labels[*row]).collect();
        let shape = [self.features()];
        let batch =
            Batch::from_samples(&values, &shape, &labels, self.classes(), &Bounds::None, device)?;
        Ok(batch.with_indices(rows)?)
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.raw.name)
            .field("rows", &self.len())
            .field("columns", &self.columns().len())
            .field("classes", &self.classes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
