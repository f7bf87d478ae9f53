//! Limits in the unit of a column as limits of features, which have single precision: never beyond what was asked for.

use super::encoding::{Column, ColumnKind};
use super::{Table, TableError};

impl Table {
    /// The lowest and the highest feature of a column of numbers whose values are within `low` and `high`.
    pub(super) fn limits(
        &self,
        column: &Column,
        low: f64,
        high: f64,
    ) -> Result<(f32, f32), TableError> {
        let whole = matches!(column.kind(), ColumnKind::Integer { .. });
        let (low, high) = if whole { (low.ceil(), high.floor()) } else { (low, high) };
        let feature = |value| column.standardized(value).ok_or_else(|| column.not_for_categories());
        let (lowest, highest) = (feature(low)?, feature(high)?);
        // Standardising rounds either way.
        let beyond = |feature: f32, is: &dyn Fn(f64) -> bool| {
            feature.is_finite() && is(self.number(column, feature))
        };
        let lowest = match beyond(lowest, &|value| value < low) {
            true => lowest.next_up(),
            false => lowest,
        };
        let highest = match beyond(highest, &|value| value > high) {
            true => highest.next_down(),
            false => highest,
        };
        Ok((lowest, highest))
    }

    /// How far a feature of a column of numbers may move for its value to move by `reach` at most, whatever rounds.
    pub(super) fn kept_within(&self, column: &Column, reach: f64) -> Result<f64, TableError> {
        /// Neighbouring features that a move may be off by: half of one each for standardising the value, for adding to it and
        /// for decoding the sum, and one for the product of scale and ε.
        const OFF: f64 = 3.0;
        /// The largest share of the reach that this may cost.
        const SHARE: f64 = 0.25;
        let (_, _, std) = column.number()?;
        let moved = reach / std;
        let step =
            (f64::from(self.features.largest(column)) + moved.abs()) * f64::from(f32::EPSILON);
        match moved > 0.0 && OFF * step > SHARE * moved {
            true => {
                let (column, step) = (column.name().to_string(), std * step);
                Err(TableError::ReachTooFine { column, reach, step })
            }
            false if moved > 0.0 => Ok(moved - OFF * step),
            false => Ok(moved), // 0, or no reach at all, which the threat model refuses
        }
    }
}
