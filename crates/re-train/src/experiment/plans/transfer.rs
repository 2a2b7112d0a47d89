//! Find the best step on a split, train on everything, stop there.

use super::super::run::RunFolder;
use super::super::session::Session;
use super::super::summary::Summary;
use super::super::{Experiment, ExperimentData};
use super::{adopt, on_everything, single_of};
use crate::error::{Error, Result};
use crate::observer::StopReason;

pub(in super::super) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    session: &mut Session<'_>,
) -> Result<Summary> {
    session.expect(2);
    let mut split = single_of(experiment);
    split.training.keep_best = true;
    let Some((run, on_split)) = folder.part("split", &split, session)? else {
        return Ok(Summary::new(StopReason::Interrupted));
    };
    let step = on_split.step.ok_or_else(|| Error::NoCheckpoint { folder: run.path().to_owned() })?;
    let note = format!("best step on the split: {step}; training on all rows stops there");
    session.note(&note)?;
    let full = on_everything(experiment, step, data.train.len());
    let Some((run, on_everything)) = folder.part("full", &full, session)? else {
        return Ok(Summary::new(StopReason::Interrupted));
    };
    let mut summary = adopt(folder, &run, on_everything.clone())?;
    summary.compare(&format!("split, step {step}"), &on_split);
    summary.compare(&format!("full, step {step}"), &on_everything);
    summary.notes.push(note);
    Ok(summary)
}
