//! Find the best step on a split, train on everything, stop there.

use super::super::run::{RunFolder, Session};
use super::super::summary::{Part, Summary};
use super::super::{Experiment, ExperimentData};
use super::single_of;
use crate::error::{Error, Result};
use crate::observer::StopReason;

pub(in super::super) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    session: &mut Session<'_>,
) -> Result<Summary> {
    if data.validation.is_empty() || experiment.data.val_size <= 0.0 {
        return Err(Error::Config {
            key: "data.val_size",
            found: experiment.data.val_size.to_string(),
            expected: "more than 0: step transfer finds the best step on training rows set aside".to_owned(),
        });
    }
    let mut split = single_of(experiment);
    split.training.keep_best = true;
    let Some((_, on_split)) = folder.part("split", &split, session)? else {
        return Ok(Summary::new(StopReason::Interrupted));
    };
    let (Some(step), Some(evaluation)) = (on_split.step, on_split.evaluation) else {
        return Err(Error::NoCheckpoint { folder: folder.path().join("split") });
    };
    let mut full = single_of(experiment);
    full.data.val_size = 0.0;
    full.training.stop_at_step = step;
    full.training.early_stopping_patience = 0;
    // The schedule is that of the split, whatever number of rows an epoch has now.
    full.training.steps = experiment.training.total_steps(data.train.len());
    session.note(&format!("best step on the split: {step}; training on everything up to it"))?;
    let Some((_, on_everything)) = folder.part("full", &full, session)? else {
        return Ok(Summary::new(StopReason::Interrupted));
    };
    Ok(Summary {
        parts: vec![Part { name: format!("split, step {step}"), evaluation }],
        notes: vec![format!("best step on the split, used on everything: {step}")],
        ..on_everything
    })
}
