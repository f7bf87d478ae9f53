//! A progress bar in a terminal, short lines elsewhere.

use std::cell::Cell;

use burn::tensor::Tensor;
use indicatif::{ProgressBar, ProgressStyle};

/// Lines per training where there is no terminal, and readings of the loss everywhere: reading it
/// more often would make a GPU wait.
const READINGS: u64 = 4;

pub(crate) struct Progress {
    name: String,
    bar: ProgressBar,
    steps: u64,
    done: Cell<u64>,
}

impl Progress {
    pub(crate) fn new(name: &str, steps: usize) -> Self {
        let steps = steps as u64;
        let bar = ProgressBar::new(steps); // draws nothing where there is no terminal
        let look = "{prefix:9} {wide_bar:.green} {pos}/{len} steps, {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(look) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_string());
        Self { name: name.to_string(), bar, steps, done: Cell::new(0) }
    }

    pub(crate) fn advance(&self, loss: &Tensor<1>) {
        let done = self.done.get() + 1;
        self.done.set(done);
        self.bar.inc(1);
        if done.is_multiple_of((self.steps / READINGS).max(1)) {
            let loss = loss.clone().into_scalar::<f32>();
            self.bar.set_message(format!("loss {loss:.3}"));
            if self.bar.is_hidden() {
                println!("{:9} {done}/{} steps, loss {loss:.3}", self.name, self.steps);
            }
        }
    }

    pub(crate) fn finish(&self, seconds: f64) {
        self.bar.finish_and_clear();
        println!("{:9} trained in {seconds:.1} s", self.name);
    }
}
