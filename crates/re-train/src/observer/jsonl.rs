//! One JSON object per line for every logged step and evaluation.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use re_data::files;
use serde_json::{Value, json};

use super::{Event, Observer};
use crate::error::{Error, Result};

/// Writes `metrics.jsonl`: lines with `"event": "step"` (step, epoch, loss, learning_rate, gradient_norm,
/// rows_per_second) and `"event": "evaluation"` (step, loss and all metrics).
#[derive(Debug)]
pub struct JsonlLog {
    path: PathBuf,
    file: File,
    every: u64,
}

impl JsonlLog {
    /// Opens the log for a run that has done `step` steps: later lines, which a run that was killed wrote
    /// after its last checkpoint, are removed, so that no step stands twice. Every `every`-th step is logged.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path, step: u64, every: u64) -> Result<Self> {
        let io = |source| Error::io(path, source);
        let mut kept: Vec<u8> = Vec::new();
        if step > 0 && files::exists(path)? {
            for line in BufReader::new(File::open(path).map_err(io)?).split(b'\n') {
                let line = line.map_err(io)?;
                let at = serde_json::from_slice::<Value>(&line).ok().and_then(|v| v.get("step")?.as_u64());
                if at.is_some_and(|at| at <= step) {
                    kept.extend(line);
                    kept.push(b'\n');
                }
            }
        }
        files::write(path, kept)?;
        let file = OpenOptions::new().append(true).open(path).map_err(io)?;
        Ok(Self { path: path.to_owned(), file, every: every.max(1) })
    }
}

impl Observer for JsonlLog {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let line = match event {
            Event::Step(report) if report.step.is_multiple_of(self.every) || report.step == 1 => json!({
                "event": "step",
                "step": report.step,
                "epoch": report.epoch,
                "loss": report.loss,
                "learning_rate": report.learning_rate,
                "gradient_norm": report.gradient_norm,
                "rows_per_second": report.rows_seen as f64 / report.elapsed.as_secs_f64().max(1e-9),
            }),
            Event::Evaluated { step, evaluation, best } => {
                let mut line = json!({
                    "event": "evaluation",
                    "step": step,
                    "loss": evaluation.loss,
                    "best": best,
                });
                if let (Value::Object(line), Value::Object(metrics)) =
                    (&mut line, serde_json::to_value(&evaluation.metrics)?)
                {
                    line.extend(metrics);
                }
                line
            }
            _ => return Ok(()),
        };
        Ok(writeln!(self.file, "{line}").map_err(|source| Error::io(&self.path, source))?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::observer::StepReport;

    #[test]
    fn resuming_removes_the_lines_after_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let write = |from: u64, to: u64| {
            let mut log = JsonlLog::open(&path, from, 1).unwrap();
            for step in from + 1..=to {
                let report = StepReport {
                    step,
                    epoch: 0.0,
                    loss: 1.0,
                    learning_rate: 0.1,
                    gradient_norm: 1.0,
                    rows: 1,
                    elapsed: Duration::from_secs(1),
                    rows_seen: step,
                };
                log.notify(&Event::Step(&report)).unwrap();
            }
        };
        write(0, 5);
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            // Torn inside a character.
            .write_all(b"{\"step\": 6, \"label\": \"\xea\xb4")
            .unwrap();
        write(3, 4);
        let text = std::fs::read_to_string(&path).unwrap();
        let steps: Vec<u64> = text
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap()["step"].as_u64().unwrap())
            .collect();
        assert_eq!(steps, [1, 2, 3, 4]);
    }
}
