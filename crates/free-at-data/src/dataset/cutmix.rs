//! CutMix: "Regularization strategy to train strong classifiers with localizable features", Yun et al., ICCV 2019.
//!
//! As its program (`clovaai/CutMix-PyTorch`, with its β of 1) does it: in a share of the minibatches a rectangle of
//! each image is that of another one of the minibatch, at the same place for all, and both classes count by area.
//! The other one is the next: a minibatch is in random order already.

use free_at_core::Draws;

use crate::error::DataError;
use crate::source::Pixels;

/// Tells its draws from those of the transforms of the same image.
const APART: u64 = 0x6375_746d_6978;

/// Which minibatches are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct CutMix {
    share: f64,
}

/// The second class of each image, and what it counts, from 0 to 1/2.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mixed {
    pub(crate) labels: Vec<usize>,
    pub(crate) share: f32,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl CutMix {
    /// # Errors
    /// [`DataError::Transform`] for a share that is not from 0 to 1.
    pub(crate) fn new(share: f64) -> Result<Self, DataError> {
        match (0.0..=1.0).contains(&share) {
            true => Ok(Self { share }),
            false => Err(DataError::Transform {
                transform: "cutmix".into(),
                found: format!("a share of {share} of the minibatches"),
                reason: "it is from 0 to 1",
            }),
        }
    }

    /// Mixes the images of a minibatch, drawing by the seed, the pass and the place of its first image; labels and places
    /// become those of the larger part. Nothing for a minibatch that stays as it is.
    pub(crate) fn mix(
        self,
        pixels: &mut Pixels,
        (labels, places): (&mut Vec<usize>, &mut [usize]),
        [channels, height, width]: [usize; 3],
        (seed, pass): (u64, u64),
    ) -> Option<Mixed> {
        let first = *places.first()? as u64;
        let draws = Draws::new(seed ^ APART, vec![first]).for_attack(pass);
        let [mixes, kept, down, right] = draws.units(4).swap_remove(0)[..] else { return None };
        if f64::from(mixes) >= self.share || labels.len() < 2 {
            return None;
        }
        let window = Window::drawn([height, width], [kept, down, right]);
        let area = window.height * window.width;
        if area == 0 {
            return None;
        }
        match pixels {
            Pixels::Bytes(bytes) => window.paste(bytes, [channels, height, width]),
            Pixels::Floats(floats) => window.paste(floats, [channels, height, width]),
        }
        let share = area as f32 / (height * width) as f32;
        let mut others = labels.clone();
        others.rotate_left(1);
        if share <= 0.5 {
            return Some(Mixed { labels: others, share });
        }
        std::mem::swap(labels, &mut others);
        places.rotate_left(1);
        Some(Mixed { labels: others, share: 1.0 - share })
    }
}

impl Window {
    /// Of sides √(1 − λ) of the image's, around any of its pixels, cut at its borders; λ, what is kept, is uniform.
    fn drawn([height, width]: [usize; 2], [kept, down, right]: [f32; 3]) -> Self {
        let side = |length: usize| (length as f32 * (1.0 - kept).sqrt()) as usize;
        let span = |length: usize, draw: f32| {
            let (half, middle) = (side(length) / 2, (length as f32 * draw) as usize);
            (middle.saturating_sub(half), (middle + half).min(length))
        };
        let ((top, bottom), (left, end)) = (span(height, down), span(width, right));
        Self { top, left, height: bottom - top, width: end - left }
    }

