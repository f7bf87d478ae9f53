//! CIFAR-100: 50,000 and 10,000 colour images of 32×32 in a hundred classes (Krizhevsky 2009).
//!
//! The files are those of the "binary version" of <https://www.cs.toronto.edu/~kriz/cifar.html>, in the
//! folder that is given or in `cifar-100-binary` inside it. The classes are the fine ones.

use std::path::Path;

use crate::cifar::Version;
use crate::{DataError, ImageDataset};

/// What the (fine) classes are called.
#[rustfmt::skip]
pub const CLASS_NAMES: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

const CIFAR100: Version = Version { labels: 2, folder: "cifar-100-binary", names: &CLASS_NAMES };

/// The training images, from `train.bin`.
///
/// # Errors
/// Those of [`cifar10::train`](crate::cifar10::train).
pub fn train(folder: &Path) -> Result<ImageDataset, DataError> {
    CIFAR100.read(folder, &["train.bin"], 50_000)
}

/// The test images, from `test.bin`.
///
/// # Errors
/// Those of [`cifar10::train`](crate::cifar10::train).
pub fn test(folder: &Path) -> Result<ImageDataset, DataError> {
    CIFAR100.read(folder, &["test.bin"], 10_000)
}
