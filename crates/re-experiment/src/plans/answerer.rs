//! One training of a model that answers questions.

use re_data::{Probabilities, RelationExample};
use re_model::{LoadReport, hub};
use re_qa::{AnswererOptions, Answers, QuestionAnswerer, QuestionConfig, QuestionRows, QuestionTask, Rule};
use re_train::{Evaluation, Start, StopReason};

use super::predictions::ids;
use super::single::{describe, describe_model, train_task};
use crate::data::ExperimentData;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::folder::{Part, Rows, RunFolder, Summary};
use crate::session::Session;
use crate::trained::{Loading, answerer};

/// Trains, and evaluates the best checkpoint under every rule on the rows that were asked about while training.
pub(crate) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    questions: &QuestionConfig,
    start: Start,
    session: &mut Session<'_>,
) -> Result<Summary> {
    if data.labels.no_relation().is_some() {
        let expected = "relation_of_related, or the plan question_answering";
        return Err(Error::config("data.target", "rows without a relation", expected));
    }
    if !experiment.data.augmentation.is_empty() {
        let found = format!("{} augmenters", experiment.data.augmentation.len());
        return Err(Error::config("data.augmentation", found, "none where questions are asked"));
    }
    for note in &data.notes {
        session.note(note)?;
    }
    let (new, report) = build(experiment, data, questions)?;
    session.note(&describe_model(experiment, &report))?;
    let rows = |examples: &[RelationExample], what: &str, session: &mut Session<'_>| {
        let (rows, report) = QuestionRows::new(&new, examples)?;
        session.note(&describe(&report, what))?;
        Ok::<_, Error>(rows)
    };
    let train_rows = rows(&data.train, "questions to train on", session)?;
    let validation = rows(&data.validation, "questions to evaluate on", session)?;
    if !data.test.is_empty() || !data.holdout.is_empty() {
        session.note("a model that answers questions makes no predictions by itself: a classifier has to say which rows have no relation")?;
    }
    let task = QuestionTask::new(new, train_rows, validation, &experiment.training, questions)?;
    let task = task.stop_when(session.stop.clone());
    let trained = train_task(folder, experiment, &task, start, session)?;
    let (examples, gold) = task.validation();
    let (examples, gold) = (examples.to_vec(), gold.to_vec());
    drop(task);
    match &trained.model {
        Some(model) if trained.reason != StopReason::Interrupted && !examples.is_empty() => {
            let best = answerer(model, Loading::own(experiment, session))?;
            judge(&best, &examples, &gold, trained)
        }
        _ => Ok(trained),
    }
}

/// A new model to be trained.
pub(crate) fn build(
    experiment: &Experiment,
    data: &ExperimentData,
    questions: &QuestionConfig,
) -> Result<(QuestionAnswerer, LoadReport)> {
    let options = AnswererOptions {
        rule: questions.rule,
        encoding: experiment.encode_options(),
        layers: experiment.model.layers,
        random_weights: experiment.model.random_weights,
        seed: experiment.training.seed,
        device: experiment.training.device()?,
    };
    let folder = hub::model_folder(&experiment.model.folder, experiment.model.download)?;
    Ok(QuestionAnswerer::new(folder, questions.questions(&data.labels)?, options)?)
}

/// Enters into a summary how the model does on related rows.
fn judge(
    answerer: &QuestionAnswerer,
    examples: &[RelationExample],
    gold: &[usize],
    mut summary: Summary,
) -> Result<Summary> {
    let answers = answerer.answer(examples)?;
    let labels = answerer.questions().labels();
    for rule in Rule::ALL {
        let values = answers.iter().flat_map(|row| row.probabilities(rule)).collect();
        let evaluation = Evaluation::new(gold, &Probabilities::new(ids(examples), labels.clone(), values)?)?;
        if rule == answerer.rule() {
            summary.evaluation = Some(evaluation.clone());
        }
        summary.parts.push(Part { name: rule.name().to_owned(), rows: Rows::Validation, evaluation });
    }
    summary.notes.extend(distinct(answers.iter().map(Answers::distinct), labels.len(), "related rows"));
    Ok(summary)
}

/// One line that says how much the answers to different questions about a row differ.
pub(crate) fn distinct(counts: impl Iterator<Item = usize>, questions: usize, rows: &str) -> Option<String> {
    let mut counts: Vec<usize> = counts.collect();
    counts.sort_unstable();
    let (median, most) = (counts.get(counts.len() / 2)?, counts.last()?);
    let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    let same = counts.iter().filter(|count| **count == 1).count();
    Some(format!(
        "distinct answers to {questions} questions: {mean:.2} on average of {} {rows} (median {median}, most {most}); \
         all the same in {same}",
        counts.len()
    ))
}
