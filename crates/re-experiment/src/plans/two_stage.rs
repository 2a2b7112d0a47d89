//! "Related or not" first, then which relation; beside a single stage.

use re_ensemble::{Gate, TwoStage};
use re_train::StopReason;

use super::derived::single_of;
use super::predictions::{conclude, load, versus_saved};
use crate::config::Target;
use crate::data::ExperimentData;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::folder::{ONE_STAGE, RELATED, RELATION, RunFolder, Summary};
use crate::session::Session;

const STAGES: [(&str, Target); 3] =
    [(ONE_STAGE, Target::Relation), (RELATED, Target::Related), (RELATION, Target::RelationOfRelated)];

pub(crate) fn run(
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
        models.push(
            result.model.ok_or_else(|| {
                Error::Train(re_train::Error::NoCheckpoint { folder: run.path().to_owned() })
            })?,
        );
    }
    let [_, related, relation] = models.as_slice() else {
        return Err(Error::Train(re_train::Error::NoCheckpoint { folder: folder.path().to_owned() }));
    };
    let both = TwoStage::new(
        load(related, experiment, session)?,
        load(relation, experiment, session)?,
        gate,
        data.labels.clone(),
    )?;
    let (summary, _) = conclude(folder, data, &both)?;
    compared.compare("two_stage", &summary);
    let mut notes = vec![format!(
        "{RELATED} knows two classes and {RELATION} sees the related rows alone: compare two_stage with {ONE_STAGE}"
    )];
    let one_stage = folder.path().join(ONE_STAGE);
    notes.extend(versus_saved(data, ("two_stage", folder.path()), (ONE_STAGE, &one_stage))?);
    Ok(Summary { parts: compared.parts, notes, ..summary })
}
