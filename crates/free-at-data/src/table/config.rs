//! What the columns of a CSV file are.

/// What to do about values that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// The file is refused.
    #[default]
    Refuse,
    /// Rows without one of their values are left out. Rows without a label always are, unless refused.
    DropRows,
    /// The mean of the column, rounded for whole numbers, or its most frequent category; of the training
    /// rows, once the table is [split](crate::Table::split).
    Fill,
}

/// What the columns of a CSV file with a header are: the label, numbers, whole numbers, categories.
///
/// ```
/// use free_at_data::TableConfig;
///
/// let csv = "age,job,income,bought\n31,clerk,40.5,no\n45,smith,51,yes\n28,clerk,39,no\n60,nurse,48.2,yes\n";
/// let table = TableConfig::new("bought")
///     .with_integers(["age"])
///     .with_categories(["job"])
///     .read(csv.as_bytes(), "customers")?;
/// assert_eq!((table.len(), table.features(), table.classes()), (4, 5, 2));
/// assert_eq!(table.feature_names()[1], "job = clerk");
/// # Ok::<(), free_at_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TableConfig {
    pub(super) label: String,
    pub(super) integers: Vec<String>,
    pub(super) categories: Vec<String>,
    /// Groups of columns that are 0 or 1, with their names.
    pub(super) one_hot: Vec<(String, Vec<String>)>,
    pub(super) ignored: Vec<String>,
    pub(super) missing: Missing,
    pub(super) marks: Vec<String>,
    pub(super) delimiter: u8,
    pub(super) decimal_comma: bool,
    pub(super) as_written: bool,
}

fn owned<S: Into<String>>(names: impl IntoIterator<Item = S>) -> impl Iterator<Item = String> {
    names.into_iter().map(Into::into)
}

impl TableConfig {
    /// A file whose column `label` holds the classes, as text or numbers, and whose other columns hold
    /// numbers, or `True` and `False` throughout, which are two categories.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            integers: Vec::new(),
            categories: Vec::new(),
            one_hot: Vec::new(),
            ignored: Vec::new(),
            missing: Missing::default(),
            marks: owned(["", "?", "NA", "NaN", "nan"]).collect(),
            delimiter: b',',
            decimal_comma: false,
            as_written: false,
        }
    }

    /// Columns of whole numbers, which an adversary changes in whole numbers.
    #[must_use]
    pub fn with_integers<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.integers.extend(owned(names));
        self
    }

    /// Columns of categories: each value, a text or a number, is a feature of its own that is 1 where the
    /// column has it and 0 elsewhere.
    #[must_use]
    pub fn with_categories<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.categories.extend(owned(names));
        self
    }

    /// Columns that are the categories of one property already: exactly one of them is 1, or `True`, in each row.
    #[must_use]
    pub fn with_one_hot<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        self.one_hot.push((name.into(), owned(columns).collect()));
        self
    }

    /// Columns that are left out, such as identifiers. `""` stands for those without a name, such as the index that
    /// pandas writes.
    #[must_use]
    pub fn ignoring<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.ignored.extend(owned(names));
        self
    }

    /// What to do about values that are not there. Default: [`Missing::Refuse`].
    #[must_use]
    pub fn with_missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// The texts that stand for a value that is not there. Default: nothing, `?`, `NA`, `NaN`, `nan`.
    #[must_use]
    pub fn with_missing_marks<S: Into<String>>(
        mut self,
        marks: impl IntoIterator<Item = S>,
    ) -> Self {
        self.marks = owned(marks).collect();
        self
    }

    /// What separates values. Default: a comma.
    #[must_use]
    pub fn with_delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Numbers have a comma where others have a point, `3,14`, as with `;` for a delimiter. Default: a point.
    #[must_use]
    pub fn with_decimal_comma(mut self) -> Self {
        self.decimal_comma = true;
        self
    }

    /// Classes and categories that are equal as numbers (`1`, `1.0`, `01`) or but for case (`Yes`, `yes`) are
    /// different ones: alleles, or postcodes. Default: such a column is refused, since one of them is most often a slip.
    #[must_use]
    pub fn with_texts_as_written(mut self) -> Self {
        self.as_written = true;
        self
    }
}
