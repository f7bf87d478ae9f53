//! The trainer by the names of its methods.

use burn::backend::Dispatch;

use super::method::adversarial::AdversarialConfig;
use super::method::fast::FastConfig;
use super::method::free::FreeConfig;
use super::method::mart::MartConfig;
use super::method::mep::MepConfig;
use super::method::n_fgsm::NoiseFgsmConfig;
use super::method::standard::StandardConfig;
use super::method::trades::TradesConfig;
use super::trainer::Trainer;

/// Trains with Free-m: each minibatch is replayed m times, and the one backward pass of each
/// replay moves both the parameters and a perturbation that carries over to the next minibatch.
///
/// Robustness close to K-PGD training's at the price of ordinary training. Pass the data over
/// [`passes`](Trainer::passes)`(n)` times, n / m, for as many optimiser steps as n ordinary epochs.
///
/// `B` is the backend, as a `HashMap` has a hasher: left out, any [`Device`] will do at run time;
/// named, a device of another backend does not compile.
///
/// ```
/// use burn::backend::{Autodiff, Flex};
/// use burn::tensor::Device;
/// use free_at_core::train::{FreeAdversarialTrainer, FreeConfig};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let config = FreeConfig::new(ThreatModel::linf(Epsilon::pixels(8.0))).with_replays(8);
/// let trainer = FreeAdversarialTrainer::new(config.clone(), Device::flex())?;
/// let pinned = FreeAdversarialTrainer::<Autodiff<Flex>>::on(config, Default::default())?;
/// assert_eq!((trainer.replays(), trainer.passes(200)), (8, 25));
/// assert_eq!(trainer.device(), pinned.device());
/// # Ok::<(), free_at_core::train::TrainError>(())
/// ```
///
/// A backend without autodiff is refused by the compiler:
///
/// ```compile_fail,E0277
/// use burn::backend::Flex;
/// use free_at_core::train::{FreeAdversarialTrainer, FreeConfig};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let config = FreeConfig::new(ThreatModel::linf(Epsilon::pixels(8.0)));
/// let trainer = FreeAdversarialTrainer::<Flex>::on(config, Default::default());
/// ```
///
/// [`Device`]: burn::tensor::Device
pub type FreeAdversarialTrainer<B = Dispatch> = Trainer<FreeConfig, B>;

/// Trains on the inputs as they are: the baseline of every comparison.
pub type StandardTrainer<B = Dispatch> = Trainer<StandardConfig, B>;

/// Trains on the adversarial examples that the attack `A` finds for each minibatch.
///
/// With PGD this is K-PGD training (Madry et al. 2018): K ascent steps and one descent step,
/// K + 1 gradient computations an optimiser step.
pub type AdversarialTrainer<A, B = Dispatch> = Trainer<AdversarialConfig<A>, B>;

/// Trains on one FGSM step from a random start: two gradient computations an optimiser step. "Fast is better
/// than free", Wong, Rice and Kolter, ICLR 2020.
pub type FastAdversarialTrainer<B = Dispatch> = Trainer<FastConfig, B>;

/// Trains on one FGSM step from noise that is larger than ε: two gradient computations an optimiser step. "Make some
/// noise", de Jorge et al., NeurIPS 2022.
pub type NoiseFgsmTrainer<B = Dispatch> = Trainer<NoiseFgsmConfig, B>;

/// Trains on one FGSM step from where the sample's earlier gradients lead. "Prior-guided adversarial initialization for
/// fast adversarial training", Jia et al., ECCV 2022.
pub type MepTrainer<B = Dispatch> = Trainer<MepConfig, B>;

/// Trains on the input, and holds the answers to it and to an adversarial example together: TRADES, Zhang et al.,
/// ICML 2019.
pub type TradesTrainer<B = Dispatch> = Trainer<TradesConfig, B>;

/// The same, with more weight on samples that the model gets wrong: MART, Wang et al., ICLR 2020.
pub type MartTrainer<B = Dispatch> = Trainer<MartConfig, B>;
