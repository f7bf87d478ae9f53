//! The data sets by name, and what is held out.

use std::error::Error;
use std::path::Path;

use free_at::data::{ImageFolder, cifar10, cifar100, digits, fashion_mnist, idx};
use free_at::prelude::ImageDataset;
use free_at::recipe::Recipe;

use crate::arguments::{DataSet, Wanted};

/// Training images, held-out ones (empty if none are), and test images.
pub(crate) struct Data {
    pub(crate) train: ImageDataset,
    pub(crate) held_out: ImageDataset,
    pub(crate) test: ImageDataset,
}

impl Data {
    /// How many images there are to train on or to hold out: their indices are below.
    pub(crate) fn samples(&self) -> usize {
        self.train.len() + self.held_out.len()
    }
}

/// Reads the data set; the images get the recipe's transforms, a folder's its own, of the size asked for.
pub(crate) fn load(wanted: &Wanted, recipe: &Recipe) -> Result<Data, Box<dyn Error>> {
    let folder = || {
        wanted
            .data
            .as_deref()
            .ok_or_else(|| "--data DIR: the folder with the data set's files".to_string())
    };
    let both = |load: fn(&Path) -> Result<ImageDataset, _>, test: fn(&Path) -> Result<_, _>| {
        Ok::<_, Box<dyn Error>>((load(folder()?)?, test(folder()?)?))
    };
    // Held-out images are like test images: without the random transforms.
    let (plain, train, test) = match wanted.dataset {
        DataSet::Folder => {
            let images = ImageFolder::new(folder()?).with_size(wanted.image_size);
            let (train, val) = (images.train()?, images.val()?);
            (train.with_transforms(val.transforms().to_vec())?, train, val)
        }
        other => {
            let (plain, test) = match other {
                DataSet::Digits | DataSet::Folder => (digits::train(), digits::test()),
                DataSet::Mnist => both(idx::train, idx::test)?,
                DataSet::FashionMnist => both(fashion_mnist::train, fashion_mnist::test)?,
                DataSet::Cifar10 => both(cifar10::train, cifar10::test)?,
                DataSet::Cifar100 => both(cifar100::train, cifar100::test)?,
            };
            let train = plain.with_transforms(recipe.transforms.clone())?;
            let still = |images: ImageDataset| images.with_transforms(recipe.evaluation.clone());
            (still(plain)?, train, still(test)?)
        }
    };
    let train = train.with_cutmix(recipe.additions.cutmix)?;
    const MOST: usize = 1_000;
    let held_out = wanted.held_out.unwrap_or((plain.len() / 10).min(MOST));
    // The same seed draws the same images from both.
    let (train, _) = train.split(held_out, wanted.seed);
    let (_, held_out) = plain.split(held_out, wanted.seed);
    Ok(Data { train, held_out, test })
}
