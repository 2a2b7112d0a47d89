//! Checkpoints: folders that are either complete or not there.

use std::fs::File;
use std::path::{Path, PathBuf};

use re_data::files::{self, NewFolder};
use re_data::model_file;
use re_model::save;
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::error::{Error, Result};

/// Name of the file with the state of the trainer.
const STATE: &str = "trainer_state.json";
/// Name of the file with the state of the optimizer.
pub(crate) const OPTIMIZER: &str = "optimizer.safetensors";
const PREFIX: &str = "checkpoint-";
/// Suffix of a checkpoint that another one of its step is to replace. It counts until that one is there.
const REPLACED: &str = ".replaced";
/// Suffix of folders that earlier versions were writing or removing.
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
    /// Threads of libtorch that computed, on which the last bits depend; `None` in the states of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Where training stopped, if it stopped where a run that goes on has no checkpoint like this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// The settings of the run.
    pub config: TrainConfig,
}

/// Where in a step a training was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// After all that belongs to the step.
    AfterStep,
    /// Before the evaluation that belongs to the step, which is made first when training goes on.
    BeforeEvaluation,
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

impl TrainerState {
    /// The state in the folder of a checkpoint, whatever the folder is called.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Json`].
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(STATE);
        let text = model_file::read_text(&path)?;
        serde_json::from_str(&text).map_err(|source| Error::Json { path, source })
    }
}

impl Checkpoint {
    /// The checkpoints of a run, oldest first. Folders that were being written are no checkpoints.
    ///
    /// # Errors
    /// [`Error::Data`] where one cannot look into the folder; one that does not exist has no checkpoint.
    pub fn list(run: &Path) -> Result<Vec<Self>> {
        let step = |path: &Path| {
            let step = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
            step.strip_suffix(REPLACED).unwrap_or(step).parse::<u64>().ok()
        };
        let mut found = Vec::new();
        for path in files::entries(run)? {
            if let Some(step) = step(&path)
                && files::is_file(path.join(STATE))?
            {
                found.push(Self { step, path });
            }
        }
        found.sort_by_key(|checkpoint| checkpoint.step);
        // One to be replaced comes after the one that replaces it, as its name is longer.
        found.dedup_by_key(|checkpoint| checkpoint.step);
        Ok(found)
    }

    /// Folder of the checkpoint after `step` steps of a run.
    pub fn path(run: &Path, step: u64) -> PathBuf {
        run.join(format!("{PREFIX}{step:06}"))
    }

    /// Reads the trainer's state.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Json`]; [`Error::OtherStep`] where it is that of another step.
    pub fn state(&self) -> Result<TrainerState> {
        let state = TrainerState::read(&self.path)?;
        if state.step != self.step {
            let path = self.path.join(STATE);
            return Err(Error::OtherStep { path, found: state.step, expected: self.step });
        }
        Ok(state)
    }

    /// Saves a checkpoint: `fill` writes weights and optimizer into the folder it is given.
    ///
    /// The folder gets its name only when all is on disk, so that a kill at any instant leaves either the
    /// whole checkpoint or none. A checkpoint of the same step and state is left as it is: it has the same content. One of
    /// another state, saved before the evaluation that belongs to it, is removed when the new one is complete.
    ///
    /// # Errors
    /// [`Error::Data`] where the run's folder is missing or cannot be written to, those of [`Checkpoint::state`] where a
    /// checkpoint of the same step is there, or whatever `fill` returns.
    pub fn save(run: &Path, state: &TrainerState, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let saved = Self { step: state.step, path: Self::path(run, state.step) };
        let old = Self::replaced(&saved.path);
        if files::is_file(saved.path.join(STATE))? {
            if saved.state()? == *state {
                return Ok(saved);
            }
            remove_if_there(&old)?;
            move_aside(&saved.path, &old)?;
        }
        // Somebody has taken its state away: it is no checkpoint, and in the way of one.
        remove_if_there(&saved.path)?;
        save::fill(NewFolder::create(&saved.path)?, |folder| {
            fill(folder)?;
            let file = folder.join(STATE);
            let text = serde_json::to_string_pretty(state)
                .map_err(|source| Error::Json { path: file.clone(), source })?;
            Ok::<_, Error>(files::write(file, text)?)
        })?;
        remove_if_there(&old)?;
        Ok(saved)
    }

