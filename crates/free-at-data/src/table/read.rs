//! From CSV to columns of numbers and categories.

use std::io::Read;
use std::path::Path;

use csv::{ErrorKind, Trim};
use free_at_core::Error;

use super::Table;
use super::cells::{Cell, Line, Row, TRUTHS};
use super::config::TableConfig;
use super::error::TableError;
use super::looks::looks_like;
use super::plan::{Plan, Role, place};
use super::raw::{Kind, Raw, RawColumn};
use super::texts::Texts;
use crate::error::DataError;
use crate::reading;

impl TableConfig {
    /// The table in a file, unpacked if it is packed by gzip; standardised by all its rows, until it is
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
    /// what is no CSV, [`DataError::File`] for what cannot be read, [`DataError::Core`] with
    /// [`free_at_core::Error::EmptyBatch`] for no row.
    pub fn read(&self, mut reader: impl Read, name: &str) -> Result<Table, DataError> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(|error| DataError::file(Path::new(name), error))?;
        Table::of(read(self, &bytes, name, None)?)
    }

    /// The table in another file with the same columns, in any order, for a model that was trained on `table`: with that
    /// one's categories, classes and standardisation.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`TableError::UnknownCategory`](crate::TableError::UnknownCategory).
    pub fn open_like(&self, path: impl AsRef<Path>, table: &Table) -> Result<Table, DataError> {
        let path = path.as_ref();
        let (bytes, name) = (reading::read(path)?, path.display().to_string());
        table.encoding_of(read(self, &bytes, &name, Some(table.raw()))?)
    }
}

/// Reads a table. With `like`, its categories, its classes and the order of its columns are those of that table.
fn read(
    config: &TableConfig,
    bytes: &[u8],
    table: &str,
    like: Option<&Raw>,
) -> Result<Raw, DataError> {
    let mut csv =
        csv::ReaderBuilder::new().delimiter(config.delimiter).trim(Trim::All).from_reader(bytes);
    let wrong = |error: csv::Error| unreadable(table, error);
    let headers = csv.headers().map_err(wrong);
    let headers = headers.map(|names| names.iter().map(str::to_string).collect::<Vec<String>>());
    let label = headers.and_then(|headers| Ok((place(table, &headers, &config.label)?, headers)));
    let (label, headers) = label.map_err(|error| match looks_like(bytes, config.delimiter) {
        Some(looks) => TableError::NotATable { table: table.into(), looks }.into(),
        None => error,
    })?;
    let mut plans = Plan::all(config, table, &headers)?;
    if let Some(like) = like {
        let order: Vec<&str> = like.columns.iter().map(|column| column.name.as_str()).collect();
        plans = Plan::ordered(plans, table, &order)?;
    }
    let line = Line { config, table, plans: &plans, label };
    let mut rows = Vec::new();
    for record in csv.records() {
        let record = record.map_err(wrong)?;
        let number = record.position().map_or(0, csv::Position::line);
        rows.extend(line.row(number, &record)?);
    }
    if rows.is_empty() {
        return Err(Error::EmptyBatch.into());
    }

    let classes = match like {
        Some(like) => Texts::known(&like.classes, config.as_written),
        None => classes(config, &rows)?,
    };
    let columns = plans.iter().enumerate().map(|(at, plan)| {
        let known = like.and_then(|like| like.columns.get(at)); // in its order by now
        kind(&line, &headers, (at, plan), &rows, known)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;

    let unknown = |line, column: &str, value: &str| {
        let (table, column, value) = (table.to_string(), column.to_string(), value.to_string());
        TableError::UnknownCategory { table, line, column, value }
    };
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for row in &rows {
        let class = classes.position(&row.label);
        labels.push(class.ok_or_else(|| unknown(row.line, &config.label, &row.label))?);
        for (cell, (plan, texts)) in row.cells.iter().zip(plans.iter().zip(&columns)) {
            values.push(match (cell, texts) {
                (Cell::Number(number), _) => *number,
                (Cell::Missing, _) | (_, Column::Numbers(_)) => f64::NAN, // only categories have texts
                (cell, Column::Texts(texts)) => {
                    let text = cell.text().unwrap_or_default();
                    let at = texts.position(text);
                    at.ok_or_else(|| unknown(row.line, &plan.name, text))? as f64
                }
            });
        }
    }
    let columns = plans.iter().zip(columns).map(|(plan, column)| RawColumn {
        name: plan.name.clone(),
        kind: match column {
            Column::Numbers(kind) => kind,
            Column::Texts(texts) => Kind::Category(texts.into_names()),
        },
    });
    let (columns, classes) = (columns.collect(), classes.into_names());
    let lines = rows.iter().map(|row| row.line).collect();
    Ok(Raw { name: table.into(), columns, values, labels, classes, lines })
}

/// Of a column, each a feature in every row.
const MOST_CATEGORIES: usize = 4_096;

/// What a column turned out to hold.
enum Column {
    Numbers(Kind),
    Texts(Texts),
}

/// The classes of the label column.
fn classes(config: &TableConfig, rows: &[Row]) -> Result<Texts, TableError> {
    /// Fewer rows may have a class each: there are examples so small.
    const FEW: usize = 10;
    let texts = rows.iter().map(|row| row.label.as_str());
    let classes = Texts::distinct(&config.label, texts, config.as_written)?;
    let (column, found) = (config.label.clone(), classes.names().len());
    if found < 2 {
        return Err(TableError::OneClass { column, found });
    }
    if rows.len() >= FEW && 2 * found > rows.len() {
        return Err(TableError::TooManyClasses { column, classes: found, rows: rows.len() });
    }
    Ok(classes)
}

/// What the column at `at` holds; for one that is `known`, what it held there.
fn kind(
    line: &Line<'_>,
    headers: &[String],
    (at, plan): (usize, &Plan),
    rows: &[Row],
    known: Option<&RawColumn>,
) -> Result<Column, TableError> {
    let config = line.config;
    let texts = || rows.iter().filter_map(move |row| row.cells[at].text());
    Ok(match (&plan.role, known) {
        (Role::Integer, _) => Column::Numbers(Kind::Integer),
        (Role::Number, _) if texts().next().is_none() => Column::Numbers(Kind::Number),
        (Role::Number, _) => {
            let number = |row: &&Row| matches!(row.cells[at], Cell::Number(_));
            if let Some(row) = rows.iter().find(number) {
                return Err(TableError::TruthsAndNumbers {
                    table: line.table.into(),
                    line: row.line,
                    column: plan.name.clone(),
                });
            }
            Column::Texts(Texts::known(&TRUTHS.map(String::from), config.as_written))
        }
        (_, Some(RawColumn { kind: Kind::Category(names), .. })) => {
            Column::Texts(Texts::known(names, config.as_written))
        }
        (Role::OneHot(places), _) => {
            let names: Vec<String> = places.iter().map(|place| headers[*place].clone()).collect();
            Column::Texts(Texts::known(&names, true))
        }
        (Role::Category, _) => {
            let texts = Texts::distinct(&plan.name, texts(), config.as_written)?;
            let (column, categories) = (plan.name.clone(), texts.names().len());
            match categories > MOST_CATEGORIES {
                true => {
                    let most = MOST_CATEGORIES;
                    return Err(TableError::TooManyCategories { column, categories, most });
                }
                false => Column::Texts(texts),
            }
        }
    })
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
        ErrorKind::Utf8 { pos, .. } => TableError::NotUtf8 {
            table: table.into(),
            line: pos.as_ref().map_or(1, csv::Position::line),
        }
        .into(),
        _ => DataError::format(Path::new(table), error),
    }
}
