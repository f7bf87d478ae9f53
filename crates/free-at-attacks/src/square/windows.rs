//! Where Square changes an image: windows, stripes and bumps, drawn for each sample.

use std::cell::RefCell;

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};
use free_at_core::Draws;

/// A sample as Square sees it: channels of a plane.
pub(crate) struct Canvas {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Whether windows may lie against the right and the lower edge.
    reaches_edge: bool,
    /// The side and the values of the last bump that was sent to the device: sides change ten times in an attack.
    sent: RefCell<Option<(usize, Tensor<1>)>>,
}

impl Canvas {
    /// An image `[c, h, w]`; a sample of any other rank is one row.
    pub(crate) fn of(sample: &[usize], reaches_edge: bool) -> Self {
        let (channels, height, width) = match *sample {
            [channels, height, width] => (channels, height, width),
            _ => (1, 1, sample.iter().product()),
        };
        Self { channels, height, width, reaches_edge, sent: RefCell::default() }
    }

    pub(crate) fn shape(&self, samples: usize) -> [usize; 4] {
        [samples, self.channels, self.height, self.width]
    }

    /// Height and width of a window that covers a share of the plane: a square that fits, or a part
    /// of the only row.
    pub(crate) fn window(&self, share: f64) -> [usize; 2] {
        if self.height == 1 {
            let width = (share * self.width as f64).round() as usize;
            return [1, width.clamp(1, self.width)];
        }
        let area = share * (self.height * self.width) as f64;
        let side = (area.sqrt().round() as usize).clamp(1, self.height.min(self.width));
        [side, side]
    }

    /// The same for bumps, which have a middle: an odd side of at least 3, or else the whole plane's.
    pub(crate) fn odd_window(&self, share: f64) -> [usize; 2] {
        let side = (share * (self.height * self.width) as f64).sqrt().round() as usize;
        let side = (side.max(3) | 1).min(self.height.min(self.width));
        [side, side]
    }

    /// A sign for each channel and column: vertical stripes, `[n, c, h, w]`.
    pub(crate) fn stripes(&self, draws: &Draws, device: &Device) -> Tensor<4> {
        let signs = draws.units(self.channels * self.width).concat();
        let signs = signs.into_iter().map(sign).collect();
        let shape = [draws.len(), self.channels, 1, self.width];
        let signs =
            Tensor::<4>::from_data(TensorData::new::<f32, _>(signs, shape), (device, DType::F32));
        signs.expand(self.shape(draws.len()))
    }

    /// The values of a bump on a device, row by row.
    fn sent(&self, kind: Bump, side: usize, device: &Device) -> Tensor<1> {
        let mut sent = self.sent.borrow_mut();
        match &*sent {
            Some((of, values)) if *of == side => values.clone(),
            _ => {
                let values = kind.of_side(side);
                let values = Tensor::<1>::from_data(values.as_slice(), (device, DType::F32));
                *sent = Some((side, values.clone()));
                values
            }
        }
    }

    /// A grid of bumps of size 1, with a sign and a direction each, `[n, c, h, w]`.
    pub(crate) fn bumps(&self, kind: Bump, draws: &Draws, device: &Device) -> Tensor<4> {
        let Self { channels, height, width, .. } = *self;
        let side = (height / 5).max(1);
        let margin = (height - (5 * side).min(height)) / 2;
        let bump = kind.of_side(side);
        let tiles = (height / side) * (width / side);
        let plane = |units: &Vec<f32>| {
            let mut values = vec![0.0; channels * height * width];
            for tile in 0..tiles {
                let (row, column) = (tile / (width / side) * side, tile % (width / side) * side);
                let lies = units[tile * (1 + channels)] > 0.5;
                for channel in 0..channels {
                    let sign = sign(units[tile * (1 + channels) + 1 + channel]);
                    for (at, value) in bump.iter().enumerate() {
                        let (y, x) = match lies {
                            true => (at % side, at / side),
                            false => (at / side, at % side),
                        };
                        let (y, x) = (margin + row + y, margin + column + x);
                        if y < height && x < width {
                            values[(channel * height + y) * width + x] = sign * value;
                        }
                    }
                }
            }
            values
        };
        let values: Vec<f32> = draws.units(tiles * (1 + channels)).iter().flat_map(plane).collect();
        Tensor::from_data(TensorData::new(values, self.shape(draws.len())), (device, DType::F32))
    }
}

