//! From the name of a run to the folder of a trained model.

use std::path::{Path, PathBuf};

use super::Summary;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};

/// Folder of the trained model that `reference` names: a run's folder (its best checkpoint or, while it is not
/// complete, its latest), `RUN@STEP` for one certain checkpoint, or the folder of a model itself.
///
/// # Errors
/// [`Error::NoModel`] where there is no such model; [`Error::Io`], [`Error::Json`].
pub fn model_folder(reference: impl AsRef<Path>) -> Result<PathBuf> {
    let reference = reference.as_ref();
    if let Some((run, step)) = reference.to_str().and_then(|text| text.rsplit_once('@'))
        && let Ok(step) = step.parse::<u64>()
        && !reference.exists()
    {
        let mut found = Checkpoint::list(Path::new(run))?.into_iter();
        let checkpoint = found.find(|checkpoint| checkpoint.step == step);
        return checkpoint
            .map(|checkpoint| checkpoint.path)
            .ok_or_else(|| Error::NoModel { reference: reference.to_owned() });
    }
    if reference.join("config.json").is_file() {
        return Ok(reference.to_owned());
    }
    if let Some(model) = Summary::read(reference)?.and_then(|summary| summary.model) {
        return Ok(model);
    }
    let latest = Checkpoint::list(reference)?.pop().map(|checkpoint| checkpoint.path);
    latest.ok_or_else(|| Error::NoModel { reference: reference.to_owned() })
}
