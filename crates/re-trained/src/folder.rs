//! From the name of a run to the folder of a trained model.

use std::path::{Path, PathBuf};

use re_data::files;
use serde::Deserialize;

use crate::error::{Error, Result};

/// Name of the file in a run's folder that says what came out; it is there only when the run is complete.
const SUMMARY: &str = "summary.json";
/// What the names of the folders of checkpoints begin with; the step follows.
const PREFIX: &str = "checkpoint-";
/// What the name of a checkpoint ends with that a newer one of its step was about to replace.
const REPLACED: &str = ".replaced";
/// The file without which a checkpoint is not complete.
const STATE: &str = "trainer_state.json";

/// What is needed of a run's summary.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Summary {
    model: Option<PathBuf>,
}

/// Folder of the trained model that `reference` names: a run's folder (its best checkpoint or, while it is not complete, its
/// latest), `RUN@STEP` for one certain checkpoint, or the folder of a model itself.
///
/// A run whose plan ends with a single model, such as step transfer, names that one; one that ends with several has none, see
/// [`load_predictor`](crate::load_predictor).
///
/// # Errors
/// [`Error::NoModel`] where there is no such model; [`Error::Data`] and [`Error::Json`] where one cannot look.
pub fn model_folder(reference: impl AsRef<Path>) -> Result<PathBuf> {
    let reference = reference.as_ref();
    let absent = || Error::NoModel { reference: reference.to_owned() };
    let (run, step) = split_step(reference)?;
    if step.is_none() && files::is_file(run.join("config.json"))? {
        return Ok(run.to_owned());
    }
    let model = summary(run)?.and_then(|summary| summary.model).map(|model| run.join(model));
    let Some(step) = step else {
        let Some(best) = model else {
            return checkpoints(run)?.pop().map(|(_, path)| path).ok_or_else(absent);
        };
        // Where it was removed, another one in its place would be another model.
        return if files::is_dir(&best)? { Ok(best) } else { Err(absent()) };
    };
    let of_model = model.as_ref().and_then(|model| model.parent()).filter(|folder| *folder != run);
    for folder in [Some(run), of_model].into_iter().flatten() {
        if let Some((_, path)) = checkpoints(folder)?.into_iter().find(|(found, _)| *found == step) {
            return Ok(path);
        }
    }
    Err(absent())
}

/// Step of the latest checkpoint of a training that lies here and is not complete.
///
/// # Errors
/// [`Error::Data`] where one cannot look.
pub fn unfinished_step(run: impl AsRef<Path>) -> Result<Option<u64>> {
    let run = run.as_ref();
    if is_complete(run)? || files::is_file(run.join("config.json"))? {
        return Ok(None);
    }
    Ok(checkpoints(run)?.pop().map(|(step, _)| step))
}

/// Whether the run that lies here is complete.
pub(crate) fn is_complete(run: &Path) -> Result<bool> {
    Ok(files::is_file(run.join(SUMMARY))?)
}

fn summary(run: &Path) -> Result<Option<Summary>> {
    let path = run.join(SUMMARY);
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|source| Error::Json { path, source }),
        Err(error) if files::is_absent(&error) => Ok(None),
        Err(source) => Err(re_data::Error::io(path, source).into()),
    }
}

/// The checkpoints of a run by their steps, the latest last.
fn checkpoints(run: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let step = |path: &Path| {
        let step = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
        step.strip_suffix(REPLACED).unwrap_or(step).parse::<u64>().ok()
    };
    let mut found = Vec::new();
    for path in files::entries(run)? {
        if let Some(step) = step(&path)
            && files::is_file(path.join(STATE))?
        {
            found.push((step, path));
        }
    }
    found.sort();
    // One to be replaced comes after the one that replaces it, as its name is longer.
    found.dedup_by_key(|(step, _)| *step);
    Ok(found)
}

/// `RUN@STEP` in its parts; a folder whose name ends like this is one.
///
/// # Errors
/// [`Error::Data`] where one cannot look.
pub fn split_step(reference: &Path) -> Result<(&Path, Option<u64>)> {
    let parts = reference.to_str().and_then(|text| text.rsplit_once('@'));
    match parts.map(|(run, step)| (run, step.parse::<u64>())) {
        Some((run, Ok(step))) if !files::exists(reference)? => Ok((Path::new(run), Some(step))),
        _ => Ok((reference, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(run: &Path, step: u64) -> PathBuf {
        let path = run.join(format!("{PREFIX}{step:06}"));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join(STATE), "{}").unwrap();
        path
    }

    #[test]
    fn runs_steps_and_folders_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (two, four) = (save(&at("run"), 2), save(&at("run"), 4));
        assert_eq!(model_folder(at("run")).unwrap(), four, "the latest of a run that is not complete");
        assert_eq!(unfinished_step(at("run")).unwrap(), Some(4));
        std::fs::write(at("run/summary.json"), r#"{"reason": "completed", "model": "checkpoint-000002"}"#)
            .unwrap();
        assert_eq!(model_folder(at("run")).unwrap(), two, "the best one");
        assert_eq!(model_folder(at("run@4")).unwrap(), four);
        assert_eq!(unfinished_step(at("run")).unwrap(), None);
        std::fs::write(four.join("config.json"), "{}").unwrap();
        assert_eq!(model_folder(&four).unwrap(), four);
        save(&at("lost"), 4);
        std::fs::write(at("lost/summary.json"), r#"{"model": "gone"}"#).unwrap();
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
        std::fs::write(folder.path().join(SUMMARY), r#"{"model": "full/checkpoint-000002"}"#).unwrap();
        let named = PathBuf::from(format!("{}@2", folder.path().display()));
        assert_eq!(model_folder(named).unwrap(), full);
    }
}
