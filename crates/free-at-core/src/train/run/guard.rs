//! Watches robust accuracy while training goes on.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::train::EarlyStoppingStrategy;
use burn::train::metric::store::EventStoreClient;
use serde::{Deserialize, Serialize};

use super::device_mean::DeviceMean;
use super::metrics::RobustAccuracyMetric;
use super::robust_accuracy::{AnyProbe, Probe};
use super::session::Session;
use crate::attack::interface::Attack;
use crate::error::Error;
use crate::model::classifier::Trainable;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// Measures robust accuracy on held-out samples after every pass over the data, keeps the best
/// model, and notices catastrophic overfitting.
///
/// The probe attacks the first samples of the validation data; with the defaults it costs at most 3%
/// of a pass. Single-step adversarial training can overfit catastrophically: within a pass the model
/// learns to fool its own attack, training accuracy rises and robust accuracy falls to nothing ("Fast
/// is better than free", Wong et al. 2020). That is said, and [`Response`] decides what is done. The guard counts
/// training and robust accuracy itself, whatever metrics are registered.
///
/// Given to [`Trainer::run`](crate::train::Trainer::run). Clones share one guard.
pub struct Guard<C, const D: usize> {
    probe: Arc<Probe<C, D>>,
    settings: Settings<C>,
    found: Arc<Mutex<Found<C>>>,
    session: Option<Session>,
}

type OnBest<C> = Arc<dyn Fn(&C, Best) -> Result<(), Error> + Send + Sync>;

struct Settings<C> {
    share: f64,
    patience: Option<usize>,
    response: Response,
    on_best: Option<OnBest<C>>,
}

/// What a [`Guard`] does about catastrophic overfitting, beyond saying so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Nothing: training goes on.
    Report,
    /// Training ends.
    Stop,
    /// Training ends, and [`Guard::best_model`] is the model to use.
    #[default]
    Restore,
}

/// The pass with the highest robust accuracy so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its number, from 1.
    pub epoch: usize,
    /// Robust accuracy on the probe's samples, from 0 to 1.
    pub robust_accuracy: f64,
}

/// Robust accuracy fell while training accuracy rose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Overfitting {
    /// The pass after which it was seen.
    pub epoch: usize,
    /// Robust accuracy on the probe's samples, from 0 to 1.
    pub robust_accuracy: f64,
    /// The best before.
    pub best: Best,
}

impl fmt::Display for Overfitting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "catastrophic overfitting: robust accuracy fell from {:.1} % (epoch {}) to {:.1} % (epoch {}) while training accuracy rose",
            100.0 * self.best.robust_accuracy,
            self.best.epoch,
            100.0 * self.robust_accuracy,
            self.epoch,
        )
    }
}

struct Found<C> {
    observed: usize,
    /// Training accuracy in the pass before.
    training: Option<f64>,
    best: Option<Best>,
    best_model: Option<C>,
    overfitting: Option<Overfitting>,
    failure: Option<Error>,
}

impl<C: Trainable<D>, const D: usize> Guard<C, D> {
    /// Probes at most 512 samples with this attack, PGD-10 say.
    pub fn new(threat: ThreatModel, attack: impl Attack<D> + 'static) -> Self {
        let response = Response::default();
        let settings = Settings { share: 0.03, patience: None, response, on_best: None };
        let found = Found {
            observed: 0,
            training: None,
            best: None,
            best_model: None,
            overfitting: None,
            failure: None,
        };
        let probe = Arc::new(Probe::new(threat, Arc::new(attack)));
        Self { probe, settings, found: Arc::new(Mutex::new(found)), session: None }
    }

    /// How many held-out samples to attack at most. Default: 512.
    #[must_use]
    pub fn with_samples(self, samples: usize) -> Self {
        self.probe.samples.store(samples, std::sync::atomic::Ordering::Relaxed);
        self
    }

    /// What share of a pass's gradient computations the probe may take. Where that is not enough for
    /// 64 samples, it is made less often, but always after the first pass. Default: 0.03.
    #[must_use]
    pub fn with_share(mut self, share: f64) -> Self {
        self.settings.share = share;
        self
    }

    /// Ends training when robust accuracy has not risen for this many probed passes. Default: never.
    #[must_use]
    pub fn with_patience(mut self, passes: usize) -> Self {
        self.settings.patience = Some(passes);
        self
    }

    /// What to do about catastrophic overfitting. Default: [`Response::Restore`].
    #[must_use]
    pub fn with_response(mut self, response: Response) -> Self {
        self.settings.response = response;
        self
    }

    /// Is given every model that is better than all before, before a checkpoint of that pass is made:
    /// to save it, say. An error ends training, and is what [`launch`](crate::train::Run::launch) returns.
    #[must_use]
    pub fn on_best(
        mut self,
        keep: impl Fn(&C, Best) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_best = Some(Arc::new(keep));
        self
    }

    /// Goes on from an earlier part of the run, whose best pass this was: only a better one is kept.
    pub(crate) fn remembering(self, best: Option<Best>) -> Self {
        self.found().best = best;
        self
    }

    /// The best pass so far.
    pub fn best(&self) -> Option<Best> {
        self.found().best
    }

