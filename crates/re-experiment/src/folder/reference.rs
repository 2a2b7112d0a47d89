//! From the name of a run to the folder of a trained model.

use std::path::{Path, PathBuf};

use re_data::files;

use super::summary::Summary;
use crate::error::{Error, Result};
use re_train::checkpoint::Checkpoint;

/// Folder of the trained model that `reference` names: a run's folder (its best checkpoint or, while it is not
/// complete, its latest), `RUN@STEP` for one certain checkpoint, or the folder of a model itself.
///
/// A run whose plan ends with a single model, such as step transfer, names that one; one that ends with several has
/// none, see [`load_predictor`](crate::load_predictor).
///
/// # Errors
/// [`Error::NoModel`] where there is no such model; [`re_train::Error::Io`], [`re_train::Error::Json`], [`re_train::Error::Data`].
pub fn model_folder(reference: impl AsRef<Path>) -> Result<PathBuf> {
    let reference = reference.as_ref();
    let absent = || Error::NoModel { reference: reference.to_owned() };
    let (run, step) = split_step(reference)?;
    if step.is_none() && files::is_file(run.join("config.json"))? {
        return Ok(run.to_owned());
    }
    let model = Summary::read(run)?.and_then(|summary| summary.model);
    let Some(step) = step else {
        let Some(best) = model else {
            return Checkpoint::list(run)?.pop().map(|checkpoint| checkpoint.path).ok_or_else(absent);
        };
        // Where it was removed, another one in its place would be another model.
        return if files::is_dir(&best)? { Ok(best) } else { Err(absent()) };
    };
    let of_model = model.as_ref().and_then(|model| model.parent()).filter(|folder| *folder != run);
    for folder in [Some(run), of_model].into_iter().flatten() {
        if let Some(found) = Checkpoint::list(folder)?.into_iter().find(|checkpoint| checkpoint.step == step)
        {
            return Ok(found.path);
        }
    }
    Err(absent())
}

/// `RUN@STEP` in its parts; a folder whose name ends like this is one.
///
/// # Errors
/// [`re_train::Error::Data`] where one cannot look.
pub(crate) fn split_step(reference: &Path) -> Result<(&Path, Option<u64>)> {
    let parts = reference.to_str().and_then(|text| text.rsplit_once('@'));
    match parts.map(|(run, step)| (run, step.parse::<u64>())) {
        Some((run, Ok(step))) if !files::exists(reference)? => Ok((Path::new(run), Some(step))),
        _ => Ok((reference, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use re_train::checkpoint::TrainerState;
    use re_train::config::TrainConfig;
    use re_train::observer::StopReason;

    fn save(run: &Path, step: u64) -> PathBuf {
        std::fs::create_dir_all(run).unwrap();
        let config = TrainConfig::default();
        let state = TrainerState {
            step,
            steps: 9,
            data: 0,
            best: None,
            evaluations_without_improvement: 0,
            threads: None,
            stopped: None,
            config,
        };
        std::fs::create_dir_all(run).unwrap();
        Checkpoint::save(run, &state, |_| Ok(())).unwrap().path
    }

    #[test]
    fn runs_steps_and_folders_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (two, four) = (save(&at("run"), 2), save(&at("run"), 4));
        assert_eq!(model_folder(at("run")).unwrap(), four, "the latest of a run that is not complete");
        let summary = Summary { model: Some(two.clone()), ..Summary::new(StopReason::Completed) };
        std::fs::write(at("run/summary.json"), summary.text(&at("run")).unwrap()).unwrap();
        assert_eq!(model_folder(at("run")).unwrap(), two, "the best one");
        assert_eq!(model_folder(at("run@4")).unwrap(), four);
        let gone = Summary { model: Some(at("run/gone")), ..Summary::new(StopReason::Completed) };
        save(&at("lost"), 4);
        std::fs::write(at("lost/summary.json"), gone.text(&at("run")).unwrap()).unwrap();
        std::fs::write(four.join("config.json"), "{}").unwrap();
        assert_eq!(model_folder(&four).unwrap(), four);
        for absent in ["run@3", "other", "run@x", "lost"] {
            let error = model_folder(at(absent)).unwrap_err().to_string();
            assert!(error.contains(absent) && error.contains("RUN@STEP"), "{error}");
        }
    }

    #[test]
    fn a_composed_run_names_the_checkpoints_of_its_last_model() {
        let folder = tempfile::tempdir().unwrap();
        save(&folder.path().join("split"), 2);
        let full = save(&folder.path().join("full"), 2);
        let summary = Summary { model: Some(full.clone()), ..Summary::new(StopReason::Completed) };
        std::fs::write(folder.path().join("summary.json"), summary.text(folder.path()).unwrap()).unwrap();
        let named = PathBuf::from(format!("{}@2", folder.path().display()));
        assert_eq!(model_folder(named).unwrap(), full);
    }
}
