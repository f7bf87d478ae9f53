//! Tables: rows of numbers, whole numbers and categories, with a class each.

mod cells;
mod config;
mod encoding;
mod error;
mod features;
mod limits;
mod looks;
mod plan;
mod raw;
mod read;
mod relation;
mod texts;
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
use features::Features;
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
    /// Of every row of `raw`.
    features: Arc<Features>,
}

impl Table {
    fn of(raw: Raw) -> Result<Self, DataError> {
        let chosen: Vec<usize> = (0..raw.len()).collect();
        let encoding = Encoding::fit(&raw, &chosen)?;
        Ok(Self::encoded(Arc::new(raw), chosen, Arc::new(encoding))?)
    }

    fn encoded(
        raw: Arc<Raw>,
        chosen: Vec<usize>,
        encoding: Arc<Encoding>,
    ) -> Result<Self, TableError> {
        let features = Arc::new(Features::new(&encoding, &raw)?);
        Ok(Self { raw, chosen: chosen.into(), encoding, features })
    }

    fn raw(&self) -> &Raw {
        &self.raw
    }

    /// Another table of the same columns, with this one's encoding.
    fn encoding_of(&self, raw: Raw) -> Result<Self, DataError> {
        let other = self.raw.columns.iter().zip(&raw.columns);
        if let Some((column, _)) = other.into_iter().find(|(ours, found)| ours.kind != found.kind) {
            let (table, column) = (raw.name, column.name.clone());
            return Err(TableError::OtherKind { table, column }.into());
        }
        let chosen = (0..raw.len()).collect();
        Ok(Self::encoded(Arc::new(raw), chosen, self.encoding.clone())?)
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

    /// The values of row `index` as the file has them, but for those that were missing; none beyond the last.
    pub fn values(&self, index: usize) -> Option<Vec<Value>> {
        let (row, _) = self.row(index)?;
        let raw = self.raw.row(*self.chosen.get(index)?);
        let value = |column: &Column| match (column.kind(), raw[column.at]) {
            (ColumnKind::Number { .. }, number) if !number.is_nan() => Value::Number(number),
            _ => column.decode(&row[column.features()]),
        };
        Some(self.columns().iter().map(value).collect())
    }

    /// The values of a row of features, in the units of the columns. A feature that a row of the file has is that row's
    /// value, to the last digit; another is the number with the fewest digits that becomes this feature.
    ///
    /// # Errors
    /// [`Error::FeatureCount`] for another number of features.
    pub fn decode(&self, row: &[f32]) -> Result<Vec<Value>, Error> {
        self.check_row(row)?;
        Ok(self.columns().iter().map(|column| self.value(column, row)).collect())
    }

    /// In which columns, and how, two rows of features differ: what an attack did, say.
    ///
    /// # Errors
    /// [`Error::FeatureCount`] for another number of features.
    pub fn changes(&self, before: &[f32], after: &[f32]) -> Result<Vec<Change>, Error> {
        self.check_row(before)?;
        self.check_row(after)?;
        let differs = |column: &&Column| before[column.features()] != after[column.features()];
        let change = |column: &Column| {
            let (before, after) = (self.value(column, before), self.value(column, after));
            (before != after).then(|| Change { column: column.name.clone(), before, after })
        };
        Ok(self.columns().iter().filter(differs).filter_map(change).collect())
    }

    /// Two tables without a row in common: all but `held_out` rows, and `held_out` that are drawn at
    /// random. Both keep the order, and both are standardised by the first alone.
    ///
    /// # Errors
    /// [`DataError::Table`]: [`TableError::NothingLeft`] or [`TableError::OneClassLeft`] if the first has no row, or none
    /// of a second class, [`TableError::Constant`] if it has a column of one value only.
    pub fn split(&self, held_out: usize, seed: u64) -> Result<(Self, Self), DataError> {
        let mut drawn = shuffled(self.len(), seed, 0);
        let mut rest = drawn.split_off(held_out.min(self.len()));
        drawn.sort_unstable();
        rest.sort_unstable();
        let rows = |of: Vec<usize>| of.into_iter().map(|at| self.chosen[at]).collect::<Vec<_>>();
        let (rest, drawn) = (rows(rest), rows(drawn));
        let Some(first) = rest.first() else {
            return Err(TableError::NothingLeft { rows: self.len(), held_out }.into());
        };
        let label = self.raw.labels[*first];
        if rest.iter().all(|row| self.raw.labels[*row] == label) {
            let (class, rows) = (self.raw.classes[label].clone(), rest.len());
            return Err(TableError::OneClassLeft { class, rows }.into());
        }
        let encoding = Arc::new(Encoding::fit(&self.raw, &rest)?);
        let first = Self::encoded(self.raw.clone(), rest, encoding)?;
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

    /// Of a row of the file.
    fn features_of(&self, row: usize) -> &[f32] {
        self.features.of(row)
    }

    /// What a row of features says of a column.
    fn value(&self, column: &Column, row: &[f32]) -> Value {
        let features = &row[column.features()];
        match column.kind() {
            ColumnKind::Number { .. } => Value::Number(self.number(column, features[0])),
            _ => column.decode(features),
        }
    }

    /// The number that a feature of a column of numbers stands for.
    fn number(&self, column: &Column, feature: f32) -> f64 {
        let known = self.features.value(&self.raw, column, feature);
        known.unwrap_or_else(|| match column.decode(&[feature]) {
            Value::Number(number) => number,
            Value::Integer(number) => number as f64,
            Value::Category(_) => f64::NAN,
        })
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
