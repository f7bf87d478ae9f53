//! What a network is made of, and what it costs.

use std::fmt;

use free_at_core::Error;

/// A network that can say what it is made of.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_models::{ResNetConfig, Stem, Summarize};
///
/// let model = ResNetConfig::resnet18(10).with_stem(Stem::Cifar).init(&Device::flex());
/// let summary = model.summary(&[3, 32, 32])?;
/// assert_eq!((summary.parameters(), summary.multiply_adds()), (11_173_962, 555_422_720));
/// println!("{summary}");
/// # Ok::<(), free_at_core::Error>(())
/// ```
pub trait Summarize {
    /// The network's parts for one sample of this shape, `[channels, height, width]` or `[features]`.
    ///
    /// # Errors
    /// [`Error::InputShape`] for a shape that the network does not take.
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error>;
}

/// A network's parts, each with its output, parameters and multiply-adds. Prints as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The network's name.
    pub model: String,
    /// The shape of a sample.
    pub input: Vec<usize>,
    /// The parts, from input to logits.
    pub parts: Vec<Part>,
    /// How many samples a minibatch needs for training: 2 where a batch norm sees a single value of each channel.
    pub smallest_batch: usize,
}

/// A part of a network: a layer or a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// The shape of its output for one sample.
    pub output: Vec<usize>,
    /// Trained parameters; running statistics are none.
    pub parameters: usize,
    /// Multiplications with an addition, of convolutions and linear layers, for one sample. Norms,
    /// activations and pooling are not counted, as is the custom.
    pub multiply_adds: u64,
}

impl Summary {
    /// Trained parameters in all.
    pub fn parameters(&self) -> usize {
        self.parts.iter().map(|part| part.parameters).sum()
    }

    /// Multiply-adds for one sample in all.
    pub fn multiply_adds(&self) -> u64 {
        self.parts.iter().map(|part| part.multiply_adds).fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, output: &str, counts: [String; 2]| {
            writeln!(f, "{name:<12} {output:<14} {:>12} {:>16}", counts[0], counts[1])
        };
        writeln!(f, "{}, input {}", self.model, by(&self.input))?;
        row(f, "part", "output", ["parameters".into(), "multiply-adds".into()])?;
        for part in &self.parts {
            let counts = [thousands(part.parameters as u64), thousands(part.multiply_adds)];
            row(f, &part.name, &by(&part.output), counts)?;
        }
        let totals = [thousands(self.parameters() as u64), thousands(self.multiply_adds())];
        row(f, "total", "", totals)
    }
}

fn by(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

/// 1234567 as 1,234,567.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}
