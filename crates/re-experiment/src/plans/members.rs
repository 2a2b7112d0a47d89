//! What members have in common, of votes and before questions.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use re_data::error::with_causes;
use re_data::{Entity, RelationExample};

use crate::config::DataConfig;
use crate::data::{ExperimentData, data_hash, with_texts};
use crate::error::{Error, Result};
use crate::experiment::{Experiment, MemberConfig, Plan};
use crate::folder::CONFIG;
use crate::session::Session;
use crate::trained::{recorded, trained_on};

/// A member's settings with the rows in the roles that they have in the experiment it is a member of.
pub(crate) fn on_rows_of(experiment: &Experiment, member: &Experiment) -> Experiment {
    let (mut own, whole) = (member.clone(), &experiment.data);
    own.data.split_seed = Some(whole.split_seed.unwrap_or(experiment.training.seed));
    own.data.val_size = whole.val_size;
    own.data.validation.clone_from(&whole.validation);
    own.data.test.clone_from(&whole.test);
    own.data.labels.clone_from(&whole.labels);
    own.data.no_relation.clone_from(&whole.no_relation);
    own.data.lenient = whole.lenient;
    // Those of the experiment itself are for the model that answers.
    if matches!(experiment.plan, Plan::QuestionAnswering { .. }) {
        own.questions = None;
    }
    own
}

/// Whether what a trained run says of the validation rows tells anything, and what there is to know about that.
pub(crate) fn may_validate(
    name: &str,
    run: &Path,
    data: &ExperimentData,
    session: &mut Session<'_>,
) -> Result<bool> {
    let Some(known) = trained_on(run)? else {
        session.note(&format!(
            "{name}: no record of what it was trained on; if validation rows were among that, its figures and those \
             of votes that it takes part in are too high"
        ))?;
        return Ok(true);
    };
    let (validated, tested) = (with_texts(&data.validation, &known), with_texts(&data.test, &known));
    if tested > 0 && data.test_is_labelled() {
        session.note(&format!(
            "{name} was trained on {tested} of the {} labelled test rows' sentences: its figures on them are too high",
            data.test.len()
        ))?;
    }
    if validated > 0 {
        session.note(&format!(
            "{name} was trained on {validated} of the {} validation rows' sentences: it predicts the test rows \
             alone",
            data.validation.len()
        ))?;
    }
    Ok(validated == 0)
}

/// What there is to know where a training begins with a model that was trained here before.
pub(crate) fn seen_before(experiment: &Experiment, data: &ExperimentData) -> Option<String> {
    let model = &experiment.model.folder;
    // A note is no reason to refuse a model whose record cannot be read.
    let known = trained_on(model).ok().flatten()?;
    let seen = with_texts(&data.validation, &known);
    (seen > 0).then(|| {
        format!(
            "{} was trained on {seen} of the {} validation rows' sentences before: figures on them are too high",
            model.display(),
            data.validation.len()
        )
    })
}

/// The rows of an experiment as a member knows them: with the entity types that it was trained with, unless the experiment
/// has a file of its own.
pub(crate) fn rows_known_to<'a>(
    member: &MemberConfig,
    experiment: &Experiment,
    data: &'a ExperimentData,
) -> Result<Cow<'a, ExperimentData>> {
    if experiment.data.entity_types.is_some() {
        return Ok(Cow::Borrowed(data));
    }
    let run = member.run.as_ref().map(|run| recorded(run)).transpose()?.flatten();
    let of_run = run.and_then(|(_, run)| entity_types(run));
    let own = || member.experiment.as_deref().cloned().and_then(entity_types);
    let Some(types) = of_run.or_else(own) else { return Ok(Cow::Borrowed(data)) };
    let config = DataConfig { entity_types: Some(types), ..experiment.data.clone() };
    Ok(Cow::Owned(ExperimentData::read(&config, experiment.training.seed)?))
}

/// The rows that a run was about, read again.
///
/// # Errors
/// [`re_train::Error::Config`] where its files are gone or have changed: nobody knows then what its probabilities are of.
pub(crate) fn rows_of(name: &str, run: &Path) -> Result<ExperimentData> {
    let unknown = |why: String| {
        Error::config(
            "plan.members.run",
            format!("{} for {name}, whose models were removed; {why}", run.display()),
            "a run with its models, or with the files of rows that its saved probabilities are of",
        )
    };
    let (folder, experiment) = recorded(run)?.ok_or_else(|| unknown(format!("it has no {CONFIG}")))?;
    let data = ExperimentData::read(&experiment.data, experiment.training.seed);
    let data = data.map_err(|error| unknown(with_causes(&error)))?;
    match folder.data_hash()? {
        Some(hash) if hash == data_hash(&experiment, &data)? => Ok(data),
        Some(_) => {
            Err(unknown(format!("{} or its other rows have changed", experiment.data.train.display())))
        }
        None => Err(unknown("there is no record of its rows".to_owned())),
    }
}

/// Whether these are the same rows, in whatever order: files of other rows may number theirs alike.
pub(crate) fn same_rows(some: &[RelationExample], others: &[RelationExample]) -> bool {
    let known: HashMap<&str, &RelationExample> = some.iter().map(|row| (row.id(), row)).collect();
    let spans = |row: &RelationExample| row.entities().each_ref().map(Entity::span);
    let same = |row: &RelationExample| {
        known.get(row.id()).is_some_and(|known| known.text() == row.text() && spans(known) == spans(row))
    };
    some.len() == others.len() && others.iter().all(same)
}

/// The file of entity types that an experiment is trained with, or that a member of it is.
fn entity_types(mut experiment: Experiment) -> Option<PathBuf> {
    let mut found = None;
    experiment.for_each(&mut |experiment| found = found.take().or(experiment.data.entity_types.clone()));
    found
}
