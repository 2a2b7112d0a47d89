//! What models say of an experiment's rows: asked for, written, evaluated and compared.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_data::{Document, LabelSet, Predictor, Probabilities, RelationExample, files};
use re_ensemble::significance::p_text;
use re_ensemble::{Bootstrap, Gold, Member, Members, compare};
use re_extract::GraphSettings;
use re_formats::documents::{self, DocumentFormat};
use re_formats::read;
use re_formats::write::{self, PredictionFormat};
use re_model::RelationClassifier;
use re_train::{Evaluation, StopReason};

use crate::config::DataConfig;
use crate::data::ExperimentData;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::folder::{RunFolder, Summary};
use crate::pairs;
use crate::session::Session;
use crate::trained::{Loading, classifier};

/// Probabilities of the validation rows.
pub(crate) const VALIDATION: &str = "validation_probabilities.csv";
/// Probabilities of the rows that were set aside before the folds were made.
pub(crate) const HOLDOUT: &str = "holdout_probabilities.csv";
/// Probabilities of the test rows.
pub(crate) const TEST: &str = "test_probabilities.csv";
/// Classes of the test rows, as the competition wants them.
pub(crate) const SUBMISSION: &str = "submission.csv";

/// Rows that are predicted at a time.
pub(crate) const ROWS: usize = 4096;

/// Loads a trained model as the experiment's settings say.
pub(crate) fn load(
    folder: &Path,
    experiment: &Experiment,
    session: &Session<'_>,
) -> Result<RelationClassifier> {
    classifier(folder, Loading::own(experiment, session))
}

/// Predictions of any number of rows, a part of them in memory as tokens at a time.
pub(crate) fn predict(predictor: &impl Predictor, examples: &[RelationExample]) -> Result<Probabilities> {
    let mut values = Vec::with_capacity(examples.len() * predictor.labels().len());
    for part in examples.chunks(ROWS) {
        values.extend_from_slice(predictor.predict(part)?.values());
    }
    Ok(Probabilities::new(ids(examples), predictor.labels().clone(), values)?)
}

pub(crate) fn ids(examples: &[RelationExample]) -> Vec<String> {
    examples.iter().map(|example| example.id().to_owned()).collect()
}

/// Compares probabilities with the labels of the rows they belong to.
pub(crate) fn evaluate(examples: &[RelationExample], probabilities: &Probabilities) -> Result<Evaluation> {
    Ok(Evaluation::new(&gold(examples, probabilities.labels())?, probabilities)?)
}

/// Evaluates what was said of the validation and the test rows, as far as there is something and the rows have labels.
pub(crate) fn evaluated(
    data: &ExperimentData,
    validation: Option<&Probabilities>,
    test: Option<&Probabilities>,
) -> Result<Summary> {
    let on = |rows: &[RelationExample], said: Option<&Probabilities>| {
        said.map(|probabilities| evaluate(rows, probabilities)).transpose()
    };
    let mut summary = Summary::new(StopReason::Completed);
    summary.evaluation = on(&data.validation, validation)?;
    summary.test_evaluation = on(&data.test, test.filter(|_| data.test_is_labelled()))?;
    Ok(summary)
}

pub(crate) fn gold(examples: &[RelationExample], labels: &LabelSet) -> Result<Vec<usize>> {
    let class = |example: &RelationExample| {
        let missing = || re_data::Error::MissingLabel { id: example.id().to_owned() };
        Ok(labels.class_of(example)?.ok_or_else(missing)?)
    };
    examples.iter().map(class).collect()
}

/// Writes what a predictor says of the validation and the test rows, and evaluates what has labels. Gives what it says of the
/// validation rows, too, where there are some.
pub(crate) fn conclude(
    folder: &RunFolder,
    data: &ExperimentData,
    predictor: &impl Predictor,
) -> Result<(Summary, Option<Probabilities>)> {
    let mut summary = Summary::new(StopReason::Completed);
    let mut validation = None;
    if !data.validation.is_empty() {
        let probabilities = validation.insert(predict(predictor, &data.validation)?);
        summary.evaluation = Some(record_validation(folder, data, probabilities)?);
    }
    if !data.holdout.is_empty() {
        save(folder, HOLDOUT, PredictionFormat::Probabilities, &predict(predictor, &data.holdout)?)?;
    }
    if !data.test.is_empty() {
        record_test(folder, data, &predict(predictor, &data.test)?, &mut summary)?;
    }
    Ok((summary, validation))
}

pub(crate) fn record_validation(
    folder: &RunFolder,
    data: &ExperimentData,
    probabilities: &Probabilities,
) -> Result<Evaluation> {
    save(folder, VALIDATION, PredictionFormat::Probabilities, probabilities)?;
    evaluate(&data.validation, probabilities)
}

