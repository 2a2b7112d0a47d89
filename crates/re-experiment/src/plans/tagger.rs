//! One training of a tagger.

use re_data::tags::TagReport;
use re_data::{Document, Mention, PredictError, Tagger};
use re_extract::{RelationProperties, score};
use re_model::{TaggingOptions, TokenClassifier, TokenClassifierOptions, hub};
use re_train::{Start, StopReason, TaggedRows, TaggingTask};

use super::predictions::save_documents;
use super::single::{describe_model, train_task};
use crate::error::Result;
use crate::experiment::Experiment;
use crate::folder::{RunFolder, Summary};
use crate::session::Session;
use crate::tagging::{TaggingConfig, TaggingData};
use crate::trained::{Loading, tagger};

/// Documents that are tagged at a time.
const DOCUMENTS: usize = 256;

/// Trains, evaluates the best checkpoint and tags with it.
pub(crate) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    tagging: &TaggingConfig,
    data: &TaggingData,
    start: Start,
    session: &mut Session<'_>,
) -> Result<Summary> {
    let config = &experiment.training;
    let options = TokenClassifierOptions {
        scheme: tagging.scheme,
        unit: tagging.unit,
        windows: tagging.windows,
        layers: experiment.model.layers,
        random_weights: experiment.model.random_weights,
        seed: config.seed,
        device: config.device()?,
    };
    let model = hub::model_folder(&experiment.model.folder, experiment.model.download)?;
    let (classifier, report) = TokenClassifier::new(model, &data.kinds, options)?;
    let [train, validation] = encoded(data, &classifier, Some(describe_model(experiment, &report)), session)?;

    let task =
        TaggingTask::new(classifier, train, validation.clone(), config)?.stop_when(session.stop.clone());
    let trained = train_task(folder, experiment, &task, start, session)?;
    drop(task);
    let (Some(model), true) = (&trained.model, trained.reason != StopReason::Interrupted) else {
        return Ok(trained);
    };
    let mut summary =
        Summary { step: trained.step, model: Some(model.clone()), ..Summary::new(trained.reason) };
    let mut tagger = tagger(model, Loading::own(experiment, session), TaggingOptions::default())?;
    if !data.validation.is_empty() {
        let task = TaggingTask::new(tagger, TaggedRows::default(), validation, config)?;
        let (mentions, evaluation) = task.found()?;
        summary.evaluation = Some(evaluation);
        record(folder, "validation", &data.validation, mentions, session)?;
        tagger = task.into_classifier()?;
    }
    if !data.test.is_empty() {
        record(folder, "test", &data.test, tag(&tagger, &data.test)?, session)?;
    }
    Ok(summary)
}

/// The training and the validation documents as tokens; tells what there is to know about them and the model.
pub(crate) fn encoded(
    data: &TaggingData,
    classifier: &TokenClassifier,
    model: Option<String>,
    session: &mut Session<'_>,
) -> Result<[TaggedRows; 2]> {
    let (train, in_train) = TaggedRows::new(classifier, &data.train)?;
    let (validation, in_validation) = TaggedRows::new(classifier, &data.validation)?;
    let mut notes = data.notes.clone();
    notes.push(format!("types of mentions: {}", data.kinds.join(", ")));
    notes.extend(model);
    notes.extend(describe("training set", &in_train));
    notes.extend(describe("validation set", &in_validation));
    notes.iter().try_for_each(|note| session.note(note))?;
    Ok([train, validation])
}

/// The mentions that a tagger finds in documents.
pub(crate) fn tag(tagger: &TokenClassifier, documents: &[Document]) -> Result<Vec<Vec<Mention>>> {
    let mut found = Vec::with_capacity(documents.len());
    for part in documents.chunks(DOCUMENTS) {
        for mentions in tagger.tag(part)? {
            found.push(mentions.map_err(PredictError::from)?);
        }
    }
    Ok(found)
}

/// Writes documents with the mentions that were found in them, and tells how many of their own these are, where they have some.
pub(crate) fn record(
    folder: &RunFolder,
    name: &str,
    gold: &[Document],
    mentions: Vec<Vec<Mention>>,
    session: &mut Session<'_>,
) -> Result<()> {
    let found = gold.iter().zip(mentions).map(|(document, found)| document.clone().with_mentions(found));
    let found: Vec<Document> = found.collect::<re_data::Result<_>>()?;
    save_documents(folder, name, &found)?;
    if gold.iter().all(|document| document.mentions().is_empty()) {
        return Ok(());
    }
    let mentions = score(gold, &found, &RelationProperties::default())?.mentions;
    let [micro, macro_average] = [mentions.micro, mentions.macro_average].map(|shares| 100.0 * shares.f1);
    session.note(&format!(
        "{name} set: {} mentions found of {}, {} more; micro-F1 {micro:.2}, macro-F1 {macro_average:.2}",
        mentions.correct,
        mentions.gold,
        mentions.predicted - mentions.correct
    ))
}

/// The mentions that tags do not express, if any: they can only be missed.
fn describe(what: &str, report: &TagReport) -> Option<String> {
    let first = report.unrepresented.first()?;
    Some(format!(
        "{what}: tags do not express {} of {} mentions, the first is mention {} of document {}: {:?}",
        report.unrepresented.len(),
        report.mentions,
        first.mention,
        first.id,
        first.reason
    ))
}
