//! "Related or not" first, then which relation; beside a single stage.

use re_ensemble::{Gate, TwoStage};

use super::super::data::Target;
use super::super::run::{RunFolder, Session};
use super::super::summary::{Part, Summary};
use super::super::{Experiment, ExperimentData};
use super::{conclude, load, single_of};
use crate::error::{Error, Result};
use crate::observer::StopReason;

/// The trainings, by folder.
const STAGES: [(&str, Target); 3] = [
    ("one_stage", Target::Relation),
    ("related", Target::Related),
    ("relation", Target::RelationOfRelated),
];

pub(in super::super) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    gate: Gate,
    session: &mut Session<'_>,
) -> Result<Summary> {
    let mut parts = Vec::new();
    let mut models = Vec::new();
    for (name, target) in STAGES {
        let mut stage = single_of(experiment);
        stage.data.target = target;
        let Some((run, result)) = folder.part(name, &stage, session)? else {
            return Ok(Summary::new(StopReason::Interrupted));
        };
        parts.extend(result.evaluation.map(|evaluation| Part { name: name.to_owned(), evaluation }));
        models.push(result.model.ok_or_else(|| Error::NoCheckpoint { folder: run.path().to_owned() })?);
    }
    let [_, related, relation] = models.as_slice() else {
        return Err(Error::NoCheckpoint { folder: folder.path().to_owned() });
    };
    let both = TwoStage::new(load(related, experiment)?, load(relation, experiment)?, gate, data.labels.clone())?;
    let summary = conclude(folder, data, &both)?;
    parts.extend(summary.evaluation.clone().map(|evaluation| Part { name: "two_stage".to_owned(), evaluation }));
    Ok(Summary { parts, ..summary })
}
