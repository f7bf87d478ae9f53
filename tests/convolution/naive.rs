//! The convolution by its definition, in double precision.

/// The sizes of a convolution; pairs are (height, width), of `padding` (before, after) for each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) images: usize,
    /// Channels of a group.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) groups: usize,
    pub(super) size: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: [(usize, usize); 2],
    pub(super) dilation: [usize; 2],
}

/// What an output, or a gradient, is: the sum of some products, and how large they are: the root of the sum
/// of their squares, which a sum of random numbers is about as large as.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) value: f64,
    squares: f64,
}

impl Sum {
    fn add(&mut self, a: f32, b: f32) {
        let product = f64::from(a) * f64::from(b);
        self.value += product;
        self.squares += product * product;
    }

    pub(super) fn size(&self) -> f64 {
        self.squares.sqrt()
    }
}

impl Sizes {
    /// Height and width of the output, if the kernel fits into the padded image.
    pub(super) fn output(&self) -> Option<[usize; 2]> {
        let side = |s: usize| {
            let padded = self.size[s] + self.padding[s].0 + self.padding[s].1;
            let seen = (self.kernel[s] - 1) * self.dilation[s] + 1;
            Some(padded.checked_sub(seen)? / self.stride[s] + 1)
        };
        Some([side(0)?, side(1)?])
    }

    pub(super) fn input_dims(&self) -> [usize; 4] {
        [self.images, self.groups * self.inputs, self.size[0], self.size[1]]
    }

    pub(super) fn weight_dims(&self) -> [usize; 4] {
        [self.groups * self.outputs, self.inputs, self.kernel[0], self.kernel[1]]
    }

    pub(super) fn output_dims(&self) -> [usize; 4] {
        let [height, width] = self.output().unwrap();
        [self.images, self.groups * self.outputs, height, width]
    }

    pub(super) fn products(&self) -> usize {
        self.output_dims().iter().product::<usize>()
            * self.weight_dims()[1..].iter().product::<usize>()
    }

    /// Visits every product: where it stands in the input, the weights and the output.
    pub(super) fn for_each(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let [images, channels, height, width] = self.output_dims();
        let ([kernel_height, kernel_width], all) = (self.kernel, self.groups * self.inputs);
        let seen = |side: usize, out: usize, tap: usize| {
            let at = out * self.stride[side] + tap * self.dilation[side];
            at.checked_sub(self.padding[side].0).filter(|at| *at < self.size[side])
        };
        for (image, out) in (0..images).flat_map(|n| (0..channels).map(move |k| (n, k))) {
            for channel in 0..self.inputs {
                let plane = image * all + out / self.outputs * self.inputs + channel;
                for (y, x) in
                    (0..kernel_height).flat_map(|y| (0..kernel_width).map(move |x| (y, x)))
                {
                    let weight =
                        ((out * self.inputs + channel) * kernel_height + y) * kernel_width + x;
                    for row in 0..height {
                        let Some(from_row) = seen(0, row, y) else { continue };
                        for column in 0..width {
                            let Some(from_column) = seen(1, column, x) else { continue };
                            let input =
                                (plane * self.size[0] + from_row) * self.size[1] + from_column;
                            visit(
                                input,
                                weight,
                                ((image * channels + out) * height + row) * width + column,
                            );
                        }
                    }
                }
            }
        }
    }

    /// The output, and the gradients in input and weights of an output gradient.
    pub(super) fn convolve(
        &self,
        input: &[f32],
        weight: &[f32],
        gradient: &[f32],
    ) -> [Vec<Sum>; 3] {
        let mut output = vec![Sum::default(); gradient.len()];
        let mut of_input = vec![Sum::default(); input.len()];
        let mut of_weight = vec![Sum::default(); weight.len()];
        self.for_each(|x, w, y| {
            output[y].add(input[x], weight[w]);
            of_input[x].add(gradient[y], weight[w]);
            of_weight[w].add(gradient[y], input[x]);
        });
        [output, of_input, of_weight]
    }
}
