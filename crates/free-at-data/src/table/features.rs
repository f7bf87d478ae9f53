//! The features of all rows of a table, and which row of the file a feature is from.

use std::sync::OnceLock;

use super::encoding::{Column, Encoding};
use super::error::TableError;
use super::raw::Raw;

pub(super) struct Features {
    /// Row after row.
    values: Vec<f32>,
    width: usize,
    /// The rows by a column's feature, for each column; made when first asked for.
    orders: Vec<OnceLock<Vec<usize>>>,
}

impl Features {
    pub(super) fn new(encoding: &Encoding, raw: &Raw) -> Result<Self, TableError> {
        let orders = encoding.columns.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { values: encoding.encode(raw)?, width: encoding.features(), orders })
    }

    /// Those of a row of the file.
    pub(super) fn of(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }

    /// The value of the file that became this feature of a column of numbers, if one did: it has all its digits, of which
    /// single precision keeps seven.
    pub(super) fn value(&self, raw: &Raw, column: &Column, feature: f32) -> Option<f64> {
        let of = |row: usize| self.of(row)[column.features.start];
        let value = |row: usize| raw.row(row)[column.at];
        let order = self.orders[column.at].get_or_init(|| {
            let mut rows: Vec<usize> = (0..raw.len()).filter(|row| !value(*row).is_nan()).collect();
            rows.sort_by(|one, other| of(*one).total_cmp(&of(*other)));
            rows
        });
        let first = order.partition_point(|row| of(*row) < feature);
        order.get(first).filter(|row| of(**row) == feature).map(|row| value(*row))
    }

    /// The largest feature of a column of numbers, of either sign.
    pub(super) fn largest(&self, column: &Column) -> f32 {
        let rows = self.values.chunks_exact(self.width.max(1));
        rows.map(|row| row[column.features.start].abs()).fold(0.0, f32::max)
    }
}
