//! How each plan makes its trainings and combines them.

pub(super) mod folds;
pub(super) mod pseudo;
pub(super) mod single;
pub(super) mod transfer;
pub(super) mod two_stage;
pub(super) mod vote;

use std::path::PathBuf;

use re_data::write::{self, PredictionFormat};
use re_data::{LabelSet, Predictor, Probabilities, RelationExample};
use re_model::{RelationClassifier, TrainedParts};

use super::run::RunFolder;
use super::summary::Summary;
use super::{Experiment, ExperimentData};
use crate::checkpoint::write_file;
use crate::error::Result;
use crate::observer::{Evaluation, StopReason};

/// Probabilities of the validation rows.
pub(super) const VALIDATION: &str = "validation_probabilities.csv";
/// Probabilities of the rows that were set aside before the folds were made.
pub(super) const HOLDOUT: &str = "holdout_probabilities.csv";
/// Probabilities of the test rows.
pub(super) const TEST: &str = "test_probabilities.csv";

/// Rows that are predicted at a time.
const ROWS: usize = 4096;

/// Loads a trained model as the experiment's settings say.
fn load(folder: &std::path::Path, experiment: &Experiment) -> Result<RelationClassifier> {
    let parts = TrainedParts {
        device: Some(experiment.training.device()?),
        precision: experiment.training.precision(),
        ..TrainedParts::default()
    };
    Ok(RelationClassifier::from_pretrained_with(folder, parts)?)
}

/// Predictions of any number of rows, a part of them in memory as tokens at a time.
fn predict(predictor: &impl Predictor, examples: &[RelationExample]) -> Result<Probabilities> {
    let mut values = Vec::with_capacity(examples.len() * predictor.labels().len());
    for part in examples.chunks(ROWS) {
        values.extend_from_slice(predictor.predict(part)?.values());
    }
    let ids = examples.iter().map(|example| example.id().to_owned()).collect();
    Ok(Probabilities::new(ids, predictor.labels().clone(), values)?)
}

/// Compares probabilities with the labels of the rows they belong to.
fn evaluate(examples: &[RelationExample], probabilities: &Probabilities) -> Result<Evaluation> {
    Evaluation::new(&gold(examples, probabilities.labels())?, probabilities)
}

fn gold(examples: &[RelationExample], labels: &LabelSet) -> Result<Vec<usize>> {
    let class = |example: &RelationExample| {
        let missing = || re_data::Error::MissingLabel { id: example.id().to_owned() };
        Ok(labels.class_of(example)?.ok_or_else(missing)?)
    };
    examples.iter().map(class).collect()
}

/// Writes what a predictor says of the validation and the test rows, and evaluates the former.
fn conclude(folder: &RunFolder, data: &ExperimentData, predictor: &impl Predictor) -> Result<Summary> {
    let mut summary = Summary::new(StopReason::Completed);
    if !data.validation.is_empty() {
        summary.evaluation = Some(say_validation(folder, data, &predict(predictor, &data.validation)?)?);
    }
    if !data.holdout.is_empty() {
        save(folder, HOLDOUT, PredictionFormat::Probabilities, &predict(predictor, &data.holdout)?)?;
    }
    if !data.test.is_empty() {
        summary.submission = Some(say_test(folder, &predict(predictor, &data.test)?)?);
    }
    Ok(summary)
}

fn say_validation(
    folder: &RunFolder,
    data: &ExperimentData,
    probabilities: &Probabilities,
) -> Result<Evaluation> {
    save(folder, VALIDATION, PredictionFormat::Probabilities, probabilities)?;
    evaluate(&data.validation, probabilities)
}

fn say_test(folder: &RunFolder, probabilities: &Probabilities) -> Result<PathBuf> {
    save(folder, TEST, PredictionFormat::Probabilities, probabilities)?;
    save(folder, "submission.csv", PredictionFormat::Submission, probabilities)
}

fn save(
    folder: &RunFolder,
    name: &str,
    format: PredictionFormat,
    probabilities: &Probabilities,
) -> Result<PathBuf> {
    let path = folder.path().join(name);
    write_file(&path, |partial| Ok(write::predictions(partial, format, probabilities)?))?;
    Ok(path)
}

/// An experiment of one training with the same settings.
fn single_of(experiment: &Experiment) -> Experiment {
    Experiment { plan: super::Plan::default(), ..experiment.clone() }
}
