//! The card of the model that a run ends with.

use std::error::Error;
use std::path::Path;

use free_at::attacks::ModelCard;
use free_at::files;
use free_at::train::EpochMetrics;
use free_at_examples::card;

use crate::arguments::MethodName;
use crate::run::Run;

/// The pictures on the card.
pub(crate) const PASSES: &str = "curves.svg";
pub(crate) const EPSILONS: &str = "robust-accuracy.svg";
/// The command that began the run; what goes on with it says less.
const COMMAND: &str = "command.txt";

/// Writes down how this process was run, for the card at the end.
pub(crate) fn keep_command(out: &Path) -> Result<(), Box<dyn Error>> {
    Ok(files::write(&out.join(COMMAND), card::command("train").as_bytes())?)
}

/// The card of the model in `file`, before it is attacked.
pub(crate) fn of(
    run: &Run,
    method: &str,
    (file, why): (&str, &str),
    metrics: &[EpochMetrics],
) -> Result<ModelCard, Box<dyn Error>> {
    let out = &run.arguments.out;
    let (wanted, recipe) = (&run.settings.wanted, &run.settings.recipe);
    let command = std::fs::read_to_string(out.join(COMMAND));
    let card = ModelCard::new(format!("{method}, {:?}", wanted.dataset))
        .of_file(out.join(file))?
        .model("which", why)
        .model("network", format!("{:?}", recipe.network))
        .by_command(command.unwrap_or_else(|_| card::command("train")));
    let card = match &recipe.normalize {
        Some(normalize) => card.model("normalisation, a layer", format!("{normalize:?}")),
        None => card,
    };
    let passes = metrics.iter().filter(|line| line.split == "train").map(|line| line.epoch).max();
    let against = match wanted.method {
        MethodName::Standard => "nothing".to_string(),
        _ => recipe.threat.to_string(),
    };
    let card = with_data(card, run)
        .training("method", method)
        .training("trained against", against)
        .training("additions", recipe.additions)
        .training("optimiser", recipe.sgd)
        .training("learning rate", &recipe.rate)
        .training("images in a minibatch", recipe.batch_size)
        .training("passes over the images", passes.unwrap_or_default())
        .training("precision", &wanted.precision)
        .training("seed", wanted.seed)
        .training("every setting", "config.json");
    Ok(card.picture("Accuracy over the passes", PASSES))
}

fn with_data(card: ModelCard, run: &Run) -> ModelCard {
    let transforms = |transforms: &[free_at::data::Transform]| {
        let each: Vec<String> = transforms.iter().map(ToString::to_string).collect();
        if each.is_empty() { "none".to_string() } else { each.join(", ") }
    };
    let (data, recipe) = (run.data, &run.settings.recipe);
    let [channels, height, width] = data.train.shape();
    card.data("data set", format!("{:?}", run.settings.wanted.dataset))
        .data("images", format!("{channels} × {height} × {width}, from 0 to 1"))
        .data("classes", data.train.classes())
        .data("training images", data.train.len())
        .data("held-out images, which choose the best pass", data.held_out.len())
        .data("test images", data.test.len())
        .data("augmentation", transforms(&recipe.transforms))
        .data("done to test images", transforms(&recipe.evaluation))
}
