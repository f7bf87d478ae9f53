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

    /// A file that is something else.
    #[error("{table} is no table with a column for the classes: it looks like {looks}")]
    NotATable {
        /// The file.
        table: String,
        /// What it looks like, and what to do.
        looks: String,
    },

    /// Bytes that are no text in UTF-8.
    #[error(
        "{table}, line {line}: not UTF-8, as in Latin-1 or Windows' encodings: save it as UTF-8"
    )]
    NotUtf8 {
        /// The file.
        table: String,
        /// The line.
        line: u64,
    },

    /// A column without a name.
    #[error(
        "column {number} of {columns} of {table} has no name (its header is `{header}`), as an index has or what follows a comma at the end: name it, write the file without it (pandas: `index=False`), or leave out all such columns with `ignoring([\"\"])`"
    )]
    NoName {
        /// The file.
        table: String,
        /// Which, from 1.
        number: usize,
        /// Columns of the header.
        columns: usize,
        /// What stands there.
        header: String,
    },

    /// Columns that the table the model was trained on has not.
    #[error(
        "{table} has columns that the training table has not: {}. Leave them out with `ignoring`",
        columns.join(", ")
    )]
    UnknownColumns {
        /// The file.
        table: String,
        /// The columns.
        columns: Vec<String>,
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
        "{table}, line {line}: column `{column}` holds `{text}`, {expected} expected; {advice}"
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
        /// What to do.
        advice: &'static str,
    },

    /// A number in a column of truths.
    #[error(
        "{table}, line {line}: column `{column}` holds a number, but `True` or `False` elsewhere: write one of the two throughout, or name the column with `with_categories`"
    )]
    TruthsAndNumbers {
        /// The file.
        table: String,
        /// The first line with a number.
        line: u64,
        /// The column.
        column: String,
    },

    /// A number beyond single precision.
    #[error(
        "{table}, line {line}: column `{column}` holds `{text}`, beyond the largest number of single precision, 3.4e38: mark it as missing, or take another unit or the logarithm"
    )]
    OutOfRange {
        /// The file.
        table: String,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What is there.
        text: String,
    },

    /// A whole number that double precision does not keep.
    #[error(
        "{table}, line {line}: column `{column}` holds `{text}`, with more digits than double precision keeps, as an identifier has: leave it out with `ignoring`"
    )]
    TooManyDigits {
        /// The file.
        table: String,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What is there.
        text: String,
    },

    /// A value so far from the mean that single precision does not reach it in standard deviations.
    #[error(
        "{table}, line {line}: column `{column}` holds {value}, but standardised (mean {mean}, standard deviation {std}) single precision does not hold it: take another unit or the logarithm, or leave the column out with `ignoring`"
    )]
    FarOut {
        /// The file.
        table: String,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The value.
        value: f64,
        /// The mean of the training rows.
        mean: f64,
        /// Their standard deviation.
        std: f64,
    },

    /// Whole numbers too far from their mean for single precision to tell neighbours apart under attack.
    #[error(
        "{table}, line {line}: column `{column}` holds {value}, {far} from the mean; single precision carries whole numbers up to {most} from it one by one: take a larger unit (days in place of seconds), leave it out with `ignoring`, or out of `with_integers`"
    )]
    WholeNumbersTooFar {
        /// The file.
        table: String,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The value.
        value: f64,
        /// How far from the mean of the training rows.
        far: f64,
        /// How far it may be.
        most: f64,
    },

    /// A column whose values single precision does not tell apart: a few of them are very far from the others.
    #[error(
        "column `{column}`: {distinct} different values become {kept} in single precision once standardised, since a few are very far from the others (they go from {low} to {high}): mark those as missing, take the logarithm, or leave it out with `ignoring`"
    )]
    Blurred {
        /// The column.
        column: String,
        /// Values looked at.
        distinct: usize,
        /// Features that they become.
        kept: usize,
        /// The smallest value.
        low: f64,
        /// The largest value.
        high: f64,
    },

    /// A reach below what single precision tells apart in a column.
    #[error(
        "column `{column}` is carried in steps of up to {step} in single precision, too coarse for a reach of {reach}: take a larger unit, or leave it out with `ignoring`"
    )]
    ReachTooFine {
        /// The column.
        column: String,
        /// The reach asked for.
        reach: f64,
        /// The largest step between neighbouring values.
        step: f64,
    },

    /// Two classes or categories that are one, written in two ways.
    #[error(
        "column `{column}` holds `{one}` and `{other}`, which are equal as numbers or but for case: write one of them throughout, or take texts as they are with `with_texts_as_written`"
    )]
    SameTexts {
        /// The column.
        column: String,
        /// The one.
        one: String,
        /// The other.
        other: String,
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

    /// A label column in which most rows have a class of their own.
    #[error(
        "the label column `{column}` has {classes} classes in {rows} rows: numbers to predict rather than classes? Write classes, or train on numbers with `Batch::of_numbers`"
    )]
    TooManyClasses {
        /// The column.
        column: String,
        /// Classes found.
        classes: usize,
        /// Rows found.
        rows: usize,
    },

    /// A column of more categories than features can be made of.
    #[error(
        "column `{column}` has {categories} categories, at most {most} expected, since each is a feature: names or identifiers? Leave it out with `ignoring`, or group them"
    )]
    TooManyCategories {
        /// The column.
        column: String,
        /// Categories found.
        categories: usize,
        /// How many there may be.
        most: usize,
    },

    /// A split that leaves nothing to train on.
    #[error("holding out {held_out} of {rows} rows leaves none to train on: hold out fewer")]
    NothingLeft {
        /// Rows there are.
        rows: usize,
        /// Rows to be held out.
        held_out: usize,
    },

    /// A split whose training rows are of one class.
    #[error(
        "the {rows} rows that are left to train on are all of class `{class}`: hold out fewer, or draw others by another seed"
    )]
    OneClassLeft {
        /// The class.
        class: String,
        /// Rows left.
        rows: usize,
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
