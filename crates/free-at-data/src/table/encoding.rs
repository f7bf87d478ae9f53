//! Between the values of a table and the features of a model.

use std::fmt;
use std::ops::Range;

use super::raw::{Kind, Raw};
use crate::TableError;

/// What a column holds, and how it is encoded.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    /// Numbers: one feature, (value − mean) / std.
    Number {
        /// Over the training rows.
        mean: f64,
        /// The standard deviation over the training rows.
        std: f64,
    },
    /// Whole numbers, encoded likewise.
    Integer {
        /// Over the training rows.
        mean: f64,
        /// The standard deviation over the training rows.
        std: f64,
    },
    /// Categories: a feature each, 1 for the one that a row has and 0 for the others.
    Category {
        /// What they are called.
        names: Vec<String>,
    },
}

/// A column of a [`Table`](crate::Table).
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
    pub(super) features: Range<usize>,
    /// What stands for a value that is not there.
    fill: f64,
    /// The smallest and the largest value of the training rows.
    pub(super) observed: (f64, f64),
}

impl Column {
    /// The name in the file's header.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    pub fn kind(&self) -> &ColumnKind {
        &self.kind
    }

    /// Which features of a row are this column's.
    pub fn features(&self) -> Range<usize> {
        self.features.clone()
    }

    /// The spread of a column of numbers: the standard deviation over the training rows.
    pub fn std(&self) -> Option<f64> {
        self.mean_and_std().map(|(_, std)| std)
    }

    fn mean_and_std(&self) -> Option<(f64, f64)> {
        match self.kind {
            ColumnKind::Number { mean, std } | ColumnKind::Integer { mean, std } => {
                Some((mean, std))
            }
            ColumnKind::Category { .. } => None,
        }
    }

    /// The feature of a column of numbers, with mean and standard deviation.
    pub(super) fn number(&self) -> Result<(usize, f64, f64), TableError> {
        let (mean, std) = self.mean_and_std().ok_or_else(|| self.not_for_categories())?;
        Ok((self.features.start, mean, std))
    }

    /// A rule for numbers was asked for.
    pub(super) fn not_for_categories(&self) -> TableError {
        TableError::Rule {
            column: self.name.clone(),
            kind: "categories",
            reason: "they change to any other or, with `freezing`, not at all",
        }
    }

    /// A value in the column's own unit as a feature, for a column of numbers.
    pub(super) fn standardized(&self, value: f64) -> Option<f32> {
        self.mean_and_std().map(|(mean, std)| ((value - mean) / std) as f32)
    }

    fn encode(&self, value: f64, row: &mut Vec<f32>) {
        let value = if value.is_nan() { self.fill } else { value };
        match (&self.kind, self.standardized(value)) {
            (ColumnKind::Category { names }, _) => {
                row.extend((0..names.len()).map(|at| f32::from(at as f64 == value)));
            }
            (_, feature) => row.extend(feature),
        }
    }

    fn decode(&self, row: &[f32]) -> Value {
        let features = &row[self.features.clone()];
        match &self.kind {
            ColumnKind::Number { mean, std } => {
                let value = mean + std * f64::from(features[0]);
                // A feature has single precision.
                let rounding = f64::from(f32::EPSILON) * (mean.abs() + (value - mean).abs());
                Value::Number(if value.abs() <= rounding { 0.0 } else { value })
            }
            ColumnKind::Integer { mean, std } => {
                Value::Integer((mean + std * f64::from(features[0])).round() as i64)
            }
            ColumnKind::Category { names } => {
                let largest =
                    |best: usize, at| if features[at] > features[best] { at } else { best };
                Value::Category(names[(0..names.len()).fold(0, largest)].clone())
            }
        }
    }
}

/// A value in its column's own unit.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a column of numbers.
    Number(f64),
    /// Of a column of whole numbers.
    Integer(i64),
    /// Of a column of categories.
    Category(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => f.write_str(&decimal(*number, decimals(*number, DIGITS))),
            Self::Integer(number) => number.fmt(f),
            Self::Category(name) => f.write_str(name),
        }
    }
}

