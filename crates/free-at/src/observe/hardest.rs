//! Which samples a model finds hard.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;
use free_at_core::train::{GradientObserver, Observation, Phase};
use free_at_core::{Error, Goal, Objective, files};
use serde::{Deserialize, Serialize};

use super::error::ObserverError;

/// The running loss of each sample, by its place in the data set that was read: mislabelled samples, and
/// those near a boundary, come first. An observer.
///
/// The loss is the cross-entropy at what the model saw, perturbed or not. Each time a sample is seen its
/// running loss moves a tenth of the way to the new one. Losses stay on the device until the pass is over, or
/// somebody asks.
///
/// ```
/// use free_at::observe::HardestSamples;
///
/// // The 50 hardest, after every pass.
/// let hardest = HardestSamples::new().writing_to("runs/free-8/hardest.json", 50);
/// ```
#[derive(Debug, Clone, Default)]
pub struct HardestSamples {
    shared: Arc<Mutex<Shared>>,
    /// Where to, and how many.
    file: Option<(PathBuf, usize)>,
}

/// A sample and how hard it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HardSample {
    /// Its place in the data set that was read, from 0.
    pub index: usize,
    /// Its running loss.
    pub loss: f64,
    /// How often it was seen, replays counted.
    pub seen: u64,
}

#[derive(Debug, Default)]
struct Shared {
    losses: BTreeMap<usize, (f64, u64)>,
    /// Of steps that were not read yet, in their order: the samples and their losses.
    waiting: Vec<(Vec<usize>, Tensor<1>)>,
}

impl HardestSamples {
    /// An observer that has seen nothing yet. Clones see the same.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, which writes the hardest `count` samples as JSON after each pass over the data: an array of
    /// [`HardSample`]s, the hardest first.
    #[must_use]
    pub fn writing_to(self, path: impl Into<PathBuf>, count: usize) -> Self {
        Self { file: Some((path.into(), count)), ..self }
    }

    /// The hardest `count` samples, the hardest first. Waits for the device.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn hardest(&self, count: usize) -> Result<Vec<HardSample>, Error> {
        let mut shared = self.lock();
        shared.read()?;
        let samples = shared.losses.iter();
        let mut samples: Vec<HardSample> =
            samples.map(|(&index, &(loss, seen))| HardSample { index, loss, seen }).collect();
        samples.sort_by(|one, other| other.loss.total_cmp(&one.loss));
        samples.truncate(count);
        Ok(samples)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn read(&mut self) -> Result<(), Error> {
        const MOVES: f64 = 0.1; // towards the new loss
        for (indices, losses) in std::mem::take(&mut self.waiting) {
            let losses: Vec<f64> = losses.try_into_vec_as().map_err(Error::unreadable)?;
            for (index, loss) in indices.into_iter().zip(losses) {
                let (running, seen) = self.losses.entry(index).or_insert((loss, 0));
                *running += MOVES * (loss - *running);
                *seen += 1;
            }
        }
        Ok(())
    }
}

impl GradientObserver for HardestSamples {
    fn observe(&self, seen: &Observation<'_>) -> Result<(), Error> {
        const MOST: usize = 4_096; // steps that wait: little memory, and rarely a stop
        if seen.phase() == Phase::Ascent {
            return Ok(());
        }
        let indices =
            seen.indices().ok_or(ObserverError::NoIndices { observer: "HardestSamples" })?;
        let logits = seen.logits();
        let goal = Goal::untargeted(seen.labels()).among(logits.dims()[1]); // as training checked
        let losses = Objective::CrossEntropy.values(logits, &goal)?;
        let mut shared = self.lock();
        shared.waiting.push((indices.to_vec(), losses));
        match shared.waiting.len() < MOST {
            true => Ok(()),
            false => shared.read(),
        }
    }

    fn end_pass(&self, _: u64) -> Result<(), Error> {
        let Some((path, count)) = &self.file else { return self.lock().read() };
        let samples = self.hardest(*count)?;
        files::write_json(path, &samples)
    }
}
