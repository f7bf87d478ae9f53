//! From CSV to columns of numbers and categories.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use csv::{ErrorKind, StringRecord, Trim};
use free_at_core::Error;

use super::Table;
use super::config::{Missing, TableConfig};
use super::error::TableError;
use super::raw::{Kind, Raw, RawColumn};
use crate::error::DataError;
use crate::reading;

impl TableConfig {
    /// The table in a file, unpacked if its name ends in `.gz`; standardised by all its rows, until it is
    /// [split](Table::split).
    ///
    /// # Errors
    /// [`DataError::File`], and those of [`read`](Self::read).
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Table, DataError> {
        let path = path.as_ref();
        self.read(reading::read(path)?.as_slice(), &path.display().to_string())
    }

    /// The table that `reader` gives; `name` is what errors call it.
    ///
    /// # Errors
    /// [`DataError::Table`] for columns or values that are not what they should be, [`DataError::Format`] for
    /// what is no CSV, [`DataError::Core`] with [`free_at_core::Error::EmptyBatch`] for no row.
    pub fn read(&self, reader: impl Read, name: &str) -> Result<Table, DataError> {
        Table::of(read(self, reader, name, None)?)
    }

    /// The table in another file with the same columns, for a model that was trained on `table`: with that
    /// one's categories, classes and standardisation.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`TableError::UnknownCategory`](crate::TableError::UnknownCategory).
    pub fn open_like(&self, path: impl AsRef<Path>, table: &Table) -> Result<Table, DataError> {
        let path = path.as_ref();
        let (bytes, name) = (reading::read(path)?, path.display().to_string());
        let raw: Raw = read(self, bytes.as_slice(), &name, Some(table.raw()))?;
        table.encoding_of(raw)
    }
}

/// What becomes of the columns of the file.
enum Role {
    Number,
    Integer,
    /// One column of text.
    Category,
    /// Several columns, of which one is 1, by their places in the file.
    OneHot(Vec<usize>),
}

/// A column of the table: its name, its place in the file (the first of several), and its role.
struct Plan {
    name: String,
    place: usize,
    role: Role,
}

/// Reads a table. With `like`, its categories and classes are those of that table.
pub(super) fn read(
    config: &TableConfig,
    reader: impl Read,
    table: &str,
    like: Option<&Raw>,
) -> Result<Raw, DataError> {
    let mut csv =
        csv::ReaderBuilder::new().delimiter(config.delimiter).trim(Trim::All).from_reader(reader);
    let wrong = |error: csv::Error| unreadable(table, error);
    let headers: Vec<String> = csv.headers().map_err(wrong)?.iter().map(str::to_string).collect();
    let label = place(table, &headers, &config.label)?;
    let plans = plan(config, table, &headers)?;

    let mut rows = Vec::new();
    for record in csv.records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.extend(cells(config, table, &plans, label, (line, &record))?);
    }
    if rows.is_empty() {
        return Err(Error::EmptyBatch.into());
    }

    // Texts become positions among the sorted ones.
    let classes = match like {
        Some(like) => like.classes.clone(),
        None => sorted(rows.iter().map(|row| row.label.as_str())),
    };
    if classes.len() < 2 {
        let (column, found) = (config.label.clone(), classes.len());
        return Err(TableError::OneClass { column, found }.into());
    }
    let of_column = |at: usize| rows.iter().filter_map(move |row: &Row| row.cells[at].text());
    let columns = plans.iter().enumerate().map(|(at, plan)| {
        let known = like.and_then(|like| like.columns.iter().find(|known| known.name == plan.name));
        let kind = match (&plan.role, known) {
            (Role::Number, _) => Kind::Number,
            (Role::Integer, _) => Kind::Integer,
            (_, Some(RawColumn { kind: Kind::Category(names), .. })) => {
                Kind::Category(names.clone())
            }
            (Role::OneHot(places), _) => {
                Kind::Category(places.iter().map(|place| headers[*place].clone()).collect())
            }
            (Role::Category, _) => Kind::Category(sorted(of_column(at))),
        };
        RawColumn { name: plan.name.clone(), kind }
    });
    let columns: Vec<RawColumn> = columns.collect();

    let unknown = |line, column: &str, value: &str| {
        let (table, column, value) = (table.to_string(), column.to_string(), value.to_string());
        TableError::UnknownCategory { table, line, column, value }
    };
    let position = |names: &[String], text: &str| names.iter().position(|name| name == text);
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for row in &rows {
        let class = position(&classes, &row.label);
        labels.push(class.ok_or_else(|| unknown(row.line, &config.label, &row.label))?);
        for (cell, column) in row.cells.iter().zip(&columns) {
            values.push(match (cell, &column.kind) {
                (Cell::Missing, _) => f64::NAN,
                (Cell::Number(number), _) => *number,
                (Cell::Text(text), Kind::Category(names)) => {
                    let at = position(names, text);
                    at.ok_or_else(|| unknown(row.line, &column.name, text))? as f64
                }
                (Cell::Text(_), _) => f64::NAN, // only categories have texts
            });
        }
    }
    Ok(Raw { name: table.into(), columns, values, labels, classes })
}

/// A row of the file whose label is there.
struct Row {
    line: u64,
    label: String,
    cells: Vec<Cell>,
}

enum Cell {
    Missing,
    Number(f64),
    Text(String),
}