    /// Where the checkpoint at `path` lies until another one has replaced it.
    fn replaced(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(REPLACED);
        name.into()
    }

    /// Whether it is there because training stopped, and has no meaning once there is a later one.
    fn is_of_a_stop(&self) -> bool {
        // One that cannot be read is not in the way of others.
        self.state().is_ok_and(|state| state.stopped.is_some())
    }
}

/// Under either name the folder is whole, and counts.
#[allow(clippy::disallowed_methods)]
fn move_aside(folder: &Path, old: &Path) -> Result<()> {
    std::fs::rename(folder, old).map_err(|source| Error::io(folder, source))
}

fn remove_if_there(folder: &Path) -> Result<()> {
    if files::exists(folder)? {
        files::remove_folder(folder)?;
    }
    Ok(())
}

/// The folder of a run while it is trained there, to notice that it was moved or removed meanwhile.
#[derive(Debug)]
pub struct Place {
    open: File,
    path: PathBuf,
}

impl Place {
    /// Creates the folder where needed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path) -> Result<Self> {
        let io = |source| Error::io(path, source);
        std::fs::create_dir_all(path).map_err(io)?;
        Ok(Self { open: File::open(path).map_err(io)?, path: path.to_owned() })
    }

    /// Makes sure that the folder is where it was.
    ///
    /// # Errors
    /// [`Error::RunGone`] where it is not; [`Error::Data`] where one cannot look.
    pub fn check(&self) -> Result<()> {
        if files::is_same(&self.open, &self.path)? {
            return Ok(());
        }
        Err(Error::RunGone { folder: self.path.clone() })
    }
}

/// Removes all checkpoints of a run but the `keep_last` latest and the one of step `best`; 0 keeps all.
///
/// Those that were made only because training stopped go as soon as there is a later one, so that the others are those of
/// a run that never stopped.
///
/// # Errors
/// [`Error::Io`].
pub fn prune(run: &Path, keep_last: usize, best: Option<u64>) -> Result<()> {
    let mut all = Checkpoint::list(run)?;
    let latest = all.pop();
    let is_passed = |checkpoint: &Checkpoint| Some(checkpoint.step) != best && checkpoint.is_of_a_stop();
    let (passed, mut all): (Vec<_>, Vec<_>) = all.into_iter().partition(is_passed);
    all.extend(latest);
    let old = if keep_last == 0 { 0 } else { all.len().saturating_sub(keep_last) };
    let old = all.iter().take(old).filter(|checkpoint| Some(checkpoint.step) != best);
    Ok(passed.iter().chain(old).map(|checkpoint| &checkpoint.path).try_for_each(files::remove_folder)?)
}

