//! Running an experiment in a folder of its own.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use re_data::write::{self, PredictionFormat};
use re_data::{EncodeOptions, EncodeReport, Probabilities, RelationExample};
use re_model::{ClassifierOptions, HeadChoice, MarkupChoice, RelationClassifier, TrainedParts, hub};
use serde_json::json;

use super::{Experiment, ExperimentData};
use crate::checkpoint::{Checkpoint, write_file};
use crate::error::{Error, Result};
use crate::observer::{Evaluation, Event, JsonlLog, Observer, StopReason};
use crate::task::{ClassificationTask, LabelledRows};
use crate::trainer::{Outcome, Start, Trainer};

/// Name of the file whose lock says that a process works in the folder.
const LOCK: &str = ".lock";
/// Rows that are predicted at a time.
const ROWS: usize = 4096;

/// The folder of a run: checkpoints, `config.toml`, `metrics.jsonl`, predictions, `summary.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

/// What a run has given.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Why training ended.
    pub reason: StopReason,
    /// The checkpoint that evaluation and predictions come from: the best one where there is validation.
    pub checkpoint: Checkpoint,
    /// Evaluation of that checkpoint on the validation rows.
    pub evaluation: Option<Evaluation>,
    /// The file for the competition, where there were test rows.
    pub submission: Option<PathBuf>,
}

impl RunFolder {
    /// The folder at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The resolved configuration of the run that lies here.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] where there is none.
    pub fn experiment(&self) -> Result<Experiment> {
        let path = self.0.join("config.toml");
        if !path.exists() {
            return Err(Error::NoCheckpoint { folder: self.0.clone() });
        }
        Experiment::from_file(path)
    }

