//! Find the best step on a split, train on everything, stop there.

use std::path::Path;

use super::super::plan::Plan;
use super::super::run::RunFolder;
use super::super::session::Session;
use super::super::summary::Summary;
use super::super::{DataConfig, Experiment, ExperimentData};
use super::{adopt, on_everything, single_of};
use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::observer::StopReason;

pub(in super::super) fn run(
    folder: &RunFolder,
    experiment: &Experiment,
    data: &ExperimentData,
    split: Option<&Path>,
    session: &mut Session<'_>,
) -> Result<Summary> {
    session.expect(if split.is_some() { 1 } else { 2 });
    let on_split = match split {
        Some(run) => given_split(run, experiment, data)?,
        None => {
            let mut split = single_of(experiment);
            split.training.keep_best = true;
            match folder.part("split", &split, session)? {
                Some((_, on_split)) => on_split,
                None => return Ok(Summary::new(StopReason::Interrupted)),
            }
        }
    };
    let step = on_split.step.ok_or_else(|| Error::NoCheckpoint { folder: folder.path().to_owned() })?;
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

/// The result of a run that stands in place of the training on the split.
///
/// # Errors
/// [`Error::Config`] unless it is a complete run of the same training on the same rows.
pub(super) fn given_split(run: &Path, experiment: &Experiment, data: &ExperimentData) -> Result<Summary> {
    let fault = |what: &str| {
        let found = format!("{} {what}", run.display());
        Error::config("plan.split", found, "a complete run of the same training on the same split")
    };
    let folder = RunFolder::new(run);
    let complete = |summary: &Summary| summary.reason == StopReason::Completed && summary.step.is_some();
    let summary = Summary::read(run)?.filter(complete).ok_or_else(|| fault("without a result of one"))?;
    if folder.data_hash()?.as_deref() != Some(&data.hash()) {
        return Err(fault("on other rows"));
    }
    let own = folder.experiment()?;
    if own.plan != (Plan::Single {}) {
        return Err(fault("with another plan"));
    }
    let (own, here) = (settings(&own), settings(experiment));
    for (key, differs) in [
        ("model", own.model != here.model),
        ("head", own.head != here.head),
        ("markup", own.markup != here.markup),
        ("encoding", own.encoding != here.encoding),
        ("training", own.training != here.training),
    ] {
        if differs {
            return Err(fault(&format!("with another {key}")));
        }
    }
    if own == here { Ok(summary) } else { Err(fault("with other settings")) }
}

/// What decides where a training on given rows is best.
fn settings(experiment: &Experiment) -> Experiment {
    let mut own = single_of(experiment);
    if let Ok(folder) = own.model.folder.canonicalize() {
        own.model.folder = folder;
    }
    own.data = DataConfig { augmentation: own.data.augmentation, ..DataConfig::default() };
    let free = TrainConfig::default();
    own.training = TrainConfig {
        eval_steps: free.eval_steps,
        save_steps: free.save_steps,
        logging_steps: free.logging_steps,
        keep_last: free.keep_last,
        keep_best: free.keep_best,
        precision: Some(own.training.precision()),
        device: free.device,
        ..own.training
    };
    own
}
