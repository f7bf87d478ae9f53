//! Tables that are not what they should be.

/// Why a table was refused. Lines are those of the file, the header being line 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A column that is named but not there.
    #[error("{table} has no column `{column}`: it has {}", found.join(", "))]
    NoSuchColumn {
        /// The file or table.
        table: String,
        /// The column named.
        column: String,
        /// The columns there are.
        found: Vec<String>,
    },

    /// Two columns, or a column and a group of columns, of one name.
    #[error("{table} has two columns `{column}`: rename one, or the group")]
    DuplicateColumn {
        /// The file.
        table: String,
        /// The name.
        column: String,
    },

    /// A column with two kinds, or in two groups.
    #[error(
        "column `{column}` is named twice: a column is the label, left out, whole numbers, categories or part of one group"
    )]
    Overlap {
        /// The column.
        column: String,
    },

    /// Text in a column of numbers.
    #[error(
        "{table}, line {line}: column `{column}` holds `{text}`, {expected} expected; name the column with `with_categories` or `ignoring`"
    )]
    NotANumber {
        /// The file.
        table: String,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What is there.
        text: String,
        /// What should be.
        expected: &'static str,
    },

    /// A value that is not there.
    #[error(
        "{table}, line {line}: column `{column}` has no value; choose `Missing::DropRows` or `Missing::Fill`"
    )]
    Missing {
        /// The file.
        table: String,
        /// The line.
        line: u64,
        /// The column.
        column: String,
    },

    /// A row that breaks a relation between columns before anybody has moved it.
    #[error(
        "row {row} of the table (from 0 on) breaks `{relation}` by {by:.3} standard deviations: leave the relation out, or the row"
    )]
    RelationBroken {
        /// What was asked for.
        relation: String,
        /// The row.
        row: usize,
        /// By how much, in standard deviations.
        by: f64,
    },

    /// A row of another length than the header.
    #[error("{table}, line {line}: {found} values, {expected} expected")]
    Ragged {
        /// The file.
        table: String,
        /// The line.
        line: u64,
        /// Columns of the header.
        expected: u64,
        /// Values found.
        found: u64,
    },

    /// A group of columns of which not exactly one is 1.
    #[error(
        "{table}, line {line}: of the columns of `{group}` exactly one must be 1, the others 0"
    )]
    NotOneHot {
        /// The file.
        table: String,
        /// The line.
        line: u64,
        /// The group's name.
        group: String,
    },

    /// A category or class that the table the model was trained on has not.
    #[error(
        "{table}, line {line}: column `{column}` holds `{value}`, which the training table has not"
    )]
    UnknownCategory {
        /// The file.
        table: String,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The category.
        value: String,
    },

    /// A column with one value throughout.
    #[error(
        "column `{column}` is {value} in every row, so it tells nothing and has no spread: leave it out with `ignoring`"
    )]
    Constant {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },

    /// A label column with fewer than two classes.
    #[error("the label column `{column}` has {found} class, at least 2 expected")]
    OneClass {
        /// The column.
        column: String,
        /// Classes found.
        found: usize,
    },

    /// A table without a column to learn from.
    #[error("{table} has no column but the label and those left out")]
    NoColumns {
        /// The file.
        table: String,
    },

    /// A column of another kind than in the table the model was trained on.
    #[error(
        "column `{column}` of {table} holds another kind of values than that of the training table: read both with one `TableConfig`"
    )]
    OtherKind {
        /// The file.
        table: String,
        /// The column.
        column: String,
    },

    /// A rule that a column of this kind cannot have.
    #[error("column `{column}` is one of {kind}: {reason}")]
    Rule {
        /// The column.
        column: String,
        /// What it holds.
        kind: &'static str,
        /// Why not.
        reason: &'static str,
    },
}
