//! Confident predictions on unlabelled rows join the next training.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use re_data::read::Format;
use re_data::{RelationExample, write};

use super::super::data::{read_rows, without_texts};
use super::super::run::{RunFolder, Session};
use super::super::summary::{Part, Summary};
use super::super::{Experiment, ExperimentData};
use super::{load, predict, single_of};
use crate::checkpoint::write_file;
use crate::error::{Error, Result};
use crate::observer::StopReason;

#[derive(Clone, Copy)]
pub(in super::super) struct Settings<'a> {
    pub unlabelled: &'a Path,
    pub threshold: f32,
    pub rounds: usize,
}

pub(in super::super) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    settings: Settings<'_>,
    session: &mut Session<'_>,
) -> Result<Summary> {
    if !(0.0..=1.0).contains(&settings.threshold) {
        return Err(Error::Config {
            key: "plan.threshold",
            found: settings.threshold.to_string(),
            expected: "a number from 0 to 1".to_owned(),
        });
    }
    let candidates = candidates(experiment, data, settings.unlabelled, session)?;
    let (mut parts, mut notes) = (Vec::new(), Vec::new());
    let mut labels: Option<PathBuf> = None;
    for round in 0..=settings.rounds {
        let mut part = single_of(experiment);
        part.data.additional.extend(labels.take());
        let name = format!("round-{round}");
        let Some((run, result)) = folder.part(&name, &part, session)? else {
            return Ok(Summary::new(StopReason::Interrupted));
        };
        parts.extend(result.evaluation.clone().map(|evaluation| Part { name, evaluation }));
        if round == settings.rounds {
            return Ok(Summary { parts, notes, ..result });
        }
        let model = result.model.ok_or_else(|| Error::NoCheckpoint { folder: run.path().to_owned() })?;
        let chosen = confident(&model, experiment, &candidates, settings.threshold)?;
        let path = folder.path().join(format!("pseudo_labels-{}.jsonl", round + 1));
        write_file(&path, |partial| Ok(write::examples(partial, Format::Jsonl, &chosen).map(drop)?))?;
        let note = format!(
            "round {}: {} of {} unlabelled rows join with a probability of at least {}",
            round + 1,
            chosen.len(),
            candidates.len(),
            settings.threshold
        );
        session.note(&note)?;
        notes.push(note);
        labels = Some(path);
    }
    Ok(Summary::new(StopReason::Completed))
}

/// The unlabelled rows that may be labelled: none of a sentence that is validated on, none that is a gold row.
fn candidates(
    experiment: &Experiment,
    data: &ExperimentData,
    path: &Path,
    session: &mut Session<'_>,
) -> Result<Vec<RelationExample>> {
    let (rows, notes) = read_rows(&experiment.data, path)?;
    for note in notes {
        session.note(&note)?;
    }
    let mut rows: Vec<RelationExample> = rows.into_iter().map(RelationExample::without_label).collect();
    let leaked = without_texts(&mut rows, data.validation.iter());
    let place = |e: &RelationExample| (e.text().to_owned(), e.entities().clone().map(|entity| entity.span()));
    let gold: HashSet<_> = data.train.iter().map(place).collect();
    let before = rows.len();
    rows.retain(|example| !gold.contains(&place(example)));
    if leaked + before > rows.len() {
        session.note(&format!(
            "{}: {leaked} rows left out, their sentences are validated on; {} left out, they have gold labels",
            path.display(),
            before - rows.len()
        ))?;
    }
    Ok(rows)
}

fn confident(
    model: &Path,
    experiment: &Experiment,
    candidates: &[RelationExample],
    threshold: f32,
) -> Result<Vec<RelationExample>> {
    let probabilities = predict(&load(model, experiment)?, candidates)?;
    let rows = candidates.iter().zip(probabilities.predictions());
    let sure = rows.filter(|(_, prediction)| prediction.probability >= threshold);
    Ok(sure.map(|(example, prediction)| example.clone().with_label(prediction.label)).collect())
}
