//! What randomised smoothing is done with.

use free_at_core::{Epsilon, Error, Norm};
use serde::{Deserialize, Serialize};

use super::report::{CertificateReport, Certifier};

/// The certificates of [`Smoothing`].
pub type SmoothingReport = CertificateReport<Smoothing>;

/// Randomised smoothing: certifies the classifier that says what the model says most often of an input with normal
/// noise. Within the certified L2 radius of an input no perturbation whatever changes its answer.
///
/// Cohen, Rosenfeld, Kolter, "Certified adversarial robustness via randomized smoothing", ICML 2019, `Certify`: the class
/// is chosen by a first set of draws; by a second one its probability is at least p with confidence 1 − α (Clopper and
/// Pearson); the radius is σ Φ⁻¹(p), or the classifier abstains where p is not above 1/2. It certifies the *smoothed*
/// classifier, which is not the model: train the model with noise of about σ, or it knows nothing in it.
///
/// Noise leaves the bounds of the inputs, as in the paper's program. It is keyed by seed, sample and draw, so a certificate
/// does not depend on the batch.
///
/// ```
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::data::{dataloader::{DataLoaderBuilder, batcher::Batcher}, dataset::InMemDataset};
/// # use burn::tensor::{Device, Int, Tensor};
/// use free_at_attacks::Smoothing;
/// use free_at_core::{Batch, Classifier, Epsilon};
/// # #[derive(Module, Debug)]
/// # struct Model { linear: Linear }
/// # impl Classifier<2> for Model {
/// #     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> { self.linear.forward(inputs) }
/// # }
/// # #[derive(Clone)]
/// # struct Rows;
/// # impl Batcher<i32, Batch<2>> for Rows {
/// #     fn batch(&self, items: Vec<i32>, device: &Device) -> Batch<2> {
/// #         let labels = Tensor::<1, Int>::from_data(items.as_slice(), device);
/// #         Batch::new(Tensor::ones([items.len(), 4], device), labels).unwrap()
/// #     }
/// # }
/// # let model = Model { linear: LinearConfig::new(4, 3).init(&Device::flex()) };
/// # let test = DataLoaderBuilder::new(Rows).batch_size(2).build(InMemDataset::new(vec![0, 1, 2]));
/// let certified = Smoothing::new(Epsilon::unit(0.25)).with_estimation(1_000).certify(&model, &*test)?;
/// println!("{certified}");
/// assert!(certified.certified_at(0.5) <= certified.accuracy());
/// # Ok::<(), free_at_attacks::EvaluationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Smoothing {
    pub(super) sigma: Epsilon,
    pub(super) selection: usize,
    pub(super) estimation: usize,
    pub(super) failure: f64,
    pub(super) seed: u64,
}

impl Smoothing {
    /// Noise of this standard deviation, in the unit of the inputs; 100 draws to choose a class, 100,000 for its
    /// probability, α = 0.001: the paper's.
    pub fn new(sigma: Epsilon) -> Self {
        Self { sigma, selection: 100, estimation: 100_000, failure: 0.001, seed: 0 }
    }

    /// Draws that choose the class, n₀; at least 1. Default: 100.
    #[must_use]
    pub fn with_selection(mut self, draws: usize) -> Self {
        self.selection = draws;
        self
    }

    /// Draws that bound its probability, n; at least 1. Fewer are faster and give smaller radii: 1,000 reach 2.5 σ at
    /// most, 100,000 3.8 σ. Default: 100,000.
    #[must_use]
    pub fn with_estimation(mut self, draws: usize) -> Self {
        self.estimation = draws;
        self
    }

    /// α, the probability that a sample's certificate is wrong; above 0 and below 1/2. Default: 0.001.
    #[must_use]
    pub fn with_failure(mut self, failure: f64) -> Self {
        self.failure = failure;
        self
    }

    /// The seed of the noise. Default: 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The standard deviation of the noise.
    pub fn sigma(&self) -> f64 {
        self.sigma.value()
    }

    /// Accepts values in their ranges.
    ///
    /// # Errors
    /// [`Error::AttackParameter`].
    pub fn check(&self) -> Result<(), Error> {
        let refused = |parameter, allowed, value| {
            Err(Error::AttackParameter {
                attack: "randomised smoothing",
                parameter,
                allowed,
                value,
            })
        };
        let sigma = self.sigma.value();
        if !(sigma.is_finite() && sigma > 0.0) {
            return refused("sigma", "finite and above 0", sigma);
        }
        for (parameter, draws) in [
            ("the number of draws that choose a class", self.selection),
            ("the number of draws that bound its probability", self.estimation),
        ] {
            if draws == 0 {
                return refused(parameter, "at least 1", 0.0);
            }
        }
        match self.failure > 0.0 && self.failure < 0.5 {
            true => Ok(()),
            false => refused("the probability of failure", "above 0 and below 1/2", self.failure),
        }
    }
}

impl Certifier for Smoothing {
    fn heading(&self) -> String {
        format!("randomised smoothing, σ = {}", self.sigma())
    }

    fn norm(&self) -> Norm {
        Norm::L2
    }

    fn shown(&self) -> Vec<f64> {
        [0.0, 0.25, 0.5, 1.0, 2.0].map(|share| share * self.sigma()).to_vec()
    }
}
