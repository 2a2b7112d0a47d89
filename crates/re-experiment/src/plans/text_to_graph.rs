//! A tagger and a classifier of pairs, and the graphs that both together make of texts.

use re_data::error::with_causes;
use re_data::{Document, files};
use re_extract::{ExtractOptions, Extractor, GraphSettings, MentionSource, RelationProperties, score};
use re_model::TaggingOptions;
use re_train::StopReason;

use super::derived::single_of;
use super::members::on_rows_of;
use super::predictions::save_documents;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, MemberConfig};
use crate::extraction::models;
use crate::folder::{PAIRS, RunFolder, Summary};
use crate::session::Session;
use crate::tagging::{TaggingConfig, TaggingData};
use crate::trained::Loading;

/// Documents between two looks at whether to stop.
const DOCUMENTS: usize = 64;

/// Trains what is not trained yet, then extracts the graphs of the validation and the test documents.
pub(crate) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    members: &[MemberConfig],
    shared_encoder: bool,
    session: &mut Session<'_>,
) -> Result<Summary> {
    let missing = || Error::NoModel { reference: folder.path().to_owned() };
    let member = members.first().ok_or_else(missing)?;
    session.expect(1 + usize::from(member.run.is_none() && !shared_encoder));
    let (of_tagger, of_pairs) = match (&member.run, member.experiment.as_ref()) {
        (None, Some(own)) if shared_encoder => (folder.path().join(PAIRS), joint_of(experiment, own)),
        (Some(run), _) => (run.clone(), single_of(experiment)),
        (None, own) => {
            let own = tagger_of(experiment, own.ok_or_else(missing)?);
            let Some((run, _)) = folder.part(&member.member, &own, session)? else {
                return Ok(Summary::new(StopReason::Interrupted));
            };
            (run.path().to_owned(), single_of(experiment))
        }
    };
    let Some((pairs, result)) = folder.part(PAIRS, &of_pairs, session)? else {
        return Ok(Summary::new(StopReason::Interrupted));
    };
    let mut whole = Summary::new(StopReason::Completed);
    whole.compare(&format!("{PAIRS} (given mentions)"), &result);

    let settings = GraphSettings::load(pairs.path().join(GraphSettings::FILE))?;
    settings.save(folder.path().join(GraphSettings::FILE))?;
    let loading = Loading::own(experiment, session);
    let options = ExtractOptions { mentions: MentionSource::Tagger, ..ExtractOptions::default() };
    let properties = settings.properties.clone();
    let models = models(pairs.path(), Some(&of_tagger), loading, TaggingOptions::default())?;
    let extractor = models.extractor(settings)?.with_options(options)?;
    let data = TaggingData::of(experiment)?;
    for (name, gold) in [("validation", &data.validation), ("test", &data.test)] {
        if gold.is_empty() {
            continue;
        }
        let Some(found) = extract(&extractor, gold, name, session)? else {
            return Ok(Summary::new(StopReason::Interrupted));
        };
        save_documents(folder, name, &found)?;
        if gold.iter().any(|document| !document.mentions().is_empty()) {
            let note = compared(folder, name, gold, &found, &properties)?;
            session.note(&note)?;
            whole.notes.push(note);
        }
    }
    Ok(whole)
}

/// The training of the tagger: on the documents of the experiment, in the same roles.
pub(crate) fn tagger_of(experiment: &Experiment, member: &Experiment) -> Experiment {
    let mut own = single_of(&on_rows_of(experiment, member));
    own.data.pairs = None;
    own.data.labels = None;
    own.data.no_relation = None;
    own
}

/// The training of both on one encoder: that of the pairs, with the settings of the tagger's own kind.
pub(crate) fn joint_of(experiment: &Experiment, member: &Experiment) -> Experiment {
    let tagging = member.tagging.clone().unwrap_or_default();
    let tagging = Some(TaggingConfig { shared_encoder: true, ..tagging });
    Experiment { tagging, ..single_of(experiment) }
}

/// The graphs of documents, whose own mentions are not looked at; `None` where that was interrupted.
fn extract(
    extractor: &Extractor,
    gold: &[Document],
    name: &str,
    session: &mut Session<'_>,
) -> Result<Option<Vec<Document>>> {
    let mut found = Vec::with_capacity(gold.len());
    for part in gold.chunks(DOCUMENTS) {
        if session.stops() {
            return Ok(None);
        }
        let (outcomes, _) = extractor.extract_all(part.iter().cloned())?;
        for (document, outcome) in part.iter().zip(outcomes) {
            found.push(match outcome {
                Ok(extracted) => extracted.document,
                // Without a graph all of it counts as missed; the other documents have theirs.
                Err(error) => {
                    session.note(&format!("{name} documents: {}", with_causes(&error)))?;
                    document.clone().with_mentions(Vec::new())?
                }
            });
        }
        session.note(&format!("extracted {} of {} {name} documents", found.len(), gold.len()))?;
    }
    Ok(Some(found))
}

/// Writes how far the graphs agree with the truth, and says it in a line.
fn compared(
    folder: &RunFolder,
    name: &str,
    gold: &[Document],
    found: &[Document],
    properties: &RelationProperties,
) -> Result<String> {
    let scores = score(gold, found, properties)?;
    let path = folder.path().join(format!("{name}_scores.json"));
    let text = serde_json::to_string_pretty(&scores)
        .map_err(|source| re_train::Error::Json { path: path.clone(), source })?;
    files::write(path, text + "\n")?;
    let of = [&scores.mentions, &scores.relations, &scores.strict_relations];
    let [mentions, boundary, strict] = of.map(|agreement| 100.0 * agreement.micro.f1);
    Ok(format!(
        "{name} documents: micro-F1 of mentions {mentions:.2}, of relations {boundary:.2} by boundary and {strict:.2} strict"
    ))
}