    /// The model after the best pass of this run; none if an earlier part of the run was better.
    pub fn best_model(&self) -> Option<C> {
        self.found().best_model.clone()
    }

    /// Catastrophic overfitting, where it was seen.
    pub fn overfitting(&self) -> Option<Overfitting> {
        self.found().overfitting
    }

    /// What kept the best model from being kept, or accuracy from being counted.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.found().failure.clone()
    }

    /// How many samples are probed, and after every how many passes: settled once the size of a
    /// pass is known.
    pub fn samples_and_interval(&self) -> (usize, u64) {
        use std::sync::atomic::Ordering::Relaxed;
        (self.probe.samples.load(Relaxed), self.probe.every.load(Relaxed))
    }

    /// # Errors
    /// Those of the threat model and the attack.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        self.probe.threat.check()?;
        Ok(self.probe.attack.check()?)
    }

    /// The guard of this training, whose pass has so many gradient computations.
    pub(crate) fn of(&self, session: &Session, gradients_in_a_pass: usize) -> Self {
        self.probe.fit(self.settings.share, gradients_in_a_pass);
        Self { session: Some(session.clone()), ..self.clone() }
    }

    pub(crate) fn probe(&self) -> AnyProbe<D> {
        AnyProbe::of(self.probe.clone())
    }

    /// Takes note of a pass, once: here the counts are read from the device. Robust accuracy is missing where
    /// it was not probed.
    pub(crate) fn observe(&self, epoch: usize) {
        let spoilt = self.session.as_ref().is_some_and(Session::is_spoilt);
        if spoilt || self.found().observed == epoch {
            return;
        }
        match self.counts() {
            Ok([_, _, (beyond, _)]) if beyond > 0.0 => {
                let failure = Error::BeyondBudget { samples: beyond as usize };
                self.found().failure.get_or_insert(failure);
            }
            Ok([(right, samples), (answers, all), _]) => {
                let robust = RobustAccuracyMetric::accuracy(right, samples);
                self.note(epoch, robust, (all > 0.0).then_some(answers / all));
            }
            Err(error) => {
                self.found().failure.get_or_insert(error);
            }
        }
    }

    /// Of the probed samples those that withstand, of the answers in training those that are right, and of the probed
    /// samples those that were moved too far; each with how many there are.
    fn counts(&self) -> Result<[(f64, f64); 3], Error> {
        let Probe { robust, training, beyond, .. } = &*self.probe;
        let take = |mean: &DeviceMean| mean.take().map_err(Error::unreadable);
        Ok([take(robust)?, take(training)?, take(beyond)?])
    }

    fn note(&self, epoch: usize, robust: Option<f64>, training: Option<f64>) {
        let mut found = self.found();
        found.observed = epoch;
        let rising = matches!((training, found.training), (Some(now), Some(then)) if now > then);
        found.training = training.or(found.training);
        let Some(robust) = robust.filter(|robust| robust.is_finite()) else { return };
        let model = self.probe.take_model();
        match found.best {
            Some(best) if robust <= best.robust_accuracy => {
                if rising && self.collapsed(best.robust_accuracy, robust) {
                    let seen = Overfitting { epoch, robust_accuracy: robust, best };
                    log::warn!("{seen}");
                    found.overfitting.get_or_insert(seen);
                }
            }
            _ => {
                let best = Best { epoch, robust_accuracy: robust };
                found.best = Some(best);
                if let (Some(model), Some(keep)) = (&model, &self.settings.on_best)
                    && let Err(error) = keep(model, best)
                {
                    found.failure.get_or_insert(error);
                }
                found.best_model = model;
            }
        }
    }

    /// A fall that is no accident: to less than half, by over three standard errors.
    fn collapsed(&self, best: f64, now: f64) -> bool {
        let samples = self.samples_and_interval().0.max(1) as f64;
        let variance = (best * (1.0 - best) + now * (1.0 - now)) / samples;
        now < best / 2.0 && best - now > 3.0 * variance.sqrt()
    }

    fn ends(&self, epoch: usize) -> bool {
        let found = self.found();
        let stops = found.overfitting.is_some() && self.settings.response != Response::Report;
        let interval = self.samples_and_interval().1 as usize;
        let tired = self.settings.patience.zip(found.best).is_some_and(|(patience, best)| {
            epoch.saturating_sub(best.epoch) >= patience.max(1) * interval
        });
        stops || tired || found.failure.is_some()
    }

    fn found(&self) -> MutexGuard<'_, Found<C>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Trainable<D>, const D: usize> EarlyStoppingStrategy for Guard<C, D> {
    fn should_stop(&mut self, epoch: usize, _: &EventStoreClient) -> bool {
        self.observe(epoch);
        self.ends(epoch) || self.session.as_ref().is_some_and(Session::is_stopping)
    }
}

impl<C: Clone, const D: usize> Clone for Guard<C, D> {
    fn clone(&self) -> Self {
        let Settings { share, patience, response, on_best } = &self.settings;
        let on_best = on_best.clone();
        Self {
            probe: self.probe.clone(),
            settings: Settings { share: *share, patience: *patience, response: *response, on_best },
            found: self.found.clone(),
            session: self.session.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