/// Windows of one size at random places, two for each sample. All that was drawn goes to the device at once.
pub(crate) struct Windows<'a> {
    canvas: &'a Canvas,
    size: [usize; 2],
    /// For each sample two places of two coordinates, a direction, and a sign for each channel, drawn
    /// from [0, 1): `[n, 5 + c, 1, 1]`.
    units: Tensor<4>,
}

/// Which of a sample's two windows.
#[derive(Clone, Copy)]
pub(crate) enum Window {
    First,
    Second,
}

impl<'a> Windows<'a> {
    pub(crate) fn draw(
        canvas: &'a Canvas,
        size: [usize; 2],
        draws: &Draws,
        device: &Device,
    ) -> Self {
        let numbers = 5 + canvas.channels;
        let units = TensorData::new(draws.units(numbers).concat(), [draws.len(), numbers, 1, 1]);
        Self { canvas, size, units: Tensor::from_data(units, (device, DType::F32)) }
    }

    /// A sign for each channel, `[n, c, 1, 1]`.
    pub(crate) fn signs(&self) -> Tensor<4> {
        let units = self.units.clone().slice_dim(1, 5..5 + self.canvas.channels);
        units.greater_equal_scalar(0.5).cast(FloatDType::F32).mul_scalar(2.0).sub_scalar(1.0)
    }

    /// 1 in the window, `[n, 1, h, w]`.
    pub(crate) fn mask(&self, window: Window) -> Tensor<4> {
        let within = |at: Tensor<4, Int>, length: usize| {
            let from = at.clone().greater_equal_scalar(0).cast(FloatDType::F32);
            from * at.lower_scalar(length as i64).cast(FloatDType::F32)
        };
        let [row, column] = self.place(window);
        within(row, self.size[0]) * within(column, self.size[1])
    }

    /// The bump in each first window, `[n, 1, h, w]`, on its side for every other sample; zero outside.
    pub(crate) fn bump(&self, kind: Bump) -> Tensor<4> {
        let side = self.size[0] as i64;
        let mask = self.mask(Window::First);
        let shape = mask.dims();
        let lies = self.unit(4).greater_scalar(0.5).expand(shape);
        let [row, column] = self.place(Window::First).map(|at| at.expand(shape).clamp(0, side - 1));
        let upright = row.clone().mul_scalar(side) + column.clone();
        let at = upright.mask_where(lies, column.mul_scalar(side) + row).reshape([-1]);
        self.canvas.sent(kind, self.size[0], &mask.device()).select(0, at).reshape(shape) * mask
    }

    /// Row and column of each pixel as the window counts them: `[n, 1, h, 1]` and `[n, 1, 1, w]`.
    fn place(&self, window: Window) -> [Tensor<4, Int>; 2] {
        let first = match window {
            Window::First => 0,
            Window::Second => 2,
        };
        let corner = |unit: usize, free: usize| {
            let places = free + usize::from(self.canvas.reaches_edge);
            self.unit(unit).mul_scalar(places as f64).floor().int()
        };
        let ramp = |length: usize, shape: [usize; 4]| {
            let pixels = 0..length as i64;
            Tensor::<1, Int>::arange(pixels, &self.units.device()).reshape(shape)
        };
        let Canvas { height, width, .. } = *self.canvas;
        [
            ramp(height, [1, 1, height, 1]) - corner(first, height - self.size[0]),
            ramp(width, [1, 1, 1, width]) - corner(first + 1, width - self.size[1]),
        ]
    }

    /// One of the numbers drawn, `[n, 1, 1, 1]`.
    fn unit(&self, number: usize) -> Tensor<4> {
        self.units.clone().slice_dim(1, number..number + 1)
    }
}

/// The bump of the attacks in L2 and L1, `side` × `side`, of size 1: above, rectangles around its middle piled up
/// with heights that fall from 1, from the smallest to the whole; below the same, negative.
#[derive(Clone, Copy)]
pub(crate) struct Bump {
    /// The k-th rectangle has the height k to the power of minus this.
    pub(crate) fall: i32,
    /// Values brought to size 1.
    pub(crate) unit: fn(Vec<f32>) -> Vec<f32>,
}

impl Bump {
    fn of_side(self, side: usize) -> Vec<f32> {
        let upper = side / 2;
        let mut values = self.pile(upper, side);
        values.extend(self.pile(side - upper, side).iter().map(|value| -value));
        (self.unit)(values)
    }

