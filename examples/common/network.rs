//! Which network: arguments that examples share.

use std::path::Path;

use burn::tensor::Device;
use clap::Args;
use free_at::models::{ModelError, Network, NormalizeConfig, Normalized, Weights};
use free_at::prelude::*;

/// What a file of weights is of.
#[derive(Args, Clone)]
pub struct Kind {
    /// resnet-18, -34, -50, -101, -152; preact-resnet-18, -34, -50, preact-resnet-18-v2; wrn-d-k;
    /// madry-wrn-32-10; mnist-cnn; small-cnn. Width, channels and classes are those of the weights.
    #[arg(long, value_name = "NAME", default_value = "small-cnn")]
    pub architecture: String,
    /// The mean and standard deviation that inputs are normalised with: cifar-10, cifar-100 or
    /// imagenet. Default: none (a small-cnn has one inside). Those in the file, `mu` and `sigma` say, come before it.
    #[arg(long, value_name = "DATA SET")]
    pub normalize: Option<String>,
    /// Which of the file's state dictionaries, by its key: best, where there are best and last. Default: the one
    /// that there is.
    #[arg(long, value_name = "KEY")]
    pub under: Option<String>,
    /// Tensors to pass over, by the beginning of their names. Can be repeated.
    #[arg(long = "ignore", value_name = "PREFIX")]
    pub ignored: Vec<String>,
}

/// A network with its weights.
pub struct Loaded {
    /// The network behind its normalisation.
    pub model: Normalized<Network>,
    /// Its configuration.
    pub config: NetworkConfig,
}

impl Kind {
    /// Loads the network from a file of weights.
    ///
    /// # Errors
    /// What is wrong with the names or the file.
    pub fn load(&self, file: &Path, device: &Device) -> Result<Loaded, ModelError> {
        let checkpoint = Weights::open(file)?;
        let checkpoint = match &self.under {
            Some(key) => checkpoint.under(key),
            None => checkpoint,
        };
        let checkpoint =
            self.ignored.iter().fold(checkpoint, |checkpoint, prefix| checkpoint.ignoring(prefix));
        let config = NetworkConfig::named(&self.architecture, 10)?.fitted(&checkpoint);
        let normalize = match &self.normalize {
            Some(data_set) => NormalizeConfig::named(data_set)?,
            None => {
                NormalizeConfig::new(vec![0.0; config.channels()], vec![1.0; config.channels()])
            }
        };
        normalize.check()?;
        let model = Normalized::new(normalize.init(device), config.init(device)?);
        Ok(Loaded { model: checkpoint.load(model)?, config })
    }
}

/// A file's name without its folder and ending.
pub fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
