//! The values of a line.

use csv::StringRecord;

use super::config::{Missing, TableConfig};
use super::error::TableError;
use super::plan::{Plan, Role};

/// A line of the file whose label is there.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) label: String,
    pub(super) cells: Vec<Cell>,
}

pub(super) enum Cell {
    Missing,
    Number(f64),
    /// `True` or `False` in a column of numbers.
    Truth(bool),
    Text(String),
}

impl Cell {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Truth(true) => Some(TRUTHS[1]),
            Self::Truth(false) => Some(TRUTHS[0]),
            Self::Missing | Self::Number(_) => None,
        }
    }
}

/// The categories of a column of truths, as pandas writes them.
pub(super) const TRUTHS: [&str; 2] = ["False", "True"];

/// How the lines of one file are read.
pub(super) struct Line<'a> {
    pub(super) config: &'a TableConfig,
    pub(super) table: &'a str,
    pub(super) plans: &'a [Plan],
    /// Where the label is.
    pub(super) label: usize,
}

impl Line<'_> {
    /// The values of a record, or nothing if it is to be left out.
    pub(super) fn row(&self, line: u64, record: &StringRecord) -> Result<Option<Row>, TableError> {
        let text = |place: usize| record.get(place).unwrap_or_default();
        let missing = |column: &str| TableError::Missing {
            table: self.table.into(),
            line,
            column: column.into(),
        };
        let label = text(self.label).to_string();
        if self.is_missing(&label) {
            return match self.config.missing {
                Missing::Refuse => Err(missing(&self.config.label)),
                Missing::DropRows | Missing::Fill => Ok(None),
            };
        }
        let mut cells = Vec::with_capacity(self.plans.len());
        for plan in self.plans {
            let empty = match &plan.role {
                Role::OneHot(places) => places.iter().any(|place| self.is_missing(text(*place))),
                _ => self.is_missing(text(plan.place)),
            };
            cells.push(match self.config.missing {
                Missing::Refuse if empty => return Err(missing(&plan.name)),
                Missing::DropRows if empty => return Ok(None),
                Missing::Fill if empty => Cell::Missing,
                _ => self.cell(line, plan, text)?,
            });
        }
        Ok(Some(Row { line, label, cells }))
    }

    fn is_missing(&self, text: &str) -> bool {
        self.config.marks.iter().any(|mark| mark == text)
    }

    fn cell<'a>(
        &self,
        line: u64,
        plan: &Plan,
        text: impl Fn(usize) -> &'a str,
    ) -> Result<Cell, TableError> {
        let value = text(plan.place);
        match &plan.role {
            Role::Number => match truth(value) {
                Some(truth) => Ok(Cell::Truth(truth)),
                None => self.number(line, plan, value, "a number").map(Cell::Number),
            },
            Role::Integer => {
                let expected = "a whole number";
                let number = self.number(line, plan, value, expected)?;
                match number.fract() == 0.0 {
                    true => Ok(Cell::Number(number)),
                    false => Err(self.not_a(line, plan, value, expected)),
                }
            }
            Role::Category => Ok(Cell::Text(value.into())),
            Role::OneHot(places) => {
                let set = |place: &usize| match truth(text(*place)) {
                    Some(truth) => Some(truth),
                    None => match self.parsed(text(*place)) {
                        Some(1.0) => Some(true),
                        Some(0.0) => Some(false),
                        _ => None,
                    },
                };
                let values: Option<Vec<bool>> = places.iter().map(set).collect();
                let ones = values
                    .map(|values| (0..values.len()).filter(|at| values[*at]).collect::<Vec<_>>());
                match ones.as_deref() {
                    Some([at]) => Ok(Cell::Number(*at as f64)),
                    _ => Err(TableError::NotOneHot {
                        table: self.table.into(),
                        line,
                        group: plan.name.clone(),
                    }),
                }
            }
        }
    }

    fn number(
        &self,
        line: u64,
        plan: &Plan,
        text: &str,
        expected: &'static str,
    ) -> Result<f64, TableError> {
        let number = self.parsed(text).ok_or_else(|| self.not_a(line, plan, text, expected))?;
        let (table, column) = (self.table.to_string(), plan.name.clone());
        if number.abs() > f64::from(f32::MAX) {
            return Err(TableError::OutOfRange { table, line, column, text: text.into() });
        }
        // A whole number that is another one in double precision.
        if text.parse::<i128>().is_ok_and(|whole| number as i128 != whole) {
            return Err(TableError::TooManyDigits { table, line, column, text: text.into() });
        }
        Ok(number)
    }

    fn parsed(&self, text: &str) -> Option<f64> {
        let number = match self.config.decimal_comma {
            // A point would separate thousands.
            true if text.contains('.') => return None,
            true => text.replace(',', ".").parse::<f64>(),
            false => text.parse::<f64>(),
        };
        // What is too large for double precision is a number all the same, and `inf` is none.
        let digits = text.contains(|letter: char| letter.is_ascii_digit());
        number.ok().filter(|number| number.is_finite() || digits)
    }

    fn not_a(&self, line: u64, plan: &Plan, text: &str, expected: &'static str) -> TableError {
        let comma = !self.config.decimal_comma
            && text.contains(',')
            && text.replace(',', ".").parse::<f64>().is_ok();
        TableError::NotANumber {
            table: self.table.into(),
            line,
            column: plan.name.clone(),
            text: text.into(),
            expected,
            advice: match comma {
                true => "read decimal commas by `with_decimal_comma`",
                false => "name the column with `with_categories` or `ignoring`",
            },
        }
    }
}

fn truth(text: &str) -> Option<bool> {
    (0..2).find(|at| TRUTHS[*at].eq_ignore_ascii_case(text)).map(|at| at == 1)
}
