//! What members have in common, of votes and before questions.

use std::path::Path;

use super::super::session::Session;
use super::super::trained::trained_on;
use super::super::{Experiment, ExperimentData};
use crate::error::Result;

/// A member's settings with the rows in the roles that they have in the experiment it is a member of.
pub(super) fn on_rows_of(experiment: &Experiment, member: &Experiment) -> Experiment {
    let (mut own, whole) = (member.clone(), &experiment.data);
    own.data.split_seed = Some(whole.split_seed.unwrap_or(experiment.training.seed));
    own.data.val_size = whole.val_size;
    own.data.validation.clone_from(&whole.validation);
    own.data.test.clone_from(&whole.test);
    own.data.labels.clone_from(&whole.labels);
    own.data.lenient = whole.lenient;
    own
}

/// Whether what a trained run says of the validation rows tells anything, and what there is to know about that.
pub(super) fn may_validate(
    name: &str,
    run: &Path,
    data: &ExperimentData,
    session: &mut Session<'_>,
) -> Result<bool> {
    let seen = trained_on(run)?
        .map(|texts| data.validation.iter().filter(|example| texts.contains(example.text())).count());
    match seen {
        Some(0) => return Ok(true),
        Some(seen) => session.note(&format!(
            "{name} was trained on {seen} of the {} validation rows' sentences: it is asked about the test rows alone",
            data.validation.len()
        ))?,
        None => session.note(&format!(
            "{name}: no record of what it was trained on; if validation rows were among that, its figures and those \
             of what it takes part in flatter it"
        ))?,
    }
    Ok(seen.is_none())
}
