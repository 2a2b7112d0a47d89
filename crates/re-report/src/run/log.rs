//! What a training wrote down on its way, as `metrics.jsonl` says.

use std::path::Path;

use re_data::metrics::Metrics;
use serde::Deserialize;

use super::{json, summary};
use crate::error::{Error, Result};

/// Logged steps and evaluations, in the order of their steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    /// Logged optimizer steps.
    pub steps: Vec<Step>,
    /// Evaluations on the validation rows.
    pub evaluations: Vec<Evaluated>,
    /// Whether the last line is not complete, as a run leaves it that was killed while it wrote; it is left out.
    pub torn: bool,
}

/// One optimizer step. A figure that was not finite is `None`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Step {
    /// Number of the step, from 1.
    pub step: u64,
    /// Mean loss of the step's rows.
    pub loss: Option<f64>,
    /// Learning rate of the encoder.
    pub learning_rate: Option<f64>,
}

/// One evaluation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Evaluated {
    /// Steps done.
    pub step: u64,
    /// Mean cross entropy of the validation rows, in nats; `None` where it was not finite.
    pub loss: Option<f64>,
    /// Whether no earlier evaluation was better.
    pub best: bool,
    /// Classification metrics.
    #[serde(flatten)]
    pub metrics: Metrics,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Step(Step),
    Evaluation(Evaluated),
    /// Events that later versions may add.
    #[serde(other)]
    Other,
}

impl Log {
    /// Reads a log from the text of a file with one JSON object a line, which errors call `path`.
    ///
    /// # Errors
    /// [`Error::Json`] where a line is no event, [`Error::Content`] where the figures of an evaluation contradict
    /// each other or steps do not ascend.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut log = Self::default();
        let mut last = 0;
        let mut lines = (1..).zip(text.split_inclusive('\n')).peekable();
        while let Some((number, line)) = lines.next() {
            if line.trim().is_empty() {
                continue;
            }
            let expected = "an event of a training with a step";
            let event = match json::parse(line, path, Some(number), expected) {
                Err(_) if lines.peek().is_none() && !line.ends_with('\n') => {
                    log.torn = true;
                    break;
                }
                event => event?,
            };
            let step = match event {
                Line::Step(step) => {
                    let at = step.step;
                    log.steps.push(step);
                    at
                }
                Line::Evaluation(evaluated) => {
                    summary::check(&evaluated.metrics, path, Some(number))?;
                    let at = evaluated.step;
                    log.evaluations.push(evaluated);
                    at
                }
                Line::Other => continue,
            };
            if step < last {
                return Err(Error::Content {
                    path: path.to_owned(),
                    line: Some(number),
                    field: "step",
                    found: step.to_string(),
                    expected: format!("{last} or more, as steps ascend"),
                });
            }
            last = step;
        }
        Ok(log)
    }

    /// The last evaluation that no earlier one had beaten.
    pub fn best(&self) -> Option<&Evaluated> {
        self.evaluations.iter().rev().find(|evaluated| evaluated.best)
    }

    /// Whether nothing was logged.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.evaluations.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use re_data::error::with_causes;

    use super::*;

    const STEP: &str =
        r#"{"event":"step","step":10,"epoch":0.1,"loss":1.5,"learning_rate":1e-5,"gradient_norm":1.0}"#;
    const EVALUATION: &str = r#"{"event":"evaluation","step":10,"loss":0.7,"best":true,"rows":1,"accuracy":1.0,
        "micro_f1":0.0,"macro_f1":1.0,"per_label":[{"label":"a","precision":1.0,"recall":1.0,"f1":1.0,"support":1,
        "predicted":1}],"confusion":[[1]]}"#;

    fn parse(text: &str) -> Result<Log> {
        Log::parse(text, Path::new("metrics.jsonl"))
    }

    #[test]
    fn steps_and_evaluations_are_read_and_unknown_events_passed_over() {
        let evaluation = EVALUATION.replace('\n', "");
        let log = parse(&format!("{STEP}\n\n{evaluation}\n{{\"event\":\"saved\",\"step\":10}}\n")).unwrap();
        assert_eq!((log.steps.len(), log.evaluations.len(), log.torn), (1, 1, false));
        assert_eq!(log.best().unwrap().metrics.per_label[0].label, "a");
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn a_loss_that_was_not_finite_is_none() {
        assert_eq!(parse(&STEP.replace("1.5", "null")).unwrap().steps[0].loss, None);
    }

    #[test]
    fn only_the_end_of_the_file_may_be_torn() {
        let log = parse(&format!("{STEP}\n{{\"event\":\"st")).unwrap();
        assert_eq!((log.steps.len(), log.torn), (1, true));
        let error = parse(&format!("{{\"event\":\"st\n{STEP}\n")).unwrap_err().to_string();
        assert!(error.starts_with("metrics.jsonl:1: "), "{error}");
        let error = with_causes(&parse("{\"event\":\"step\"}\n").unwrap_err());
        assert!(error.contains("missing field `step`"), "{error}");
    }

    #[test]
    fn contradictions_are_errors() {
        let error = parse(&format!("{STEP}\n{}\n", STEP.replace(":10", ":9"))).unwrap_err().to_string();
        assert_eq!(error, "metrics.jsonl:2: step: found 9, expected 10 or more, as steps ascend");
        let wrong = EVALUATION.replace('\n', "").replace("[[1]]", "[[1,0]]");
        let error = parse(&wrong).unwrap_err().to_string();
        assert!(error.contains("confusion: found 1 rows of 2 columns"), "{error}");
        let wrong = EVALUATION.replace('\n', "").replace("\"accuracy\":1.0", "\"accuracy\":71.0");
        assert!(parse(&(wrong + "\n")).unwrap_err().to_string().contains("accuracy: found 71"));
    }
}
