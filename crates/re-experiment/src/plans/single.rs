//! One training.

use std::sync::Arc;

use re_data::{EncodeReport, MarkupConfig, RelationExample};
use re_formats::augment::Material;
use re_formats::{Augmentation, AugmenterConfig};
use re_model::{ClassifierOptions, HeadChoice, LoadReport, MarkupChoice, RelationClassifier, hub};
use re_train::{
    Checkpoint, ClassificationTask, JsonlLog, LabelledRows, Outcome, Start, StopReason, Task, Trainer,
};

use super::members::seen_before;
use super::predictions::{ROWS, conclude, load, record_graph};
use crate::data::ExperimentData;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::folder::{RunFolder, Summary};
use crate::session::Session;

/// Trains, evaluates the best checkpoint and predicts with it.
pub(crate) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    start: Start,
    session: &mut Session<'_>,
) -> Result<Summary> {
    let config = &experiment.training;
    check_types(experiment, data)?;
    let (classifier, report) = build(experiment, data)?;
    let [train, validation] = encoded(experiment, data, &classifier, &report, session)?;
    let mut task =
        ClassificationTask::new(classifier, train, validation, config)?.stop_when(session.stop.clone());
    if let Some(loss) = &experiment.parts.loss {
        task = task.with_loss(Arc::clone(loss), config)?;
    }
    if let Some(metric) = &experiment.parts.metric {
        task = task.with_metric(Arc::clone(metric));
    }
    if let Some(report) = task.augmentation_report() {
        session.note(&report.to_string())?;
    }

    let trained = train_task(folder, experiment, &task, start, session)?;
    drop(task);
    let (Some(model), true) = (&trained.model, trained.reason != StopReason::Interrupted) else {
        return Ok(trained);
    };
    let classifier = load(model, experiment, session)?;
    concluded(folder, experiment, data, &classifier, trained, session)
}

/// The training and the validation rows as tokens; tells what there is to know about them and the model.
pub(crate) fn encoded(
    experiment: &Experiment,
    data: &ExperimentData,
    classifier: &RelationClassifier,
    report: &LoadReport,
    session: &mut Session<'_>,
) -> Result<[LabelledRows; 2]> {
    let mut notes = data.notes.clone();
    notes.extend(seen_before(experiment, data));
    let (train, encoded) = match augmentation(experiment, data, classifier, &mut notes)? {
        None => LabelledRows::new(classifier, &data.train)?,
        Some(augmentation) => LabelledRows::augmented(classifier, data.train.clone(), augmentation)?,
    };
    let (validation, encoded_validation) = LabelledRows::new(classifier, &data.validation)?;
    notes.push(describe_model(experiment, report));
    notes.push(describe(&encoded, "training set"));
    if !validation.is_empty() {
        notes.push(describe(&encoded_validation, "validation set"));
    }
    // A row that cannot be predicted should be known now, not after hours of training.
    for part in data.test.chunks(ROWS).chain(data.holdout.chunks(ROWS)) {
        notes.push(describe(&classifier.encoder().encode_batch(part)?.1, "test set"));
    }
    notes.iter().try_for_each(|note| session.note(note))?;
    Ok([train, validation])
}

/// Predicts with the trained classifier; the summary is that of the run.
pub(crate) fn concluded(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    classifier: &RelationClassifier,
    trained: Summary,
    session: &mut Session<'_>,
) -> Result<Summary> {
    let (summary, validation) = conclude(folder, data, classifier)?;
    let notes = record_graph(folder, &experiment.data, data, validation.as_ref())?;
    notes.iter().try_for_each(|note| session.note(note))?;
    Ok(Summary { reason: trained.reason, step: trained.step, model: trained.model, ..summary })
}

/// Without types a markup would write the same one everywhere, and people would get names of dates.
pub(crate) fn check_types(experiment: &Experiment, data: &ExperimentData) -> Result<()> {
    let typed = match &experiment.parts.markup {
        Some(markup) => markup.writes_types(),
        None => {
            use MarkupConfig::{PlainTyped, TypedPunct, TypedTokens};
            matches!(experiment.markup, TypedPunct {} | TypedTokens { .. } | PlainTyped { .. })
        }
    };
    let swaps =
        |config: &AugmenterConfig| matches!(config, AugmenterConfig::EntitySwap { same_label: false, .. });
    let known = data.train.iter().flat_map(RelationExample::entities).any(|entity| entity.kind().is_some());
    if known || data.train.is_empty() {
        return Ok(());
    }
    let expected = match (typed, experiment.data.augmentation.iter().any(swaps)) {
        (true, _) => "types of the entities, which the markup writes",
        (false, true) => "types of the entities, within which entity_swap swaps names, or same_label = true",
        (false, false) => return Ok(()),
    };
    Err(Error::config("data.entity_types", "no entity with a type", expected))
}

