//! "Related or not" first, then which relation; beside a single stage.

use re_ensemble::{Gate, TwoStage};

use super::super::data::Target;
use super::super::run::RunFolder;
use super::super::session::Session;
use super::super::summary::Summary;
use super::super::{Experiment, ExperimentData};
use super::{conclude, load, single_of, versus_saved};
use crate::error::{Error, Result};
use crate::observer::StopReason;

/// Folder of the single model that the two stages are compared with.
pub(in super::super) const ONE_STAGE: &str = "one_stage";
/// Folder of the model that says whether there is a relation.
pub(in super::super) const RELATED: &str = "related";
/// Folder of the model that says which relation there is.
pub(in super::super) const RELATION: &str = "relation";

const STAGES: [(&str, Target); 3] =
    [(ONE_STAGE, Target::Relation), (RELATED, Target::Related), (RELATION, Target::RelationOfRelated)];

pub(in super::super) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    gate: Gate,
    session: &mut Session<'_>,
) -> Result<Summary> {
    session.expect(STAGES.len());
    let mut models = Vec::new();
    let mut compared = Summary::new(StopReason::Completed);
    for (name, target) in STAGES {
        let mut stage = single_of(experiment);
        stage.data.target = target;
        let Some((run, result)) = folder.part(name, &stage, session)? else {
            return Ok(Summary::new(StopReason::Interrupted));
        };
        compared.compare(name, &result);
        models.push(result.model.ok_or_else(|| Error::NoCheckpoint { folder: run.path().to_owned() })?);
    }
    let [_, related, relation] = models.as_slice() else {
        return Err(Error::NoCheckpoint { folder: folder.path().to_owned() });
    };
    let both = TwoStage::new(
        load(related, experiment, session)?,
        load(relation, experiment, session)?,
        gate,
        data.labels.clone(),
    )?;
    let summary = conclude(folder, data, &both)?;
    compared.compare("two_stage", &summary);
    let mut notes = vec![format!(
        "{RELATED} knows two classes and {RELATION} sees the related rows alone: compare two_stage with {ONE_STAGE}"
    )];
    let one_stage = folder.path().join(ONE_STAGE);
    notes.extend(versus_saved(data, ("two_stage", folder.path()), (ONE_STAGE, &one_stage))?);
    Ok(Summary { parts: compared.parts, notes, ..summary })
}
