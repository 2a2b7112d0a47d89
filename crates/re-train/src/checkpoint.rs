//! Checkpoints: folders that are either complete or not there.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::error::{Error, Result};

/// Name of the file with the state of the trainer.
const STATE: &str = "trainer_state.json";
/// Name of the file with the state of the optimizer.
pub(crate) const OPTIMIZER: &str = "optimizer.safetensors";
const PREFIX: &str = "checkpoint-";
/// Suffix of folders that are being written or removed.
const PARTIAL: &str = ".part";

/// What a run must know to go on as if it had never stopped, besides weights and optimizer.
///
/// The position in the data and every random stream follow from `step` and the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the whole training.
    pub steps: u64,
    /// Hash of the training rows.
    pub data: u64,
    /// The best evaluation so far.
    pub best: Option<Best>,
    /// Evaluations since the best one.
    pub evaluations_without_improvement: u64,
    /// The settings of the run.
    pub config: TrainConfig,
}

/// The best evaluation of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Step after which it was made.
    pub step: u64,
    /// Value of the metric that the configuration names, 0..=1.
    pub value: f64,
}

/// A complete checkpoint on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Optimizer steps done.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
}

impl Checkpoint {
    /// The checkpoints of a run, oldest first. Folders that were being written are no checkpoints.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be listed; one that does not exist has no checkpoint.
    pub fn list(run: &Path) -> Result<Vec<Self>> {
        let mut found: Vec<Self> = entries(run)?
            .into_iter()
            .filter_map(|path| {
                let step = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
                path.join(STATE).is_file().then_some(Self { step, path })
            })
            .collect();
        found.sort_by_key(|checkpoint| checkpoint.step);
        Ok(found)
    }

    /// Folder of the checkpoint after `step` steps of a run.
    pub fn path(run: &Path, step: u64) -> PathBuf {
        run.join(format!("{PREFIX}{step:06}"))
    }

    /// Reads the trainer's state.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Json`].
    pub fn state(&self) -> Result<TrainerState> {
        let path = self.path.join(STATE);
        let text = std::fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
        serde_json::from_str(&text).map_err(|source| Error::Json { path, source })
    }

    /// Saves a checkpoint: `fill` writes weights and optimizer into the folder it is given.
    ///
    /// The folder gets its name only when all is on disk, so that a kill at any instant leaves either the
    /// whole checkpoint or none. A checkpoint of the same step is left as it is: it has the same content.
    ///
    /// # Errors
    /// [`Error::Io`] or whatever `fill` returns.
    pub fn save(run: &Path, state: &TrainerState, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let path = Self::path(run, state.step);
        if !path.join(STATE).is_file() {
            if path.is_dir() {
                // Somebody has taken its state away: it is no checkpoint, and in the way of one.
                std::fs::remove_dir_all(&path).map_err(|source| Error::io(&path, source))?;
            }
            write_folder(&path, |partial| {
                fill(partial)?;
                let file = partial.join(STATE);
                let text = serde_json::to_string_pretty(state)
                    .map_err(|source| Error::Json { path: file.clone(), source })?;
                std::fs::write(&file, text).map_err(|source| Error::io(&file, source))
            })?;
        }
        Ok(Self { step: state.step, path })
    }

    /// Removes the checkpoint; a kill in between leaves no half of it under its name.
    fn remove(&self) -> Result<()> {
        let doomed = partial(&self.path);
        std::fs::rename(&self.path, &doomed).map_err(|source| Error::io(&self.path, source))?;
        std::fs::remove_dir_all(&doomed).map_err(|source| Error::io(&doomed, source))
    }
}

/// Removes all checkpoints of a run but the `keep_last` latest and the one of step `best`; 0 keeps all.
///
/// # Errors
/// [`Error::Io`].
pub fn prune(run: &Path, keep_last: usize, best: Option<u64>) -> Result<()> {
    if keep_last == 0 {
        return Ok(());
    }
    let all = Checkpoint::list(run)?;
    let old = all.len().saturating_sub(keep_last);
    all.iter().take(old).filter(|checkpoint| Some(checkpoint.step) != best).try_for_each(Checkpoint::remove)
}

/// Removes what a killed run was writing.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_partial(run: &Path) -> Result<()> {
    for path in entries(run)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(PREFIX) && name.ends_with(PARTIAL) {
            std::fs::remove_dir_all(&path).map_err(|source| Error::io(&path, source))?;
        }
    }
    Ok(())
}

/// Writes a folder that appears under its name only when it is complete and on disk.
///
/// # Errors
/// [`Error::Io`] or whatever `fill` returns.
pub fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let partial = partial(path);
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(|source| Error::io(&partial, source))?;
    }
    std::fs::create_dir_all(&partial).map_err(|source| Error::io(&partial, source))?;
    fill(&partial)?;
    for file in entries(&partial)? {
        sync(&file)?;
    }
    sync(&partial)?;
    std::fs::rename(&partial, path).map_err(|source| Error::io(path, source))?;
    path.parent().map_or(Ok(()), sync)
}

/// Writes a file that appears under its name, in place of an older one, only when it is complete and on disk.
///
/// # Errors
/// [`Error::Io`] or whatever `fill` returns.
pub fn write_file(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let partial = partial(path);
    fill(&partial)?;
    sync(&partial)?;
    std::fs::rename(&partial, path).map_err(|source| Error::io(path, source))
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PARTIAL);
    PathBuf::from(name)
}

fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| Error::io(path, source))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|source| Error::io(folder, source))?,
    };
    list.map(|entry| entry.map(|e| e.path()).map_err(|source| Error::io(folder, source))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(step: u64) -> TrainerState {
        let config = TrainConfig::default();
        TrainerState {
            step,
            steps: 9,
            data: u64::MAX,
            best: None,
            evaluations_without_improvement: 0,
            config,
        }
    }

    #[test]
    fn only_complete_checkpoints_count_and_old_ones_go() {
        let run = tempfile::tempdir().unwrap();
        let run = run.path();
        assert_eq!(Checkpoint::list(&run.join("absent")).unwrap(), []);
        for step in [2, 10, 4, 6] {
            Checkpoint::save(run, &state(step), |folder| {
                std::fs::write(folder.join("weights"), "x").map_err(|e| Error::io(folder, e))
            })
            .unwrap();
        }
        let failed = Checkpoint::save(run, &state(12), |folder| {
            Err(Error::NoCheckpoint { folder: folder.to_owned() })
        });
        assert!(failed.is_err());
        let steps = || Checkpoint::list(run).unwrap().iter().map(|c| c.step).collect::<Vec<_>>();
        assert_eq!(steps(), [2, 4, 6, 10]);
        prune(run, 2, Some(2)).unwrap();
        assert_eq!(steps(), [2, 6, 10]);
        assert!(Checkpoint::path(run, 12).with_extension("part").exists());
        remove_partial(run).unwrap();
        assert!(!Checkpoint::path(run, 12).with_extension("part").exists());
        assert_eq!(Checkpoint::list(run).unwrap()[0].state().unwrap(), state(2));
        // One that has lost its state is none, and written again.
        std::fs::remove_file(Checkpoint::path(run, 10).join(STATE)).unwrap();
        assert_eq!(steps(), [2, 6]);
        Checkpoint::save(run, &state(10), |_| Ok(())).unwrap();
        assert_eq!(steps(), [2, 6, 10]);
    }
}
