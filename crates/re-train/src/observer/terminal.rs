//! Progress on the terminal.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Event, Observer, StopReason};

/// A progress bar with loss, learning rate, rows per second and remaining time; plain lines where standard
/// error is no terminal.
#[derive(Debug, Default)]
pub struct Terminal {
    bar: Option<ProgressBar>,
    loss: RunningMean,
    /// The step that this process began with.
    first: u64,
    steps: u64,
}

/// A mean that the latest values count most in, as single batches jump too much to be read. What the first values lack in
/// weight is made up for (Kingma and Ba 2015, section 3), so that a mean of few values is theirs.
#[derive(Debug, Default)]
struct RunningMean {
    sum: f64,
    weight: f64,
}

impl RunningMean {
    fn add(&mut self, value: f64) -> f64 {
        self.sum = 0.95 * self.sum + 0.05 * value;
        self.weight = 0.95 * self.weight + 0.05;
        self.sum / self.weight
    }
}

impl Terminal {
    fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(text),
            _ => line(text),
        }
    }

    fn start(&mut self, step: u64, steps: u64, rows: usize) -> Result<(), indicatif::style::TemplateError> {
        let style = ProgressStyle::with_template(
            "{spinner} step {pos}/{len} [{elapsed_precise} < {eta_precise}] {wide_bar} {msg}",
        )?;
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr_with_hz(4));
        bar.set_style(style);
        bar.set_position(step);
        bar.reset_eta();
        self.bar = Some(bar);
        (self.first, self.steps) = (step, steps);
        self.loss = RunningMean::default();
        let begin =
            if step == 0 { "training".to_owned() } else { format!("resuming at step {step}, training") };
        self.print(&format!("{begin} on {rows} rows, {steps} steps"));
        Ok(())
    }
}

/// Writes to standard error; a reader that has gone away is no reason to end a training.
fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Observer for Terminal {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match event {
            Event::Notice(text) => self.print(text),
            Event::Part { name, number, of, folder } => {
                let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
                self.print(&format!("\n== training {number}{of}: {name}, in {}", folder.display()));
            }
            Event::Started { step, steps, rows } => self.start(*step, *steps, *rows)?,
            Event::Step(report) => {
                let loss = self.loss.add(report.loss);
                let speed = report.rows_seen as f64 / report.elapsed.as_secs_f64().max(1e-9);
                let text = format!("loss {loss:.4}  lr {:.2e}  {speed:.1} rows/s", report.learning_rate);
                if let Some(bar) = &self.bar {
                    bar.set_position(report.step);
                    bar.set_message(text.clone());
                    // Without a terminal about twenty lines tell the story of a run.
                    if bar.is_hidden() && report.step.is_multiple_of((self.steps / 20).max(1)) {
                        let done = report.step.saturating_sub(self.first).max(1) as f64;
                        let left = report.elapsed.as_secs_f64() / done * (self.steps - report.step) as f64;
                        line(&format!("step {}/{}  {text}  {left:.0} s left", report.step, self.steps));
                    }
                }
            }
            Event::Evaluated { step, evaluation, best, .. } => {
                let m = &evaluation.metrics;
                let mark = if *best { "  (best so far)" } else { "" };
                self.print(&format!(
                    "step {step}: validation accuracy {:.2} %, micro-F1 {:.2} %, macro-F1 {:.2} %, loss {:.4}{mark}",
                    100.0 * m.accuracy,
                    100.0 * m.micro_f1,
                    100.0 * m.macro_f1,
                    evaluation.loss
                ));
            }
            Event::Saving { .. } => {}
            Event::Saved { step, path } => self.print(&format!("step {step}: saved {}", path.display())),
            Event::Finished { step, reason, elapsed } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                let why = match reason {
                    StopReason::Completed => "finished",
                    StopReason::EarlyStopping => "stopped early: no improvement",
                    StopReason::Interrupted => "interrupted",
                };
                let seconds = Duration::from_secs(elapsed.as_secs()).as_secs_f64();
                self.print(&format!("training {why} after {step} steps, {seconds:.0} s"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_few_values_is_theirs() {
        let mut mean = RunningMean::default();
        assert!((mean.add(3.0) - 3.0).abs() < 1e-12);
        let two = mean.add(1.0);
        assert!((two - (0.95 * 3.0 + 1.0) / 1.95).abs() < 1e-12, "{two}");
        assert!((0..500).map(|_| mean.add(2.0)).last().is_some_and(|last| (last - 2.0).abs() < 1e-9));
    }
}
