//! Find the best step on a split, train on everything, stop there.

use std::path::Path;

use re_data::files;
use re_train::checkpoint::TrainerState;
use re_train::{StopReason, TrainConfig};
use re_trained::{model_folder, split_step};

use super::derived::{on_everything, single_of};
use super::predictions::adopt;
use crate::config::DataConfig;
use crate::data::ExperimentData;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Plan};
use crate::folder::{CONFIG, RunFolder, Summary};
use crate::own::OwnParts;
use crate::session::Session;

pub(crate) fn run(
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
    let step = on_split
        .step
        .ok_or_else(|| Error::Train(re_train::Error::NoCheckpoint { folder: folder.path().to_owned() }))?;
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

/// The best step of a run that lends it to a training on everything: the one that `RUN@STEP` names or, of a training
/// with rows set aside, the one that was best on them.
///
/// # Errors
/// [`re_train::Error::Config`] where there is no such step; [`Error::NoModel`] where `STEP` was not kept.
pub(crate) fn lent_step(run: &Path) -> Result<u64> {
    if split_step(run)?.1.is_some() || !files::is_file(run.join(CONFIG))? {
        return Ok(TrainerState::read(&model_folder(run)?)?.step);
    }
    let own = RunFolder::new(run).experiment()?;
    let chosen = own.plan == (Plan::Single {}) && own.training.keep_best;
    let summary = Summary::read(run)?.filter(|summary| chosen && summary.evaluation.is_some());
    summary.and_then(|summary| summary.step).ok_or_else(|| {
        let found = format!("{} without a step that was best on rows set aside", run.display());
        Error::config("plan.members.full_data_of", found, "the run of one training that has one, or RUN@STEP")
    })
}

/// The result of a run that stands in place of the training on the split.
///
/// # Errors
/// [`re_train::Error::Config`] unless it is a complete run of the same training on the same rows.
pub(crate) fn given_split(run: &Path, experiment: &Experiment, data: &ExperimentData) -> Result<Summary> {
    let fault = |what: &str| {
        let found = format!("{} {what}", run.display());
        Error::config("plan.split", found, "a complete run of the same training on the same split")
    };
    let folder = RunFolder::new(run);
    let summary = Summary::read(run)?.ok_or_else(|| fault("without a result of one"))?;
    if folder.data_hash()?.as_deref() != Some(&data.hash()) {
        return Err(fault("on other rows"));
    }
    let own = folder.experiment()?;
    if own.plan != (Plan::Single {}) {
        return Err(fault("with another plan"));
    }
    if !own.training.keep_best {
        return Err(fault("whose step is its last one, not its best one (keep_best = false)"));
    }
    let (own, here) = (settings(&own)?, settings(experiment)?);
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
fn settings(experiment: &Experiment) -> Result<Experiment> {
    let mut own = single_of(experiment);
    if let Some(folder) = files::canonical(&own.model.folder)? {
        own.model.folder = folder;
    }
    // Their names are settings.
    own.parts = OwnParts::default();
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
    Ok(own)
}