    /// Makes sure that the folder is one to start or resume in, and keeps other processes out of it.
    fn claim(&self, start: Start) -> Result<File> {
        let folder = || self.0.clone();
        let begun = !Checkpoint::list(&self.0)?.is_empty();
        match start {
            Start::Resume if !begun => return Err(Error::NoCheckpoint { folder: folder() }),
            Start::Fresh if begun => return Err(Error::RunExists { folder: folder() }),
            _ => {}
        }
        std::fs::create_dir_all(&self.0).map_err(|source| Error::io(&self.0, source))?;
        let path = self.0.join(LOCK);
        // A run that ended before its first checkpoint may start afresh; a folder of something else may not.
        let mut names = std::fs::read_dir(&self.0).map_err(|source| Error::io(&self.0, source))?;
        if start == Start::Fresh && !path.exists() && names.next().is_some() {
            return Err(Error::NotEmpty { folder: folder() });
        }
        let lock = File::create(&path).map_err(|source| Error::io(&path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(Error::RunBusy { folder: folder() }),
            Err(TryLockError::Error(source)) => Err(Error::io(path, source)),
        }
    }

    /// Runs `experiment`: reads the data, trains, evaluates the best checkpoint and predicts the test rows.
    ///
    /// `observers` watch, beside the log that is always written; once `stop` is true, training ends with a
    /// checkpoint after the current step, and nothing is predicted.
    ///
    /// # Errors
    /// Whatever is wrong with data, model, settings or disk; see [`Trainer::train`].
    pub fn run(
        &self,
        experiment: &Experiment,
        start: Start,
        mut observers: Vec<Box<dyn Observer>>,
        stop: Arc<AtomicBool>,
    ) -> Result<Summary> {
        // The file that is kept names the format, so that a resumed run computes in the same one.
        let mut experiment = experiment.clone();
        experiment.training.precision = Some(experiment.training.precision());
        for path in experiment.paths_mut().filter(|path| path.exists()) {
            *path = std::path::absolute(&*path).map_err(|source| Error::io(&*path, source))?;
        }
        let (experiment, config) = (&experiment, &experiment.training);
        let _lock = self.claim(start)?;
        let data = ExperimentData::read(&experiment.data, config.seed)?;
        let (classifier, report) = build(experiment, &data)?;
        let (train, encoded) = LabelledRows::new(&classifier, &data.train)?;
        let (validation, encoded_validation) = LabelledRows::new(&classifier, &data.validation)?;
        let mut notes = data.notes.clone();
        notes.push(format!("model {}: {report}", experiment.model.folder.display()));
        notes.push(describe(&encoded, "training"));
        if !validation.is_empty() {
            notes.push(describe(&encoded_validation, "validation"));
        }
        // A row that cannot be predicted should be known now, not after hours of training.
        for part in data.test.chunks(ROWS) {
            notes.push(describe(&classifier.encoder().encode_batch(part)?.1, "test"));
        }
        for note in &notes {
            tell(&mut observers, &Event::Notice(note))?;
        }

        if start == Start::Fresh {
            self.write("config.toml", &experiment.to_toml()?)?;
        }
        let begun = Checkpoint::list(&self.0)?.last().map_or(0, |checkpoint| checkpoint.step);
        let log = JsonlLog::open(&self.0.join("metrics.jsonl"), begun, config.logging_steps)?;
        let mut trainer = Trainer::new(config.clone(), &self.0)?.stop_when(stop).observe(log);
        for observer in observers {
            trainer = trainer.observe(observer);
        }
        let task = ClassificationTask::new(classifier, train, validation, config)?;
        let outcome = trainer.train(&task, start)?;
        drop(task);
        self.conclude(experiment, &data, outcome)
    }

    /// Evaluates and predicts with the checkpoint that the run is about.
    fn conclude(&self, experiment: &Experiment, data: &ExperimentData, outcome: Outcome) -> Result<Summary> {
        let done = outcome.reason != StopReason::Interrupted;
        let checkpoint = match outcome.best.filter(|_| done && experiment.training.keep_best) {
            Some(best) => Checkpoint { step: best.step, path: Checkpoint::path(&self.0, best.step) },
            None => outcome.last,
        };
        let mut summary = Summary { reason: outcome.reason, checkpoint, evaluation: None, submission: None };
        if !done {
            return Ok(summary);
        }
        let parts = TrainedParts {
            device: Some(experiment.training.device()?),
            precision: experiment.training.precision(),
            ..TrainedParts::default()
        };
        let classifier = RelationClassifier::from_pretrained_with(&summary.checkpoint.path, parts)?;
        if !data.validation.is_empty() {
            let probabilities = predict(&classifier, &data.validation)?;
            let classes = data.validation.iter().map(|example| data.labels.class_of(example));
            let gold: Vec<usize> = classes.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
            summary.evaluation = Some(Evaluation::new(&gold, &probabilities)?);
            self.write_predictions(
                "validation_probabilities.csv",
                PredictionFormat::Probabilities,
                &probabilities,
            )?;
        }
        if !data.test.is_empty() {
            let probabilities = predict(&classifier, &data.test)?;
            self.write_predictions(
                "test_probabilities.csv",
                PredictionFormat::Probabilities,
                &probabilities,
            )?;
            let submission =
                self.write_predictions("submission.csv", PredictionFormat::Submission, &probabilities)?;
            summary.submission = Some(submission);
        }
        self.write("summary.json", &summary.to_json())?;
        Ok(summary)
    }

    fn write_predictions(
        &self,
        name: &str,
        format: PredictionFormat,
        probabilities: &Probabilities,
    ) -> Result<PathBuf> {
        let path = self.0.join(name);
        write_file(&path, |partial| Ok(write::predictions(partial, format, probabilities)?))?;
        Ok(path)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        write_file(&self.0.join(name), |partial| {
            std::fs::write(partial, text).map_err(|source| Error::io(partial, source))
        })
    }
}

impl Summary {
    fn to_json(&self) -> String {
        let summary = json!({
            "step": self.checkpoint.step,
            "stopped_early": self.reason == StopReason::EarlyStopping,
            "validation_loss": self.evaluation.as_ref().map(|e| e.loss),
            "validation": self.evaluation.as_ref().map(|e| &e.metrics),
        });
        format!("{summary:#}\n")
    }
}

fn build(
    experiment: &Experiment,
    data: &ExperimentData,
) -> Result<(RelationClassifier, re_model::LoadReport)> {
    let options = ClassifierOptions {
        markup: MarkupChoice::Known(experiment.markup.clone()),
        head: HeadChoice::Known(experiment.head),
        encoding: EncodeOptions {
            max_length: experiment.encoding.max_length,
            truncation: experiment.encoding.truncation,
            lost_entities: experiment.encoding.lost_entities,
            ..EncodeOptions::default()
        },
        layers: experiment.model.layers,
        random_weights: experiment.model.random_weights,
        seed: experiment.training.seed,
        device: experiment.training.device()?,
    };
    let folder = hub::model_folder(&experiment.model.folder, experiment.model.download)?;
    Ok(RelationClassifier::new(folder, data.labels.as_ref().clone(), options)?)
}

/// Predictions of any number of rows, a part of them in memory as tokens at a time.
fn predict(classifier: &RelationClassifier, examples: &[RelationExample]) -> Result<Probabilities> {
    let mut values = Vec::with_capacity(examples.len() * classifier.labels().len());
    for part in examples.chunks(ROWS) {
        values.extend_from_slice(classifier.predict(part)?.values());
    }
    let ids = examples.iter().map(|example| example.id().to_owned()).collect();
    Ok(Probabilities::new(ids, Arc::clone(classifier.labels()), values)?)
}

fn describe(report: &EncodeReport, what: &str) -> String {
    let mean = report.tokens as f64 / report.rows.max(1) as f64;
    format!(
        "{what}: {} rows of {mean:.1} tokens on average, {} truncated, {} entities lost to truncation",
        report.rows,
        report.truncated,
        report.lost.len()
    )
}

fn tell(observers: &mut [Box<dyn Observer>], event: &Event<'_>) -> Result<()> {
    observers.iter_mut().try_for_each(|observer| observer.notify(event).map_err(Error::Observer))
}
