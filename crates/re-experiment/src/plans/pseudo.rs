//! Confident predictions on unlabelled rows join the next training.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use re_data::split::normalized_text;
use re_data::{RelationExample, files};
use re_formats::read::Format;
use re_formats::write;
use re_train::StopReason;

use super::derived::single_of;
use super::predictions::{ROWS, adopt, load, predict, versus_saved};
use super::single::build;
use crate::data::{ExperimentData, read_rows, without_texts};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::folder::{RunFolder, Summary};
use crate::session::Session;

#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub unlabelled: &'a Path,
    pub threshold: f32,
    pub rounds: usize,
}

pub(crate) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    settings: Settings<'_>,
    session: &mut Session<'_>,
) -> Result<Summary> {
    session.expect(settings.rounds + 1);
    let mut whole = Summary::new(StopReason::Completed);
    let (rows, notes) = read_rows(&experiment.data, settings.unlabelled)?;
    for note in notes {
        session.note(&note)?;
    }
    let (candidates, note) = candidates(rows, data);
    if let Some(note) = note {
        session.note(&note)?;
        whole.notes.push(note);
    }
    // A row that cannot be predicted should be known now, not after the first training.
    if !folder.begun()? {
        let (classifier, _) = build(experiment, data)?;
        for part in candidates.chunks(ROWS) {
            classifier.encoder().encode_batch(part)?;
        }
    }
    let mut labels: Option<PathBuf> = None;
    for round in 0..=settings.rounds {
        let mut part = single_of(experiment);
        part.data.additional.extend(labels.take());
        let name = format!("round-{round}");
        let Some((run, result)) = folder.part(&name, &part, session)? else {
            return Ok(Summary::new(StopReason::Interrupted));
        };
        whole.compare(&name, &result);
        if round < settings.rounds {
            let model = result.model.clone().ok_or_else(|| {
                Error::Train(re_train::Error::NoCheckpoint { folder: run.path().to_owned() })
            })?;
            let path = folder.path().join(format!("pseudo_labels-{}.jsonl", round + 1));
            let joining = label(&path, &model, experiment, &candidates, settings.threshold, session)?;
            let note = format!(
                "round {}: {joining} of {} unlabelled rows join, with a probability of at least {}",
                round + 1,
                candidates.len(),
                settings.threshold
            );
            session.note(&note)?;
            whole.notes.push(note);
            if joining > 0 {
                labels = Some(path);
                continue;
            }
            whole.notes.push("a further round would repeat the training before it".to_owned());
        }
        let first = folder.path().join("round-0");
        if run.path() != first {
            whole.notes.extend(versus_saved(data, (&name, run.path()), ("round-0", &first))?);
        }
        let last = adopt(folder, &run, result)?;
        return Ok(Summary { parts: whole.parts, notes: whole.notes, ..last });
    }
    Ok(whole)
}

/// The unlabelled rows that may be labelled: none of a sentence that is evaluated on, none that is a gold row.
fn candidates(rows: Vec<RelationExample>, data: &ExperimentData) -> (Vec<RelationExample>, Option<String>) {
    let mut rows: Vec<RelationExample> = rows.into_iter().map(RelationExample::without_label).collect();
    let evaluated = without_texts(&mut rows, &data.evaluated_texts());
    // Sentence and entities by normalized text, as corpora that share rows write them differently.
    let place = |row: &RelationExample| {
        let up_to = |end: usize| normalized_text(row.text().get(..end).unwrap_or_default()).len();
        let spans = row.entities().each_ref().map(|entity| entity.span());
        (normalized_text(row.text()), spans.map(|span| [up_to(span.start()), up_to(span.end())]))
    };
    let gold: HashSet<_> = data.train.iter().map(place).collect();
    let before = rows.len();
    rows.retain(|example| !gold.contains(&place(example)));
    let labelled = before - rows.len();
    let note = format!(
        "unlabelled rows left out: {evaluated} whose sentences are evaluated on, {labelled} that have gold labels"
    );
    (rows, (evaluated + labelled > 0).then_some(note))
}

/// Writes the rows that the model is sure of, with its labels, and says how many they are.
fn label(
    path: &Path,
    model: &Path,
    experiment: &Experiment,
    candidates: &[RelationExample],
    threshold: f32,
    session: &Session<'_>,
) -> Result<usize> {
    // What a session before this one has written is what the next round began with.
    if !files::is_file(path)? {
        let probabilities = predict(&load(model, experiment, session)?, candidates)?;
        let rows = candidates.iter().zip(probabilities.predictions());
        let sure = rows.filter(|(_, prediction)| prediction.probability >= threshold);
        let rows: Vec<RelationExample> =
            sure.map(|(example, prediction)| example.clone().with_label(prediction.label)).collect();
        write::examples(path, Format::Jsonl, &rows)?;
    }
    let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
    Ok(text.lines().count())
}
