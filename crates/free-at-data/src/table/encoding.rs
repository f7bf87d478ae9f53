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
    /// Which column of the table it is.
    pub(super) at: usize,
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

    fn encode(&self, value: f64, row: &mut Vec<f32>) -> Result<(), Unencodable> {
        let value = if value.is_nan() { self.fill } else { value };
        let Some((mean, _)) = self.mean_and_std() else {
            row.extend((0..self.features.len()).map(|at| f32::from(at as f64 == value)));
            return Ok(());
        };
        let feature = self.standardized(value).filter(|feature| feature.is_finite());
        row.push(feature.ok_or(Unencodable::FarOut)?);
        match self.kind {
            ColumnKind::Integer { .. } if (value - mean).abs() > MOST_WHOLE => {
                Err(Unencodable::WholeNumberTooFar)
            }
            _ => Ok(()),
        }
    }

    /// The value of these features of the column; of a number that which has the fewest digits of all that become the
    /// same feature.
    pub(super) fn decode(&self, features: &[f32]) -> Value {
        match &self.kind {
            ColumnKind::Number { mean, std } => {
                let value = mean + std * f64::from(features[0]);
                let same = |value: &f64| self.standardized(*value) == Some(features[0]);
                let rounded = (0..MOST_DIGITS).map(|digits| format!("{value:.digits$e}").parse());
                let mut candidates = [Ok(0.0)].into_iter().chain(rounded).filter_map(Result::ok);
                Value::Number(candidates.find(same).unwrap_or(value))
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

/// Why a value cannot be a feature.
enum Unencodable {
    FarOut,
    WholeNumberTooFar,
}

/// Whole numbers so far from their mean come out whole: standardising one, the steps of an attack across all of them and
/// their sum with it round by less than a third of a unit, since single precision has 24 bits.
const MOST_WHOLE: f64 = (1u32 << 20) as f64;

/// After the first, of any number in double precision.
const MOST_DIGITS: usize = 17;

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
                    let mut counts = vec![0u64; names.len()];
                    values.iter().for_each(|value| counts[*value as usize] += 1);
                    let most = (0..names.len()).rev().max_by_key(|at| counts[*at]).unwrap_or(0);
                    (ColumnKind::Category { names: names.clone() }, most as f64, names.len())
                }
            };
            let (name, features) = (column.name.clone(), first..first + width);
            let column = Column { name, at, kind, features, fill, observed: (low, high) };
            column.check_kept(&values)?;
            columns.push(column);
            first += width;
        }
        Ok(Self { columns })
    }

    pub(super) fn features(&self) -> usize {
        self.columns.last().map_or(0, |column| column.features.end)
    }

    /// All rows of a table, one after the other.
    pub(super) fn encode(&self, raw: &Raw) -> Result<Vec<f32>, TableError> {
        let mut features = Vec::with_capacity(raw.len() * self.features());
        for row in 0..raw.len() {
            for (column, value) in self.columns.iter().zip(raw.row(row)) {
                column
                    .encode(*value, &mut features)
                    .map_err(|why| column.unencodable(raw, row, *value, &why))?;
            }
        }
        Ok(features)
    }
}

impl Column {
    /// Accepts training values that single precision tells apart.
    fn check_kept(&self, values: &[f64]) -> Result<(), TableError> {
        /// Values looked at.
        const MOST: usize = 4_096;
        let ColumnKind::Number { .. } = self.kind else { return Ok(()) };
        let mut values = values[..values.len().min(MOST)].to_vec();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let mut features: Vec<f32> =
            values.iter().filter_map(|value| self.standardized(*value)).collect();
        features.dedup();
        let (distinct, kept) = (values.len(), features.len());
        match 2 * kept < distinct {
            false => Ok(()),
            true => {
                let (column, (low, high)) = (self.name.clone(), self.observed);
                Err(TableError::Blurred { column, distinct, kept, low, high })
            }
        }
    }

    fn unencodable(&self, raw: &Raw, row: usize, value: f64, why: &Unencodable) -> TableError {
        let (mean, std) = self.mean_and_std().unwrap_or_default();
        let (table, line, column) = (raw.name.clone(), raw.lines[row], self.name.clone());
        match why {
            Unencodable::FarOut => TableError::FarOut { table, line, column, value, mean, std },
            Unencodable::WholeNumberTooFar => {
                let (far, most) = ((value - mean).abs().round(), MOST_WHOLE);
                TableError::WholeNumbersTooFar { table, line, column, value, far, most }
            }
        }
    }
}