    /// Each image gets this window of the next one, the last that of the first.
    fn paste<T: Copy>(self, images: &mut [T], [channels, height, width]: [usize; 3]) {
        let size = channels * height * width;
        let rows = (0..channels).flat_map(|channel| {
            (self.top..self.top + self.height)
                .map(move |row| (channel * height + row) * width + self.left)
        });
        for row in rows {
            let pixels = row..row + self.width;
            let first = images[pixels.clone()].to_vec();
            let n = images.len() / size;
            for at in 1..n {
                let (from, to) = (at * size, (at - 1) * size + row);
                images.copy_within(from + pixels.start..from + pixels.end, to);
            }
            let last = (n - 1) * size + row;
            images[last..last + self.width].copy_from_slice(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [2, 7, 9];
    const SIZE: usize = 2 * 7 * 9;

    /// Images of one grey each, that of their label.
    fn minibatch(n: usize) -> (Pixels, Vec<usize>) {
        let bytes = (0..n).flat_map(|label| [label as u8; SIZE]).collect();
        (Pixels::Bytes(bytes), (0..n).collect())
    }

    #[test]
    fn every_image_is_one_and_the_next_and_the_labels_count_by_area() {
        let cutmix = CutMix::new(1.0).unwrap();
        let (mut mixed_at_all, mut swapped) = (0, 0);
        for pass in 0..200 {
            let (mut pixels, mut labels) = minibatch(3);
            let mut places = vec![5, 6, 7];
            let mixed = cutmix.mix(&mut pixels, (&mut labels, &mut places), SHAPE, (7, pass));
            assert!(labels.iter().zip(&places).all(|(label, place)| label + 5 == *place));
            let Pixels::Bytes(bytes) = pixels else { unreachable!() };
            let Some(mixed) = mixed else {
                assert_eq!(bytes, (0..3).flat_map(|label| [label; SIZE]).collect::<Vec<u8>>());
                continue;
            };
            mixed_at_all += 1;
            swapped += usize::from(labels[0] == 1);
            assert!(mixed.share > 0.0 && mixed.share <= 0.5, "{mixed:?}");
            for (at, image) in bytes.chunks(SIZE).enumerate() {
                let (own, other) = (at as u8, ((at + 1) % 3) as u8);
                let others = image.iter().filter(|byte| **byte == other).count();
                assert!(image.iter().all(|byte| *byte == own || *byte == other));
                let share = others as f32 / SIZE as f32;
                let of = |label: usize| if label == usize::from(own) { 1.0 - share } else { share };
                assert!((of(mixed.labels[at]) - mixed.share).abs() < 1e-6);
                assert!((of(labels[at]) - (1.0 - mixed.share)).abs() < 1e-6);
            }
        }
        assert!(mixed_at_all > 150 && swapped > 10, "{mixed_at_all} {swapped}");
    }

    #[test]
    fn the_window_is_at_the_same_place_for_all() {
        let window = Window { top: 1, left: 2, height: 3, width: 4 };
        let mut images: Vec<usize> = (0..2 * SIZE).collect();
        window.paste(&mut images, SHAPE);
        for at in 0..SIZE {
            let (row, column) = (at / 9 % 7, at % 9);
            let inside = (1..4).contains(&row) && (2..6).contains(&column);
            let expected = if inside { [at + SIZE, at] } else { [at, at + SIZE] };
            assert_eq!([images[at], images[at + SIZE]], expected, "{at}");
        }
    }

    #[test]
    fn a_share_of_the_minibatches_is_mixed() {
        let mixed = |share: f64, n: usize| {
            let cutmix = CutMix::new(share).unwrap();
            let mixes = |pass: &u64| {
                let (mut pixels, mut labels) = minibatch(n);
                let mut places: Vec<usize> = (5..5 + n).collect();
                let of = (&mut labels, places.as_mut_slice());
                cutmix.mix(&mut pixels, of, SHAPE, (7, *pass)).is_some()
            };
            (0..400).filter(mixes).count()
        };
        assert_eq!((mixed(0.0, 4), mixed(1.0, 1)), (0, 0));
        // 200, less the windows of no pixel; ten standard deviations are 100.
        assert!((100..=300).contains(&mixed(0.5, 4)));
        assert!([-0.1, 1.1, f64::NAN].into_iter().all(|share| CutMix::new(share).is_err()));
    }
}
