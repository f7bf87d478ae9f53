//! Texts that name classes and categories: each once, in order, and none of them another way of writing another.

use std::collections::{BTreeMap, BTreeSet};

use super::error::TableError;

/// The texts of a column.
pub(super) struct Texts {
    /// By value if all are numbers, else by letters.
    sorted: Vec<String>,
    /// Where each is, as it is and by what it means.
    places: BTreeMap<String, usize>,
    as_written: bool,
}

impl Texts {
    /// Of a column. Texts that mean the same are refused, unless they are taken `as_written`.
    pub(super) fn distinct<'a>(
        column: &str,
        texts: impl Iterator<Item = &'a str>,
        as_written: bool,
    ) -> Result<Self, TableError> {
        let sorted = sorted(texts);
        let mut first = BTreeMap::new();
        for text in sorted.iter().filter(|_| !as_written) {
            if let Some(one) = first.insert(meaning(text), text) {
                let (one, other) = (one.clone(), text.clone());
                return Err(TableError::SameTexts { column: column.into(), one, other });
            }
        }
        Ok(Self::known(&sorted, as_written))
    }

    /// Of a table that was read before.
    pub(super) fn known(sorted: &[String], as_written: bool) -> Self {
        let mut places = BTreeMap::new();
        for (at, text) in sorted.iter().enumerate() {
            if !as_written {
                places.entry(meaning(text)).or_insert(at);
            }
        }
        // After what it means: a text that is there as it is stands for itself.
        places.extend(sorted.iter().enumerate().map(|(at, text)| (text.clone(), at)));
        Self { sorted: sorted.to_vec(), places, as_written }
    }

    /// Where a text is.
    pub(super) fn position(&self, text: &str) -> Option<usize> {
        let by_meaning = || match self.as_written {
            true => None,
            false => self.places.get(&meaning(text)),
        };
        self.places.get(text).or_else(by_meaning).copied()
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.sorted
    }

    pub(super) fn names(&self) -> &[String] {
        &self.sorted
    }
}

/// What a text means, whichever way it is written: a number, or letters of either case.
fn meaning(text: &str) -> String {
    /// Whole numbers beyond are not all told apart in double precision.
    const MOST: f64 = (1u64 << 53) as f64;
    if let Ok(whole) = text.parse::<i128>() {
        return whole.to_string();
    }
    match text.parse::<f64>() {
        Ok(number) if number.abs() < MOST => (number + 0.0).to_string(), // −0 is 0
        _ => text.to_lowercase(),
    }
}

fn sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let unique: BTreeSet<&str> = texts.collect();
    let numbers: Option<Vec<f64>> = unique.iter().map(|text| text.parse().ok()).collect();
    let mut texts: Vec<String> = unique.into_iter().map(str::to_string).collect();
    if let Some(numbers) = numbers {
        let mut both: Vec<(f64, String)> = numbers.into_iter().zip(texts).collect();
        both.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        texts = both.into_iter().map(|(_, text)| text).collect();
    }
    texts
}
