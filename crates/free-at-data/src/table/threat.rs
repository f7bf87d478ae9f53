//! The threat model of a table, by the names of its columns.

use free_at_core::{Bounds, Direction, FeatureRules, Relation, ThreatModel};

use super::encoding::{Column, ColumnKind};
use super::relation::Named;
use crate::{DataError, Table, TableError};

/// What an adversary may do to the rows of a [`Table`], column by column: from [`Table::threat`].
///
/// ε counts in standard deviations of each column; of what is asked for a column the last counts. Whole numbers move in whole numbers, and categories to
/// any other category of their column, whatever ε is, unless they are frozen.
///
/// ```
/// use free_at_core::{Epsilon, ThreatModel};
/// use free_at_data::breast_cancer;
///
/// let (train, test) = breast_cancer::table()?.split(114, 0)?;
/// let threat = train
///     .threat(ThreatModel::linf(Epsilon::unit(0.3)))
///     .freezing("mean texture")
///     .only_down("mean radius")
///     .with_reach("mean area", 20.0)              // at most 20, in the column's own unit
///     .within("mean smoothness", 0.05, 0.17)
///     .build()?;
/// assert_eq!(threat.scale().map(<[f32]>::len), Some(train.features()));
/// # Ok::<(), free_at_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TableThreat<'a> {
    table: &'a Table,
    threat: ThreatModel,
    scale: Vec<f32>,
    low: Vec<f32>,
    high: Vec<f32>,
    directions: Vec<Option<Direction>>,
    relations: Vec<Named>,
    /// The first thing that was asked for in vain.
    refused: Option<TableError>,
}

impl Table {
    /// The threat model for these rows, by the names of the columns: `threat` gives the norm and ε, which
    /// counts in standard deviations.
    pub fn threat(&self, threat: ThreatModel) -> TableThreat<'_> {
        TableThreat::new(self, threat)
    }
}

impl<'a> TableThreat<'a> {
    pub(super) fn new(table: &'a Table, threat: ThreatModel) -> Self {
        let features = table.features();
        Self {
            table,
            threat,
            scale: vec![1.0; features],
            low: vec![f32::NEG_INFINITY; features],
            high: vec![f32::INFINITY; features],
            directions: vec![None; features],
            relations: Vec::new(),
            refused: None,
        }
    }

    /// The column cannot change.
    #[must_use]
    pub fn freezing(self, column: &str) -> Self {
        self.change(column, |this, column| {
            this.scale[column.features()].fill(0.0);
            Ok(())
        })
    }

    /// All columns of categories cannot change, as L2 needs it.
    #[must_use]
    pub fn freezing_categories(mut self) -> Self {
        let is_category = |column: &&Column| matches!(column.kind, ColumnKind::Category { .. });
        for column in self.table.columns().iter().filter(is_category) {
            self.scale[column.features()].fill(0.0);
        }
        self
    }

    /// The column can only rise.
    #[must_use]
    pub fn only_up(self, column: &str) -> Self {
        self.one_way(column, Direction::Up)
    }

    /// The column can only fall.
    #[must_use]
    pub fn only_down(self, column: &str) -> Self {
        self.one_way(column, Direction::Down)
    }

    /// The budget of the column, in its own unit, in place of ε standard deviations: no row of the table moves by more,
    /// in double precision. (For L2, that of a perturbation of this column alone.) A column whose values single precision does not
    /// carry so finely is [refused](TableError::ReachTooFine).
    #[must_use]
    pub fn with_reach(self, column: &str, reach: f64) -> Self {
        self.change(column, |this, column| {
            let (_, _, std) = column.number()?;
            let reach = match column.kind() {
                // Between two steps, so that no rounding adds or takes one.
                ColumnKind::Integer { .. } if reach >= 1.0 => (reach.floor() + 0.25) / std,
                ColumnKind::Integer { .. } if reach >= 0.0 => 0.0,
                _ => this.table.kept_within(column, reach)?,
            };
            let scale = reach / this.threat.epsilon().value();
            this.scale[column.features()].fill(scale as f32);
            Ok(())
        })
    }

    /// The column stays from `low` to `high`, in its own unit: what an attack makes of a row decodes to a number within them.
    /// Rows must be in there to begin with.
    #[must_use]
    pub fn within(self, column: &str, low: f64, high: f64) -> Self {
        self.change(column, |this, column| {
            let (low, high) = this.table.limits(column, low, high)?;
            this.low[column.features()].fill(low);
            this.high[column.features()].fill(high);
            Ok(())
        })
    }

    /// Every column of numbers stays within what the training rows have, and within narrower limits that
    /// were given before. Rows beyond that, of the test set say, are refused by an evaluation.
    #[must_use]
    pub fn within_observed(mut self) -> Self {
        for column in self.table.columns() {
            let feature = column.features.start;
            let observed =
                (column.standardized(column.observed.0), column.standardized(column.observed.1));
            if let (Some(low), Some(high)) = observed {
                self.low[feature] = self.low[feature].max(low);
                self.high[feature] = self.high[feature].min(high);
            }
        }
        self
    }