impl Cell {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The values of a record, or nothing if it is to be left out.
fn cells(
    config: &TableConfig,
    table: &str,
    plans: &[Plan],
    label: usize,
    (line, record): (u64, &StringRecord),
) -> Result<Option<Row>, TableError> {
    let is_missing = |text: &str| config.marks.iter().any(|mark| mark == text);
    let text = |place: usize| record.get(place).unwrap_or_default();
    let mut row = Row { line, label: text(label).to_string(), cells: Vec::new() };
    let missing =
        |column: &str| TableError::Missing { table: table.into(), line, column: column.into() };
    if is_missing(&row.label) {
        return match config.missing {
            Missing::Refuse => Err(missing(&config.label)),
            Missing::DropRows | Missing::Fill => Ok(None),
        };
    }
    for plan in plans {
        let value = text(plan.place);
        let empty = match &plan.role {
            Role::OneHot(places) => places.iter().any(|place| is_missing(text(*place))),
            _ => is_missing(value),
        };
        let not_a = |expected| TableError::NotANumber {
            table: table.into(),
            line,
            column: plan.name.clone(),
            text: value.into(),
            expected,
        };
        let number = || value.parse::<f64>().ok().filter(|number| number.is_finite());
        row.cells.push(match (&plan.role, config.missing) {
            (_, Missing::Refuse) if empty => return Err(missing(&plan.name)),
            (_, Missing::DropRows) if empty => return Ok(None),
            (_, Missing::Fill) if empty => Cell::Missing,
            (Role::Number, _) => Cell::Number(number().ok_or_else(|| not_a("a number"))?),
            (Role::Integer, _) => {
                let whole = number().filter(|number| number.fract() == 0.0);
                Cell::Number(whole.ok_or_else(|| not_a("a whole number"))?)
            }
            (Role::Category, _) => Cell::Text(value.into()),
            (Role::OneHot(places), _) => {
                let values = places.iter().map(|place| text(*place).parse::<f64>().ok());
                let values: Vec<_> = values.collect();
                let ones = values.iter().filter(|value| **value == Some(1.0)).count();
                let zeros = values.iter().filter(|value| **value == Some(0.0)).count();
                match values.iter().position(|value| *value == Some(1.0)) {
                    Some(at) if ones == 1 && zeros + 1 == values.len() => Cell::Number(at as f64),
                    _ => {
                        let (table, group) = (table.into(), plan.name.clone());
                        return Err(TableError::NotOneHot { table, line, group });
                    }
                }
            }
        });
    }
    Ok(Some(row))
}

/// The columns of the table, in the order of the file.
fn plan(config: &TableConfig, table: &str, headers: &[String]) -> Result<Vec<Plan>, TableError> {
    let mut seen = BTreeSet::new();
    if let Some(column) = headers.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(TableError::DuplicateColumn { table: table.into(), column: column.clone() });
    }
    // None: the label, columns that are left out, and all but the first of a group.
    let mut roles: BTreeMap<usize, Option<(String, Role)>> = BTreeMap::new();
    let mut assign = |name: &str, role: Option<(String, Role)>| match roles
        .insert(place(table, headers, name)?, role)
    {
        None => Ok(()),
        Some(_) => Err(TableError::Overlap { column: name.into() }),
    };
    assign(&config.label, None)?;
    for name in &config.ignored {
        assign(name, None)?;
    }
    for name in &config.integers {
        assign(name, Some((name.clone(), Role::Integer)))?;
    }
    for name in &config.categories {
        assign(name, Some((name.clone(), Role::Category)))?;
    }
    for (group, columns) in &config.one_hot {
        let places = columns.iter().map(|name| place(table, headers, name));
        let mut role = Some((group.clone(), Role::OneHot(places.collect::<Result<_, _>>()?)));
        for name in columns {
            assign(name, role.take())?;
        }
    }
    let of_place = |(place, name): (usize, &String)| {
        let role = roles.remove(&place).unwrap_or_else(|| Some((name.clone(), Role::Number)));
        role.map(|(name, role)| Plan { name, place, role })
    };
    let plans: Vec<Plan> = headers.iter().enumerate().filter_map(of_place).collect();
    let mut names = BTreeSet::new();
    if let Some(plan) = plans.iter().find(|plan| !names.insert(plan.name.as_str())) {
        let (table, column) = (table.into(), plan.name.clone());
        return Err(TableError::DuplicateColumn { table, column });
    }
    match plans.is_empty() {
        true => Err(TableError::NoColumns { table: table.into() }),
        false => Ok(plans),
    }
}

fn place(table: &str, headers: &[String], column: &str) -> Result<usize, TableError> {
    headers.iter().position(|name| name == column).ok_or_else(|| TableError::NoSuchColumn {
        table: table.into(),
        column: column.into(),
        found: headers.to_vec(),
    })
}

/// Each text once: by value if all are numbers, else by letters.
fn sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let unique: BTreeSet<&str> = texts.collect();
    let mut texts: Vec<String> = unique.into_iter().map(str::to_string).collect();
    let numbers: Option<Vec<f64>> = texts.iter().map(|text| text.parse().ok()).collect();
    if let Some(numbers) = numbers {
        let mut both: Vec<(f64, String)> = numbers.into_iter().zip(texts).collect();
        both.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        texts = both.into_iter().map(|(_, text)| text).collect();
    }
    texts
}

fn unreadable(table: &str, error: csv::Error) -> DataError {
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => TableError::Ragged {
            table: table.into(),
            line: pos.as_ref().map_or(0, csv::Position::line),
            expected: *expected_len,
            found: *len,
        }
        .into(),
        _ => DataError::format(Path::new(table), error),
    }
}
