//! What members have in common, of votes and before questions.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use re_data::split::letters;
use re_data::{Entity, RelationExample};

use super::super::plan::{MemberConfig, Plan};
use super::super::session::Session;
use super::super::trained::{recorded, trained_on};
use super::super::{DataConfig, Experiment, ExperimentData};
use crate::error::{Error, Result};

/// A member's settings with the rows in the roles that they have in the experiment it is a member of.
pub(super) fn on_rows_of(experiment: &Experiment, member: &Experiment) -> Experiment {
    let (mut own, whole) = (member.clone(), &experiment.data);
    own.data.split_seed = Some(whole.split_seed.unwrap_or(experiment.training.seed));
    own.data.val_size = whole.val_size;
    own.data.validation.clone_from(&whole.validation);
    own.data.test.clone_from(&whole.test);
    own.data.labels.clone_from(&whole.labels);
    own.data.lenient = whole.lenient;
    // Those of the experiment itself are for the model that answers.
    if matches!(experiment.plan, Plan::QuestionAnswering { .. }) {
        own.questions = None;
    }
    own
}

/// Whether what a trained run says of the validation rows tells anything, and what there is to know about that.
pub(super) fn may_validate(
    name: &str,
    run: &Path,
    data: &ExperimentData,
    session: &mut Session<'_>,
) -> Result<bool> {
    let Some(known) = trained_on(run)? else {
        session.note(&format!(
            "{name}: no record of what it was trained on; if validation rows were among that, its figures and those \
             of what it takes part in flatter it"
        ))?;
        return Ok(true);
    };
    let seen =
        |rows: &[RelationExample]| rows.iter().filter(|row| known.contains(&letters(row.text()))).count();
    let (validated, tested) = (seen(&data.validation), seen(&data.test));
    if tested > 0 && data.test_is_labelled() {
        session.note(&format!(
            "{name} was trained on {tested} of the {} labelled test rows' sentences: its figures on them flatter it",
            data.test.len()
        ))?;
    }
    if validated > 0 {
        session.note(&format!(
            "{name} was trained on {validated} of the {} validation rows' sentences: it is asked about the test rows \
             alone",
            data.validation.len()
        ))?;
    }
    Ok(validated == 0)
}

/// The rows of an experiment as a member knows them: with the entity types that it was trained with, unless the experiment
/// has a file of its own.
pub(super) fn rows_known_to<'a>(
    member: &MemberConfig,
    experiment: &Experiment,
    data: &'a ExperimentData,
) -> Result<Cow<'a, ExperimentData>> {
    if experiment.data.entity_types.is_some() {
        return Ok(Cow::Borrowed(data));
    }
    let of_run = || entity_types(recorded(member.run.as_ref()?)?.1);
    let own = member.experiment.as_deref().cloned().and_then(entity_types);
    let Some(types) = own.or_else(of_run) else { return Ok(Cow::Borrowed(data)) };
    let config = DataConfig { entity_types: Some(types), ..experiment.data.clone() };
    Ok(Cow::Owned(ExperimentData::read(&config, experiment.training.seed)?))
}

/// The rows that a run was about, read again.
pub(super) fn rows_of(run: &Path) -> Result<ExperimentData> {
    let (_, experiment) = recorded(run).ok_or_else(|| Error::NoModel { reference: run.to_owned() })?;
    ExperimentData::read(&experiment.data, experiment.training.seed)
}

/// Makes sure that rows with the same ids are the same: files of other rows number theirs alike.
pub(super) fn check_same_rows(
    name: &str,
    run: &Path,
    of_run: &[RelationExample],
    here: &[RelationExample],
) -> Result<()> {
    let places = |row: &RelationExample| row.entities().each_ref().map(Entity::span);
    let own: HashMap<&str, &RelationExample> = of_run.iter().map(|row| (row.id(), row)).collect();
    let same = |row: &&RelationExample| {
        own.get(row.id()).is_some_and(|own| own.text() == row.text() && places(own) == places(row))
    };
    match here.iter().find(|row| !same(row)) {
        None => Ok(()),
        Some(row) => Err(Error::config(
            "plan.members.run",
            format!(
                "{} for {name}, whose saved probabilities are of another row {}",
                run.display(),
                row.id()
            ),
            "a run with its models, or probabilities of the same rows",
        )),
    }
}

/// The file of entity types that an experiment is trained with, or that a member of it is.
fn entity_types(mut experiment: Experiment) -> Option<PathBuf> {
    let mut found = None;
    experiment.for_each(&mut |experiment| found = found.take().or(experiment.data.entity_types.clone()));
    found
}