    /// The value of `column` is at most that of `other`, what was paid back and what was lent: every row that a model sees
    /// keeps it. The rows of the table have to, to a hundredth of a standard deviation.
    #[must_use]
    pub fn at_most(self, column: &str, other: &str) -> Self {
        self.limiting([(column, 1.0), (other, -1.0)], 0.0)
    }

    /// Σ factor · value over these columns is at most `most`.
    #[must_use]
    pub fn limiting<const N: usize>(self, terms: [(&str, f64); N], most: f64) -> Self {
        let limit = Named::limit(self.table, &terms, most);
        self.relate(limit)
    }

    /// The value of `column` is the sum of those of `parts`, and follows from them.
    #[must_use]
    pub fn adding_up<const N: usize>(self, column: &str, parts: [&str; N]) -> Self {
        let sum = Named::sum(self.table, column, &parts);
        self.relate(sum)
    }

    /// The value of `column` is that of `above` over that of `below`, and follows from them.
    #[must_use]
    pub fn dividing(self, column: &str, above: &str, below: &str) -> Self {
        let ratio = Named::ratio(self.table, column, above, below);
        self.relate(ratio)
    }

    fn relate(mut self, relation: Result<Named, TableError>) -> Self {
        match relation {
            Ok(relation) => self.relations.push(relation),
            Err(refused) => self.refused = self.refused.or(Some(refused)),
        }
        self
    }

    /// The threat model for rows of the table.
    ///
    /// # Errors
    /// [`DataError::Table`] for a column that is not there, or has no such rule, and for a row of the table that breaks a
    /// relation; [`DataError::Core`] for a
    /// threat model that cannot be: an ε, bounds, a scale, or categories in L2 that are not frozen.
    pub fn build(self) -> Result<ThreatModel, DataError> {
        if let Some(refused) = self.refused {
            return Err(refused.into());
        }
        for named in &self.relations {
            named.check(self.table)?;
            self.check_follower(&named.relation)?;
        }
        let mut rules = FeatureRules::new(self.table.features());
        let follows =
            |feature| self.relations.iter().any(|named| named.relation.follows() == Some(feature));
        for column in self.table.columns() {
            let features = column.features();
            match column.kind() {
                ColumnKind::Category { .. } => rules = rules.with_categories(features.collect()),
                ColumnKind::Integer { std, .. } if !follows(features.start) => {
                    rules = rules.with_step(features.start, (1.0 / std) as f32);
                }
                ColumnKind::Integer { .. } | ColumnKind::Number { .. } => {}
            }
        }
        for (feature, direction) in self.directions.into_iter().enumerate() {
            if let Some(direction) = direction {
                rules = rules.with_direction(feature, direction);
            }
        }
        for named in self.relations {
            rules = rules.with_relation(named.relation);
        }
        let open = self.low.iter().chain(&self.high).all(|limit| limit.is_infinite());
        let bounds = match open {
            true => Bounds::None,
            false => Bounds::PerFeature { low: self.low, high: self.high },
        };
        let threat = self.threat.with_bounds(bounds).with_scale(self.scale).with_rules(rules);
        threat.check()?;
        Ok(threat)
    }

    /// Refuses to freeze what would move all the same, with what it follows from.
    fn check_follower(&self, relation: &Relation) -> Result<(), TableError> {
        let is_frozen = |feature: usize| self.scale[feature] == 0.0;
        let moves = !relation.parts().into_iter().all(is_frozen);
        let Some(follower) = relation.follows().filter(|at| moves && is_frozen(*at)) else {
            return Ok(());
        };
        let mut columns = self.table.columns().iter();
        let column = columns.find(|column| column.features().contains(&follower));
        Err(TableError::Rule {
            column: column.map_or_else(String::new, |column| column.name().to_string()),
            kind: "those that follow from others",
            reason: "freeze what it follows from, too, or leave the relation out",
        })
    }

    fn one_way(self, column: &str, direction: Direction) -> Self {
        self.change(column, |this, column| match column.kind() {
            ColumnKind::Category { .. } => Err(column.not_for_categories()),
            _ => {
                this.directions[column.features.start] = Some(direction);
                Ok(())
            }
        })
    }

    fn change(
        mut self,
        column: &str,
        change: impl FnOnce(&mut Self, &'a Column) -> Result<(), TableError>,
    ) -> Self {
        let table = self.table;
        let done = table.column(column).and_then(|column| change(&mut self, column));
        if let (None, Err(refused)) = (&self.refused, done) {
            self.refused = Some(refused);
        }
        self
    }
}