/// Trains, with log and checkpoints in the folder; the summary says which checkpoint the run is about, and no more.
pub(crate) fn train_task(
    folder: &RunFolder,
    experiment: &Experiment,
    task: &dyn Task,
    start: Start,
    session: &mut Session<'_>,
) -> Result<Summary> {
    let config = &experiment.training;
    if start == Start::Fresh {
        folder.write_config(experiment)?;
    }
    let log = JsonlLog::new(folder.path().join("metrics.jsonl"), config.logging_steps);
    let mut trainer = Trainer::new(config.clone(), folder.path())?
        .stop_when(session.stop.clone())
        .observe(log)
        .observe(&mut *session.observer);
    let outcome = trainer.train(task, start)?;
    let reason = outcome.reason;
    let Checkpoint { step, path } = chosen(folder, experiment, outcome);
    Ok(Summary { step: Some(step), model: Some(path), ..Summary::new(reason) })
}

/// The checkpoint that the run is about: the best one where there is validation.
fn chosen(folder: &RunFolder, experiment: &Experiment, outcome: Outcome) -> Checkpoint {
    let done = outcome.reason != StopReason::Interrupted;
    match outcome.best.filter(|_| done && experiment.training.keep_best) {
        Some(best) => Checkpoint { step: best.step, path: Checkpoint::path(folder.path(), best.step) },
        None => outcome.last,
    }
}

/// A new model to be trained.
pub(crate) fn build(
    experiment: &Experiment,
    data: &ExperimentData,
) -> Result<(RelationClassifier, LoadReport)> {
    let own = &experiment.parts;
    let options = ClassifierOptions {
        markup: match &own.markup {
            Some(markup) => MarkupChoice::Own(Arc::clone(markup)),
            None => {
                let entities = data.train.iter().flat_map(RelationExample::entities);
                let types = entities.filter_map(|entity| entity.kind());
                MarkupChoice::Known(experiment.markup.clone().or_types(types))
            }
        },
        head: match &own.head {
            Some(head) => HeadChoice::Own(head.builder()),
            None => HeadChoice::Known(experiment.head),
        },
        encoding: experiment.encode_options(),
        layers: experiment.model.layers,
        random_weights: experiment.model.random_weights,
        seed: experiment.training.seed,
        device: experiment.training.device()?,
    };
    let folder = hub::model_folder(&experiment.model.folder, experiment.model.download)?;
    Ok(RelationClassifier::new(folder, data.labels.as_ref().clone(), options)?)
}

/// What was loaded of the pretrained model.
pub(crate) fn describe_model(experiment: &Experiment, report: &LoadReport) -> String {
    let layers = match experiment.model.layers {
        Some(layers) => format!("; the first {layers} layers are used (model.layers)"),
        None => String::new(),
    };
    format!("model {}: {report}{layers}", experiment.model.folder.display())
}

/// How the training rows vary, if they do, made of nothing but these rows.
fn augmentation(
    experiment: &Experiment,
    data: &ExperimentData,
    classifier: &RelationClassifier,
    notes: &mut Vec<String>,
) -> Result<Option<Augmentation>> {
    let configs = &experiment.data.augmentation;
    if configs.is_empty() {
        return Ok(None);
    }
    let mask = &classifier.encoder().tokenizer().special().mask;
    let material = Material {
        train: &data.train,
        held_out: data.evaluated_rows().collect(),
        mask_token: mask.as_ref().map(|token| token.content.as_str()),
        lenient: experiment.data.lenient,
    };
    let augmentation = Augmentation::new(experiment.training.seed).with_configs(configs, &material)?;
    for augmenter in augmentation.augmenters() {
        let details = Some(augmenter.describe()).filter(|details| !details.is_empty());
        notes.extend(details.map(|details| format!("{}: {details}", augmenter.name())));
    }
    Ok(Some(augmentation))
}

pub(crate) fn describe(report: &EncodeReport, what: &str) -> String {
    let mean = report.tokens as f64 / report.rows.max(1) as f64;
    let mut told = format!(
        "{what}: {} rows of {mean:.1} tokens on average, {} truncated, {} entities lost to truncation",
        report.rows,
        report.truncated,
        report.lost.len()
    );
    if report.tokens_in_text.rows > 0 {
        told += &format!("; {}", report.tokens_in_text);
    }
    told
}
