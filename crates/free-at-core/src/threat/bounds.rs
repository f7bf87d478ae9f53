//! The range that inputs must stay in.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The values an input may take. An adversarial example stays inside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bounds {
    /// Any value.
    None,
    /// Every feature between `low` and `high`.
    Range {
        /// Lower bound; `-∞` where there is none.
        #[serde(with = "open::below")]
        low: f32,
        /// Upper bound; `∞` where there is none.
        #[serde(with = "open::above")]
        high: f32,
    },
    /// Each feature between its own bounds: one value per feature of a sample, row-major.
    PerFeature {
        /// Lower bounds; `-∞` where there is none.
        #[serde(with = "open::all_below")]
        low: Vec<f32>,
        /// Upper bounds; `∞` where there is none.
        #[serde(with = "open::all_above")]
        high: Vec<f32>,
    },
}

impl Default for Bounds {
    /// Those of an image: every feature in [0, 1].
    fn default() -> Self {
        Self::Range { low: 0.0, high: 1.0 }
    }
}

impl Bounds {
    /// The bounds of feature `index`; infinite where there are none.
    pub fn of_feature(&self, index: usize) -> (f32, f32) {
        const OPEN: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);
        match self {
            Self::None => OPEN,
            Self::Range { low, high } => (*low, *high),
            Self::PerFeature { low, high } => {
                low.get(index).zip(high.get(index)).map_or(OPEN, |(low, high)| (*low, *high))
            }
        }
    }

    /// Accepts bounds with low < high throughout.
    ///
    /// # Errors
    /// [`Error::Bounds`] for the first feature where this is not so, [`Error::FeatureCount`] if
    /// there are more lower than upper bounds or fewer.
    pub fn check(&self) -> Result<(), Error> {
        let ordered = |low: f32, high: f32, feature| match low < high {
            true => Ok(()),
            false => Err(Error::Bounds { low, high, feature }),
        };
        match self {
            Self::None => Ok(()),
            Self::Range { low, high } => ordered(*low, *high, None),
            Self::PerFeature { low, high } if low.len() != high.len() => Err(Error::FeatureCount {
                what: "the upper bound",
                expected: low.len(),
                found: high.len(),
            }),
            Self::PerFeature { low, high } => low
                .iter()
                .zip(high)
                .enumerate()
                .try_for_each(|(i, (low, high))| ordered(*low, *high, Some(i))),
        }
    }
}

/// JSON has no infinity: a bound that is not there is written as null.
mod open {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    fn closed(bound: &f32) -> Option<f32> {
        bound.is_finite().then_some(*bound)
    }

    macro_rules! side {
        ($one:ident, $all:ident, $infinity:expr) => {
            pub(super) mod $one {
                use super::*;

                pub(crate) fn serialize<S: Serializer>(b: &f32, to: S) -> Result<S::Ok, S::Error> {
                    closed(b).serialize(to)
                }

                pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                    from: D,
                ) -> Result<f32, D::Error> {
                    Ok(Option::deserialize(from)?.unwrap_or($infinity))
                }
            }

            pub(super) mod $all {
                use super::*;

                pub(crate) fn serialize<S: Serializer>(
                    bounds: &[f32],
                    to: S,
                ) -> Result<S::Ok, S::Error> {
                    to.collect_seq(bounds.iter().map(closed))
                }

                pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                    from: D,
                ) -> Result<Vec<f32>, D::Error> {
                    let bounds = Vec::<Option<f32>>::deserialize(from)?;
                    Ok(bounds.into_iter().map(|bound| bound.unwrap_or($infinity)).collect())
                }
            }
        };
    }

    side!(below, all_below, f32::NEG_INFINITY);
    side!(above, all_above, f32::INFINITY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_are_not_there_survive_json() {
        let (low, high) = (vec![f32::NEG_INFINITY, 0.0], vec![1.0, f32::INFINITY]);
        let ranges = [
            Bounds::Range { low: 0.0, high: f32::INFINITY },
            Bounds::Range { low: f32::NEG_INFINITY, high: 0.1 },
            Bounds::PerFeature { low, high },
            Bounds::None,
        ];
        for bounds in ranges {
            let json = serde_json::to_string(&bounds).unwrap();
            assert_eq!(serde_json::from_str::<Bounds>(&json).unwrap(), bounds, "{json}");
        }
    }

    #[test]
    fn refuses_bounds_the_wrong_way_round() {
        let range = |low, high| Bounds::Range { low, high }.check();
        assert!(matches!(range(1.0, 0.0), Err(Error::Bounds { feature: None, .. })));
        assert!(matches!(range(0.0, f32::NAN), Err(Error::Bounds { .. })));
        let features = Bounds::PerFeature { low: vec![0.0, 2.0], high: vec![1.0, 1.0] };
        assert!(matches!(features.check(), Err(Error::Bounds { feature: Some(1), .. })));
        let uneven = Bounds::PerFeature { low: vec![0.0], high: vec![1.0, 1.0] };
        assert!(matches!(uneven.check(), Err(Error::FeatureCount { .. })));
    }
}
