//! What holds between the columns of a table, by their names.

use free_at_core::{Affine, Relation};

use crate::{Table, TableError};

/// How far a row may be from keeping a relation, in standard deviations: values that follow from others are rounded in files.
const ROUNDED: f64 = 0.01;

/// A relation, and how it is written.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) relation: Relation,
    text: String,
}

impl Named {
    /// Σ factor · value ≤ most.
    pub(super) fn limit(
        table: &Table,
        terms: &[(&str, f64)],
        most: f64,
    ) -> Result<Self, TableError> {
        let names: Vec<String> =
            terms.iter().map(|(name, factor)| format!("{factor} · {name}")).collect();
        let (constant, terms) = in_values(table, terms)?;
        // In the unit of the standard deviations of all of it.
        let spread = terms.iter().map(|(_, factor)| factor.abs()).sum::<f64>();
        let sum = Affine::new((constant - most) / spread, over(terms, spread));
        let text = format!("{} ≤ {most}", names.join(" + "));
        Ok(Self { relation: Relation::AtMostZero(sum), text })
    }

    /// column = Σ parts.
    pub(super) fn sum(table: &Table, column: &str, parts: &[&str]) -> Result<Self, TableError> {
        let (feature, mean, std) = table.column(column)?.number()?;
        let terms: Vec<(&str, f64)> = parts.iter().map(|part| (*part, 1.0)).collect();
        let (constant, terms) = in_values(table, &terms)?;
        let value = Affine::new((constant - mean) / std, over(terms, std));
        let text = format!("{column} = {}", parts.join(" + "));
        Ok(Self { relation: Relation::Sum { feature, value }, text })
    }

    /// column = above / below.
    pub(super) fn ratio(
        table: &Table,
        column: &str,
        above: &str,
        below: &str,
    ) -> Result<Self, TableError> {
        let (feature, mean, std) = table.column(column)?.number()?;
        let text = format!("{column} = {above} / {below}");
        let part = |name, unit| {
            let (constant, terms) = in_values(table, &[(name, 1.0)])?;
            Ok::<_, TableError>(Affine::new(constant / unit, over(terms, unit)))
        };
        let (above, below) = (part(above, std)?, part(below, 1.0)?);
        Ok(Self { relation: Relation::Ratio { feature, above, below, shift: -mean / std }, text })
    }

    /// Accepts a table whose rows keep it.
    pub(super) fn check(&self, table: &Table) -> Result<(), TableError> {
        for row in 0..table.len() {
            let Some((features, _)) = table.row(row) else { continue };
            let by = self.relation.broken_by(features);
            if by > ROUNDED {
                return Err(TableError::RelationBroken { relation: self.text.clone(), row, by });
            }
        }
        Ok(())
    }
}

/// Σ factor · value as a constant and factors of features.
fn in_values(table: &Table, terms: &[(&str, f64)]) -> Result<(f64, Vec<(usize, f64)>), TableError> {
    let (mut constant, mut factors) = (0.0, Vec::new());
    for &(name, factor) in terms {
        let (feature, mean, std) = table.column(name)?.number()?;
        constant += factor * mean;
        factors.push((feature, factor * std));
    }
    Ok((constant, factors))
}

fn over(terms: Vec<(usize, f64)>, unit: f64) -> impl Iterator<Item = (usize, f64)> {
    terms.into_iter().map(move |(feature, factor)| (feature, factor / unit))
}
