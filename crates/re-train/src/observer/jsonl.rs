//! One JSON object per line for every logged step and evaluation.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use re_data::files;
use serde_json::{Value, json};

use super::{Event, Observer};
use crate::error::{Error, Result};

/// Writes `metrics.jsonl`: lines with `"event": "step"` (step, epoch, loss, learning_rate, gradient_norm,
/// rows_per_second) and `"event": "evaluation"` (step, loss and all metrics). An evaluation that was made only because
/// training stopped at `stop_at_step` has `"counts": false`, too.
///
/// Every line is written at once. All of them are on disk before a checkpoint appears, so that training that goes on from
/// there lacks none.
#[derive(Debug)]
pub struct JsonlLog {
    path: PathBuf,
    every: u64,
    /// There once training has started.
    file: Option<File>,
    /// Step of the last evaluation in the file.
    evaluated: Option<u64>,
}

impl JsonlLog {
    /// A log in the file `path` of every `every`-th step.
    ///
    /// Where training starts at step 0 the file is made anew. Where it goes on, lines that a run that never stopped would
    /// not have at this step are removed: those of later steps, which a run that was killed wrote after its last
    /// checkpoint, and of evaluations that do not count.
    pub fn new(path: impl Into<PathBuf>, every: u64) -> Self {
        Self { path: path.into(), every: every.max(1), file: None, evaluated: None }
    }

    fn start(&mut self, step: u64) -> Result<()> {
        self.evaluated = None;
        let kept = if step > 0 { self.lines_up_to(step)? } else { Vec::new() };
        files::write(&self.path, kept)?;
        let file = OpenOptions::new().append(true).open(&self.path);
        self.file = Some(file.map_err(|source| Error::io(&self.path, source))?);
        Ok(())
    }

    fn lines_up_to(&mut self, step: u64) -> Result<Vec<u8>> {
        let path = self.path.clone();
        let io = |source| Error::io(&path, source);
        let mut kept = Vec::new();
        if !files::exists(&path)? {
            return Ok(kept);
        }
        for line in BufReader::new(File::open(&path).map_err(io)?).split(b'\n') {
            let line = line.map_err(io)?;
            let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
            let at = event.get("step").and_then(Value::as_u64);
            if at.is_some_and(|at| at <= step) && event.get("counts") != Some(&Value::Bool(false)) {
                if event.get("event").is_some_and(|event| event == "evaluation") {
                    self.evaluated = at;
                }
                kept.extend(line);
                kept.push(b'\n');
            }
        }
        Ok(kept)
    }

    fn write(&mut self, event: &Value) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        write_line(file, event).map_err(|source| Error::io(&self.path, source))
    }

    fn sync(&self) -> Result<()> {
        let result = self.file.as_ref().map_or(Ok(()), File::sync_data);
        result.map_err(|source| Error::io(&self.path, source))
    }
}

/// Writes a line at once: a kill then tears hardly ever one, and a system call a token would be thousands a step.
fn write_line(mut file: impl Write, event: &Value) -> io::Result<()> {
    file.write_all(format!("{event}\n").as_bytes())
}

impl Observer for JsonlLog {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let line = match event {
            Event::Started { step, .. } => return Ok(self.start(*step)?),
            Event::Saving { .. } | Event::Finished { .. } => return Ok(self.sync()?),
            Event::Step(report) if report.step.is_multiple_of(self.every) || report.step == 1 => json!({
                "event": "step",
                "step": report.step,
                "epoch": report.epoch,
                "loss": report.loss,
                "learning_rate": report.learning_rate,
                "gradient_norm": report.gradient_norm,
                "rows_per_second": report.rows_seen as f64 / report.elapsed.as_secs_f64().max(1e-9),
            }),
            // A run that was killed after an evaluation, and before the checkpoint that knows it, makes it again.
            Event::Evaluated { step, .. } if self.evaluated == Some(*step) => return Ok(()),
            Event::Evaluated { step, evaluation, best, counts } => {
                self.evaluated = Some(*step);
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
                    line.extend(evaluation.own_metric.map(|value| ("own_metric".to_owned(), value.into())));
                    if !counts {
                        line.insert("counts".to_owned(), Value::Bool(false));
                    }
                }
                line
            }
            _ => return Ok(()),
        };
        Ok(self.write(&line)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use re_data::LabelSet;
    use re_data::metrics::Metrics;

    use super::*;
    use crate::observer::{Evaluation, StepReport};

    fn step(step: u64) -> StepReport {
        StepReport {
            step,
            epoch: 0.0,
            loss: 1.0,
            learning_rate: 0.1,
            gradient_norm: 1.0,
            rows: 1,
            elapsed: Duration::from_secs(1),
            rows_seen: step,
        }
    }

    fn started(path: &std::path::Path, step: u64) -> JsonlLog {
        let mut log = JsonlLog::new(path, 1);
        log.notify(&Event::Started { step, steps: 9, rows: 1 }).unwrap();
        log
    }

    fn steps(path: &std::path::Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["step"].as_u64().unwrap()).collect()
    }

    #[test]
    fn resuming_removes_the_lines_after_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let write = |from: u64, to: u64| {
            let mut log = started(&path, from);
            (from + 1..=to).for_each(|at| log.notify(&Event::Step(&step(at))).unwrap());
        };
        write(0, 5);
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            // Torn inside a character.
            .write_all(b"{\"step\": 6, \"label\": \"\xea\xb4")
            .unwrap();
        // Nothing changes before training has started: it may be refused.
        let before = std::fs::read(&path).unwrap();
        let _ = JsonlLog::new(&path, 1);
        assert!(std::fs::read(&path).unwrap() == before);
        write(3, 4);
        assert_eq!(steps(&path), [1, 2, 3, 4]);
    }

    #[test]
    fn a_line_is_one_write() {
        struct Count(usize);
        impl Write for Count {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut count = Count(0);
        write_line(&mut count, &json!({"event": "step", "step": 1, "losses": [1.0, 2.0]})).unwrap();
        assert_eq!(count.0, 1);
    }

    #[test]
    fn resuming_removes_evaluations_that_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let labels = LabelSet::new(["no_relation", "a"]).unwrap();
        let evaluation =
            Evaluation { loss: 0.5, metrics: Metrics::of(&[0], &[0], &labels).unwrap(), own_metric: None };
        let mut log = started(&path, 0);
        for (step, counts) in [(2, true), (3, false)] {
            log.notify(&Event::Evaluated { step, evaluation: &evaluation, best: true, counts }).unwrap();
        }
        assert_eq!(steps(&path), [2, 3]);
        let mut log = started(&path, 3);
        assert_eq!(steps(&path), [2]);
        // One that is made a second time stands once.
        for counts in [true, true] {
            log.notify(&Event::Evaluated { step: 3, evaluation: &evaluation, best: true, counts }).unwrap();
        }
        started(&path, 3)
            .notify(&Event::Evaluated { step: 3, evaluation: &evaluation, best: true, counts: true })
            .unwrap();
        assert_eq!(steps(&path), [2, 3]);
    }
}
