//! One training.

use re_data::{EncodeOptions, EncodeReport};
use re_model::{ClassifierOptions, HeadChoice, LoadReport, MarkupChoice, RelationClassifier, hub};

use super::super::run::RunFolder;
use super::super::session::Session;
use super::super::summary::Summary;
use super::super::{Experiment, ExperimentData};
use super::{ROWS, conclude, load};
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::observer::{JsonlLog, StopReason};
use crate::task::{ClassificationTask, LabelledRows};
use crate::trainer::{Outcome, Start, Trainer};

/// Trains, evaluates the best checkpoint and predicts with it.
pub(in super::super) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    start: Start,
    session: &mut Session<'_>,
) -> Result<Summary> {
    let config = &experiment.training;
    let (classifier, report) = build(experiment, data)?;
    let (train, encoded) = LabelledRows::new(&classifier, &data.train)?;
    let (validation, encoded_validation) = LabelledRows::new(&classifier, &data.validation)?;
    let mut notes = data.notes.clone();
    notes.push(format!("model {}: {report}", experiment.model.folder.display()));
    notes.push(describe(&encoded, "training"));
    if !validation.is_empty() {
        notes.push(describe(&encoded_validation, "validation"));
    }
    // A row that cannot be predicted should be known now, not after hours of training.
    for part in data.test.chunks(ROWS).chain(data.holdout.chunks(ROWS)) {
        notes.push(describe(&classifier.encoder().encode_batch(part)?.1, "rows to predict"));
    }
    for note in &notes {
        session.note(note)?;
    }

    if start == Start::Fresh {
        folder.write_config(experiment)?;
    }
    let begun = Checkpoint::list(folder.path())?.last().map_or(0, |checkpoint| checkpoint.step);
    let log = JsonlLog::open(&folder.path().join("metrics.jsonl"), begun, config.logging_steps)?;
    let mut trainer = Trainer::new(config.clone(), folder.path())?
        .stop_when(session.stop.clone())
        .observe(log)
        .observe(&mut *session.observer);
    let task = ClassificationTask::new(classifier, train, validation, config)?;
    let outcome = trainer.train(&task, start)?;
    drop(task);

    let reason = outcome.reason;
    let checkpoint = chosen(folder, experiment, outcome);
    let summary = if reason == StopReason::Interrupted {
        Summary::new(reason)
    } else {
        conclude(folder, data, &load(&checkpoint.path, experiment)?)?
    };
    Ok(Summary { reason, step: Some(checkpoint.step), model: Some(checkpoint.path), ..summary })
}

/// The checkpoint that the run is about: the best one where there is validation.
fn chosen(folder: &RunFolder, experiment: &Experiment, outcome: Outcome) -> Checkpoint {
    let done = outcome.reason != StopReason::Interrupted;
    match outcome.best.filter(|_| done && experiment.training.keep_best) {
        Some(best) => Checkpoint { step: best.step, path: Checkpoint::path(folder.path(), best.step) },
        None => outcome.last,
    }
}

fn build(experiment: &Experiment, data: &ExperimentData) -> Result<(RelationClassifier, LoadReport)> {
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

fn describe(report: &EncodeReport, what: &str) -> String {
    let mean = report.tokens as f64 / report.rows.max(1) as f64;
    format!(
        "{what}: {} rows of {mean:.1} tokens on average, {} truncated, {} entities lost to truncation",
        report.rows,
        report.truncated,
        report.lost.len()
    )
}