/// Removes what a killed run was writing or removing.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_partial(run: &Path) -> Result<()> {
    files::sweep(run);
    for Checkpoint { path, .. } in Checkpoint::list(run)? {
        remove_if_there(&Checkpoint::replaced(&path))?;
    }
    // Earlier versions called them so.
    for path in files::entries(run)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(PREFIX) && name.ends_with(PARTIAL) {
            std::fs::remove_dir_all(&path).map_err(|source| Error::io(&path, source))?;
        }
    }
    Ok(())
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
            threads: None,
            stopped: None,
            config,
        }
    }

    #[test]
    fn checkpoints_of_a_stop_go_when_there_is_a_later_one() {
        let run = tempfile::tempdir().unwrap();
        let run = run.path();
        let save = |step, stopped| {
            Checkpoint::save(run, &TrainerState { stopped, ..state(step) }, |_| Ok(())).unwrap();
            prune(run, 2, Some(2)).unwrap();
            Checkpoint::list(run).unwrap().iter().map(|c| c.step).collect::<Vec<_>>()
        };
        for step in [2, 4] {
            save(step, None);
        }
        assert_eq!(save(5, Some(Stopped::AfterStep)), [2, 4, 5]);
        assert_eq!(save(7, Some(Stopped::BeforeEvaluation)), [2, 4, 7]);
        // As without the stops.
        assert_eq!(save(8, None), [2, 4, 8]);
    }

    #[test]
    fn the_best_checkpoint_stays_although_training_stopped_there() {
        let run = tempfile::tempdir().unwrap();
        let run = run.path();
        Checkpoint::save(run, &TrainerState { stopped: Some(Stopped::AfterStep), ..state(2) }, |_| Ok(()))
            .unwrap();
        Checkpoint::save(run, &state(4), |_| Ok(())).unwrap();
        prune(run, 1, Some(2)).unwrap();
        assert_eq!(Checkpoint::list(run).unwrap().len(), 2);
    }

    #[test]
    fn a_checkpoint_is_there_until_another_has_replaced_it() {
        let run = tempfile::tempdir().unwrap();
        let run = run.path();
        let before = TrainerState { stopped: Some(Stopped::BeforeEvaluation), ..state(4) };
        let only = || {
            let mut all = Checkpoint::list(run).unwrap();
            assert_eq!((all.len(), all[0].step), (1, 4));
            all.pop().unwrap()
        };
        Checkpoint::save(run, &before, |_| Ok(())).unwrap();
        // At any instant before the new one is complete, and where it does not become so.
        let failed = Checkpoint::save(run, &state(4), |folder| {
            assert_eq!(only().state().unwrap(), before);
            Err(Error::NoCheckpoint { folder: folder.to_owned() })
        });
        assert!(failed.is_err());
        remove_partial(run).unwrap();
        prune(run, 1, None).unwrap();
        assert_eq!(only().state().unwrap(), before);
        // It goes on from there.
        Checkpoint::save(run, &state(4), |_| Ok(())).unwrap();
        assert_eq!(only().state().unwrap(), state(4));
        assert_eq!(files::entries(run).unwrap(), [only().path]);
        // Killed before the old one was removed.
        std::fs::create_dir(run.join("checkpoint-000004.replaced")).unwrap();
        std::fs::copy(only().path.join(STATE), run.join("checkpoint-000004.replaced").join(STATE)).unwrap();
        assert_eq!(only().path, Checkpoint::path(run, 4));
        remove_partial(run).unwrap();
        assert_eq!(files::entries(run).unwrap(), [only().path]);
        // What cannot be read is not taken for another state.
        std::fs::write(only().path.join(STATE), "{").unwrap();
        assert!(matches!(Checkpoint::save(run, &state(4), |_| Ok(())), Err(Error::Json { .. })));
        assert_eq!(std::fs::read(only().path.join(STATE)).unwrap(), b"{");
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
        let names = || files::entries(run).unwrap().len();
        assert_eq!(names(), 3, "nothing is left of the one that failed");
        for left in ["checkpoint-000012.part", "checkpoint-000012.re-1-2.part", "config.toml.re-1-3.part"] {
            std::fs::create_dir(run.join(left)).unwrap();
        }
        remove_partial(run).unwrap();
        assert_eq!(names(), 3);
        assert_eq!(Checkpoint::list(run).unwrap()[0].state().unwrap(), state(2));
        // One that has lost its state is none, and written again.
        std::fs::remove_file(Checkpoint::path(run, 10).join(STATE)).unwrap();
        assert_eq!(steps(), [2, 6]);
        Checkpoint::save(run, &state(10), |_| Ok(())).unwrap();
        assert_eq!(steps(), [2, 6, 10]);
    }
}
