//! A table as its file has it.

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Number,
    Integer,
    Category(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Values, row by row: numbers, categories by their position, NaN where there is none.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) name: String,
    pub(crate) columns: Vec<RawColumn>,
    pub(crate) values: Vec<f64>,
    pub(crate) labels: Vec<usize>,
    pub(crate) classes: Vec<String>,
    /// Where each row is in the file.
    pub(crate) lines: Vec<u64>,
}

impl Raw {
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        let width = self.columns.len();
        &self.values[row * width..][..width]
    }
}