/// Writes what makes a graph of judged pairs, where the rows are pairs of documents. What the validation rows teach is part
/// of it; the lines say what that was.
pub(crate) fn record_graph(
    folder: &RunFolder,
    config: &DataConfig,
    data: &ExperimentData,
    validation: Option<&Probabilities>,
) -> Result<Vec<String>> {
    let (Some(settings), Some(pairs)) = (&data.graph, &config.pairs) else { return Ok(Vec::new()) };
    let path = folder.path().join(GraphSettings::FILE);
    let Some(probabilities) = validation else {
        settings.save(path)?;
        return Ok(Vec::new());
    };
    let gold = gold(&data.validation, probabilities.labels())?;
    let (settings, note) = pairs::fitted(settings, pairs, probabilities, &gold)?;
    settings.save(path)?;
    Ok([Some(note), pairs::false_positives(probabilities, &gold)].into_iter().flatten().collect())
}

pub(crate) fn record_test(
    folder: &RunFolder,
    data: &ExperimentData,
    probabilities: &Probabilities,
    summary: &mut Summary,
) -> Result<()> {
    save(folder, TEST, PredictionFormat::Probabilities, probabilities)?;
    summary.submission = Some(save(folder, SUBMISSION, PredictionFormat::Submission, probabilities)?);
    if data.test_is_labelled() {
        summary.test_evaluation = Some(evaluate(&data.test, probabilities)?);
    }
    Ok(())
}

/// Writes what was found in the documents of a role.
pub(crate) fn save_documents(folder: &RunFolder, name: &str, found: &[Document]) -> Result<()> {
    let path = folder.path().join(format!("{name}_documents.jsonl"));
    Ok(documents::write(&path, DocumentFormat::Jsonl, found).map(drop)?)
}

pub(crate) fn save(
    folder: &RunFolder,
    name: &str,
    format: PredictionFormat,
    probabilities: &Probabilities,
) -> Result<PathBuf> {
    let path = folder.path().join(name);
    write::predictions(&path, format, probabilities)?;
    Ok(path)
}

/// The summary of a plan that ends with the model of `part`, whose predictions become those of the whole.
pub(crate) fn adopt(folder: &RunFolder, part: &RunFolder, summary: Summary) -> Result<Summary> {
    for name in [VALIDATION, TEST, SUBMISSION] {
        let path = part.path().join(name);
        if files::is_file(&path)? {
            files::copy(&path, folder.path().join(name))?;
        }
    }
    let submission = summary.submission.as_ref().map(|_| folder.path().join(SUBMISSION));
    Ok(Summary { submission, ..summary })
}

/// One line that says how sure it is that the first of two is the better one on `examples`.
pub(crate) fn versus(
    examples: &[RelationExample],
    first: (&str, &Probabilities),
    second: (&str, &Probabilities),
) -> Result<String> {
    let member = |(name, probabilities): (&str, &Probabilities)| Member::new(name, probabilities.clone());
    let found =
        compare(member(first), member(second), &Gold::from_examples(examples)?, &Bootstrap::default())?;
    Ok(format!(
        "{} against {}: {} points of accuracy (95 %, paired bootstrap), McNemar's p {}",
        first.0,
        second.0,
        found.difference.points(),
        p_text(found.mcnemar_p)
    ))
}

/// [`versus`] of two trainings by what their folders hold; `None` without validation rows.
pub(crate) fn versus_saved(
    data: &ExperimentData,
    first: (&str, &Path),
    second: (&str, &Path),
) -> Result<Option<String>> {
    if data.validation.is_empty() {
        return Ok(None);
    }
    let saved = |folder: &Path| read::probabilities(folder.join(VALIDATION));
    versus(&data.validation, (first.0, &saved(first.1)?), (second.0, &saved(second.1)?)).map(Some)
}

/// The probabilities that a run has saved, with the no-relation class of `labels`: the file does not tell it.
pub(crate) fn saved(path: impl AsRef<Path>, labels: &LabelSet) -> Result<Probabilities> {
    let found = read::probabilities(path)?;
    let none = labels.no_relation_name().filter(|name| found.labels().id(name).is_some());
    Ok(found.with_no_relation(none)?)
}

/// The probabilities in the order of `examples` and of the classes `labels`, whatever order they came in.
pub(crate) fn aligned(
    name: &str,
    probabilities: Probabilities,
    labels: &Arc<LabelSet>,
    examples: &[RelationExample],
) -> Result<Probabilities> {
    let members = Members::align_to([Member::new(name, probabilities)], labels, &ids(examples))?;
    let missing = || Error::Train(re_train::Error::Ensemble(re_ensemble::Error::NoMembers));
    Ok(members.members().first().ok_or_else(missing)?.probabilities().clone())
}
