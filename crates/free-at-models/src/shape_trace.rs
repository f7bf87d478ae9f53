//! A network's forward pass, written down in shapes instead of tensors.
//!
//! A network goes through its layers once more, in the order of its forward pass, and gives each to
//! the trace. That yields the summary, and an error for an image that is too small.

use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use free_at_core::Error;
use free_at_nn::Conv2d;

use crate::summary::{Part, Summary};

pub(crate) struct ShapeTrace {
    summary: Summary,
    /// The shape of what flows, for one sample.
    shape: Vec<usize>,
    parameters: usize,
    multiply_adds: u64,
}

impl ShapeTrace {
    /// For a network of images with `channels` channels.
    pub(crate) fn of_images(
        model: String,
        sample: &[usize],
        channels: usize,
    ) -> Result<Self, Error> {
        let trace = Self::new(model, sample);
        match sample {
            [found, height, width] if *found == channels && *height.min(width) > 0 => Ok(trace),
            _ => Err(trace.refused(format!("it takes images [{channels}, height, width]"))),
        }
    }

    /// For a network of rows with `features` features.
    pub(crate) fn of_rows(model: String, sample: &[usize], features: usize) -> Result<Self, Error> {
        let trace = Self::new(model, sample);
        match sample == [features] {
            true => Ok(trace),
            false => Err(trace.refused(format!("it takes rows [{features}]"))),
        }
    }

    fn new(model: String, sample: &[usize]) -> Self {
        let summary =
            Summary { model, input: sample.to_vec(), parts: Vec::new(), smallest_batch: 1 };
        Self { summary, shape: sample.to_vec(), parameters: 0, multiply_adds: 0 }
    }

    pub(crate) fn refused(&self, reason: String) -> Error {
        let Summary { model, input, .. } = &self.summary;
        Error::InputShape { model: model.clone(), found: input.clone(), reason }
    }

    /// The shape of what flows here.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.shape.clone()
    }

    pub(crate) fn conv(&mut self, conv: &Conv2d) -> Result<(), Error> {
        let [to, from, height, width] = conv.weight.shape().dims();
        self.expect(self.shape[0], from)?;
        self.window(conv.kernel_size, conv.stride, &conv.padding)?;
        self.shape[0] = to;
        let weights = to * from * height * width;
        self.parameters += weights + conv.bias.as_ref().map_or(0, |_| to);
        let positions = (self.shape[1] as u64).saturating_mul(self.shape[2] as u64);
        self.multiply_adds =
            self.multiply_adds.saturating_add(positions.saturating_mul(weights as u64));
        Ok(())
    }

    pub(crate) fn norm(&mut self, norm: &BatchNorm) {
        self.parameters += 2 * norm.gamma.shape().num_elements();
        if self.shape[1..].iter().all(|size| *size == 1) && norm.training.is_enabled() {
            self.summary.smallest_batch = 2; // one value has no variance
        }
    }

    pub(crate) fn linear(&mut self, linear: &Linear) -> Result<(), Error> {
        let [from, to] = linear.weight.shape().dims();
        self.expect(self.shape.iter().product(), from)?;
        self.parameters += from * to + linear.bias.as_ref().map_or(0, |_| to);
        self.multiply_adds += (from * to) as u64;
        self.shape = vec![to];
        Ok(())
    }

    /// Refuses what a layer of other sizes would be given.
    fn expect(&self, found: usize, expected: usize) -> Result<(), Error> {
        match found == expected {
            true => Ok(()),
            false => {
                Err(self.refused(format!("a layer of {expected} inputs would get {found} of it")))
            }
        }
    }

    /// A kernel that slides over the image.
    pub(crate) fn window(
        &mut self,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: &PaddingConfig2d,
    ) -> Result<(), Error> {
        for axis in 0..2 {
            let size = self.shape[1 + axis];
            let around = match padding {
                PaddingConfig2d::Same => {
                    self.shape[1 + axis] = size.div_ceil(stride[axis]);
                    continue;
                }
                PaddingConfig2d::Valid => 0,
                PaddingConfig2d::Explicit(top, left, bottom, right) => {
                    [top + bottom, left + right][axis]
                }
            };
            let Some(room) = size.saturating_add(around).checked_sub(kernel[axis]) else {
                let [height, width] = [self.shape[1], self.shape[2]];
                return Err(self.refused(format!(
                    "a {}×{} kernel meets only {height}×{width} pixels, so it needs a larger image",
                    kernel[0], kernel[1],
                )));
            };
            self.shape[1 + axis] = room / stride[axis] + 1;
        }
        Ok(())
    }

    /// Channels of zeros.
    pub(crate) fn zeros(&mut self, channels: usize) {
        self.shape[0] += channels;
    }

    pub(crate) fn flatten(&mut self) {
        self.shape = vec![self.shape.iter().copied().fold(1, usize::saturating_mul)];
    }

    /// Another way from `trunk` to here, whose result is added.
    pub(crate) fn shortcut(
        &mut self,
        trunk: Vec<usize>,
        way: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let here = std::mem::replace(&mut self.shape, trunk);
        way(self)?;
        match self.shape == here {
            true => Ok(()),
            false => Err(self.refused(format!(
                "a shortcut gives {:?} where its block gives {here:?}: it takes heights and widths that its strides divide",
                self.shape,
            ))),
        }
    }

    /// Stages of blocks, a part each: `name` with its number from 1.
    pub(crate) fn stages<B>(
        &mut self,
        name: &str,
        stages: &[Vec<B>],
        block: impl Fn(&B, &mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (stage, blocks) in stages.iter().enumerate() {
            blocks.iter().try_for_each(|each| block(each, self))?;
            self.part(&format!("{name}{}", stage + 1));
        }
        Ok(())
    }

    /// The average over height and width, and a linear layer: the end of every residual network.
    pub(crate) fn head(mut self, name: &str, linear: &Linear) -> Result<Summary, Error> {
        self.shape.truncate(1);
        self.linear(linear)?;
        self.part(name);
        Ok(self.finish())
    }

    /// What came since the last part, under a name.
    pub(crate) fn part(&mut self, name: &str) {
        self.summary.parts.push(Part {
            name: name.into(),
            output: self.shape.clone(),
            parameters: std::mem::take(&mut self.parameters),
            multiply_adds: std::mem::take(&mut self.multiply_adds),
        });
    }

    pub(crate) fn finish(self) -> Summary {
        self.summary
    }
}