    /// A pile of rectangles of size 1 as an image of `height` × `width`.
    fn pile(self, height: usize, width: usize) -> Vec<f32> {
        let mut values = vec![0.0_f32; height * width];
        let (middle_y, middle_x) = (height / 2, width / 2);
        for level in 0..=middle_y.max(middle_x) {
            let added = ((level + 1) as f32).powi(-self.fall);
            for y in middle_y.saturating_sub(level)..(middle_y + level + 1).min(height) {
                for x in middle_x.saturating_sub(level)..(middle_x + level + 1).min(width) {
                    values[y * width + x] += added;
                }
            }
        }
        (self.unit)(values)
    }
}

/// Values of Euclidean length 1.
pub(crate) fn unit_length(values: Vec<f32>) -> Vec<f32> {
    let length = values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
    over(values, length)
}

/// Values whose absolute values sum to 1.
pub(crate) fn unit_sum(values: Vec<f32>) -> Vec<f32> {
    let sum = values.iter().map(|v| f64::from(v.abs())).sum();
    over(values, sum)
}

fn over(mut values: Vec<f32>, size: f64) -> Vec<f32> {
    let size = (size as f32).max(f32::MIN_POSITIVE);
    values.iter_mut().for_each(|value| *value /= size);
    values
}

fn sign(unit: f32) -> f32 {
    if unit < 0.5 { -1.0 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the power whose sum is 1.
    const KINDS: [(Bump, i32); 2] =
        [(Bump { fall: 2, unit: unit_length }, 2), (Bump { fall: 4, unit: unit_sum }, 1)];

    #[test]
    fn windows_lie_within_the_image_and_have_their_size() {
        let canvas = Canvas::of(&[2, 6, 9], true);
        let draws = Draws::new(0, (0..200).collect());
        let device = Device::flex();
        let windows = Windows::draw(&canvas, [3, 3], &draws, &device);
        for mask in [Window::First, Window::Second].map(|window| windows.mask(window)) {
            let sizes: Vec<f32> = mask.clone().sum_dim(3).sum_dim(2).try_into_vec_as().unwrap();
            assert!(sizes.iter().all(|size| *size == 9.0));
            let touched: Vec<f32> = mask.sum_dim(0).try_into_vec_as().unwrap();
            assert!(touched.iter().all(|count| *count > 0.0), "every pixel is reached");
        }
        for (bump, power) in KINDS {
            let bump = windows.bump(bump);
            let sizes = bump.clone().abs().powi_scalar(power).sum_dim(3).sum_dim(2);
            let sizes: Vec<f32> = sizes.try_into_vec_as().unwrap();
            assert!(sizes.iter().all(|size| (size - 1.0).abs() < 1e-5));
            let outside = bump * windows.mask(Window::First).neg().add_scalar(1.0);
            assert_eq!(outside.abs().max().into_scalar::<f32>(), 0.0);
            canvas.sent.take();
        }
    }

    #[test]
    fn the_window_of_a_share_is_a_square_or_a_part_of_the_row() {
        let image = Canvas::of(&[3, 32, 32], true);
        assert_eq!((image.window(0.8), image.window(0.0001)), ([29, 29], [1, 1]));
        assert_eq!((image.odd_window(0.8), image.odd_window(0.0001)), ([29, 29], [3, 3]));
        let row = Canvas::of(&[30], true);
        assert_eq!((row.window(0.8), row.window(0.001)), ([1, 24], [1, 1]));
    }

    #[test]
    fn every_channel_of_the_grid_has_bumps_of_size_one() {
        for (height, width) in [(8, 8), (32, 32), (5, 7)] {
            let canvas = Canvas::of(&[3, height, width], true);
            let draws = Draws::new(0, vec![0, 1]);
            let side = (height / 5).max(1);
            let whole = (height / side * (width / side)) as f32; // tiles, of which some may lie across the edge
            for (bump, power) in KINDS {
                let bumps = canvas.bumps(bump, &draws, &Device::flex());
                let sizes = bumps.abs().powi_scalar(power).sum_dim(3).sum_dim(2);
                let sizes: Vec<f32> = sizes.try_into_vec_as().unwrap();
                let fits = |size: &f32| *size > 0.5 * whole && *size < whole + 1e-3;
                assert!(sizes.iter().all(fits), "{height}×{width}: {sizes:?} of {whole}");
            }
        }
    }
}