/// Of numbers, where they show a difference.
const DIGITS: i32 = 4;

/// The decimals with which a number has so many digits.
fn decimals(number: f64, digits: i32) -> usize {
    const MOST: i32 = 12;
    let order = if number == 0.0 { 0.0 } else { number.abs().log10().floor() };
    (digits - 1 - order as i32).clamp(0, MOST) as usize
}

fn decimal(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// A value that differs between two rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The column's name.
    pub column: String,
    /// In the one row.
    pub before: Value,
    /// In the other.
    pub after: Value,
}

impl fmt::Display for Change {
    /// `mean radius 14.2 → 13.1`, with as many digits as show the difference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: i32 = 9;
        let column = &self.column;
        if let (Value::Number(before), Value::Number(after)) = (&self.before, &self.after) {
            let larger = before.abs().max(after.abs());
            let texts = |digits| {
                let decimals = decimals(larger, digits);
                (decimal(*before, decimals), decimal(*after, decimals))
            };
            let shown = (DIGITS..MOST).map(texts).find(|(before, after)| before != after);
            let (before, after) = shown.unwrap_or_else(|| texts(MOST));
            return write!(f, "{column} {before} → {after}");
        }
        write!(f, "{column} {} → {}", self.before, self.after)
    }
}

/// The columns with what standardises them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Encoding {
    pub(super) columns: Vec<Column>,
}

impl Encoding {
    /// Standardises by some rows of a table.
    pub(super) fn fit(raw: &Raw, rows: &[usize]) -> Result<Self, TableError> {
        let mut columns = Vec::with_capacity(raw.columns.len());
        let mut first = 0;
        for (at, column) in raw.columns.iter().enumerate() {
            let values: Vec<f64> =
                rows.iter().map(|row| raw.row(*row)[at]).filter(|value| !value.is_nan()).collect();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            // No value at all is no spread either.
            if low >= high {
                let value = match (&column.kind, values.first()) {
                    (_, None) => "missing".into(),
                    (Kind::Category(names), Some(at)) => names[*at as usize].clone(),
                    (_, Some(value)) => value.to_string(),
                };
                return Err(TableError::Constant { column: column.name.clone(), value });
            }
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
            let (kind, fill, width) = match &column.kind {
                Kind::Number => (ColumnKind::Number { mean, std }, mean, 1),
                Kind::Integer => (ColumnKind::Integer { mean, std }, mean.round(), 1),
                Kind::Category(names) => {
                    let count = |at: usize| values.iter().filter(|v| **v == at as f64).count();
                    let most = (0..names.len()).rev().max_by_key(|at| count(*at)).unwrap_or(0);
                    (ColumnKind::Category { names: names.clone() }, most as f64, names.len())
                }
            };
            let (name, features) = (column.name.clone(), first..first + width);
            columns.push(Column { name, kind, features, fill, observed: (low, high) });
            first += width;
        }
        Ok(Self { columns })
    }

    pub(super) fn features(&self) -> usize {
        self.columns.last().map_or(0, |column| column.features.end)
    }

    /// All rows of a table, one after the other.
    pub(super) fn encode(&self, raw: &Raw) -> Vec<f32> {
        let mut values = Vec::with_capacity(raw.len() * self.features());
        for row in 0..raw.len() {
            for (column, value) in self.columns.iter().zip(raw.row(row)) {
                column.encode(*value, &mut values);
            }
        }
        values
    }

    pub(super) fn decode(&self, row: &[f32]) -> Vec<Value> {
        self.columns.iter().map(|column| column.decode(row)).collect()
    }

    pub(super) fn changes(&self, before: &[f32], after: &[f32]) -> Vec<Change> {
        let differs = |column: &&Column| before[column.features()] != after[column.features()];
        let change = |column: &Column| {
            let (before, after) = (column.decode(before), column.decode(after));
            (before != after).then(|| Change { column: column.name.clone(), before, after })
        };
        self.columns.iter().filter(differs).filter_map(change).collect()
    }
}
