//! A bar for each run of an attack in a terminal, a line for each elsewhere.

use std::ops::ControlFlow;
use std::sync::Mutex;

use free_at::attacks::{EvaluationProgress, Progress};
use indicatif::{ProgressBar, ProgressStyle};

#[derive(Default)]
pub(crate) struct Bars {
    current: Mutex<Option<(String, ProgressBar)>>,
}

impl Progress for Bars {
    fn update(&self, at: &EvaluationProgress) -> ControlFlow<()> {
        let quantized = if at.quantized { " (8-bit)" } else { "" };
        let run = if at.runs > 1 { format!(" {}/{}", at.run + 1, at.runs) } else { String::new() };
        let name = format!("{}{quantized}{run}", at.attack);
        // A panic elsewhere while a bar was drawn leaves nothing that matters.
        let mut current = self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if current.as_ref().is_none_or(|(shown, _)| *shown != name) {
            let bar = ProgressBar::new(at.samples as u64);
            let look = "{prefix:20} {wide_bar:.green} {pos}/{len} samples, {eta} left  {msg}";
            if let Ok(style) = ProgressStyle::with_template(look) {
                bar.set_style(style);
            }
            bar.set_prefix(name.clone());
            *current = Some((name.clone(), bar));
        }
        if let Some((_, bar)) = current.as_ref() {
            bar.set_position(at.done as u64);
            bar.set_message(format!("{} broken", at.broken));
            if at.done == at.samples {
                bar.finish_and_clear();
                if bar.is_hidden() {
                    println!("{name:20} {} samples, {} broken in all", at.samples, at.broken);
                }
            }
        }
        ControlFlow::Continue(())
    }
}
