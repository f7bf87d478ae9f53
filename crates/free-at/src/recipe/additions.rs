//! What a recipe adds to its method.

use std::fmt;

use free_at_core::train::Ema;
use serde::{Deserialize, Serialize};

use super::RecipeError;

/// What is added to a method, whatever the method; none of it costs a gradient. By default nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Additions {
    /// The share of every label that goes to all classes alike, from 0 to below 1; 0 for none. For
    /// [`Trainer::smoothing_labels`](crate::train::Trainer::smoothing_labels).
    pub label_smoothing: f64,
    /// The share of minibatches that are mixed by CutMix, from 0 to 1; 0 for none. For
    /// [`ImageDataset::with_cutmix`](crate::data::ImageDataset::with_cutmix).
    pub cutmix: f64,
    /// The decay of an average of the weights, from 0 to 1, which is what is kept; none if that is the last weights.
    pub ema: Option<f64>,
}

impl Additions {
    /// Accepts values in their ranges.
    ///
    /// # Errors
    /// [`RecipeError::Parameter`].
    pub fn check(&self) -> Result<(), RecipeError> {
        let Self { label_smoothing, cutmix, ema } = self;
        if !(0.0..1.0).contains(label_smoothing) {
            return Err(RecipeError::parameter(
                "label smoothing",
                "from 0 to below 1",
                label_smoothing,
            ));
        }
        if !(0.0..=1.0).contains(cutmix) {
            let what = "the share of minibatches that CutMix mixes";
            return Err(RecipeError::parameter(what, "0 to 1", cutmix));
        }
        match ema.filter(|decay| !(0.0..=1.0).contains(decay)) {
            Some(decay) => Err(RecipeError::parameter("the decay of the average", "0 to 1", decay)),
            None => Ok(()),
        }
    }

    /// The average of the weights to keep, if there is to be one.
    pub fn average(&self) -> Option<Ema> {
        self.ema.map(Ema::new)
    }
}

impl fmt::Display for Additions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label_smoothing, cutmix, ema } = self;
        let smoothing =
            (*label_smoothing > 0.0).then(|| format!("label smoothing {label_smoothing}"));
        let cutmix = (*cutmix > 0.0).then(|| format!("CutMix of {cutmix} of the minibatches"));
        let ema = ema.map(|decay| format!("weights averaged with decay {decay}"));
        let all: Vec<String> = [smoothing, cutmix, ema].into_iter().flatten().collect();
        f.write_str(&if all.is_empty() { "none".into() } else { all.join(", ") })
    }
}
