//! Running an experiment in a folder of its own.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::plan::Plan;
use super::plans;
use super::summary::{SUMMARY, Summary};
use super::{Experiment, ExperimentData};
use crate::checkpoint::{Checkpoint, write_file};
use crate::error::{Error, Result};
use crate::observer::{Event, Observer, StopReason};
use crate::trainer::Start;

/// Name of the file whose lock says that a process works in the folder.
const LOCK: &str = ".lock";
/// Name of the file with the resolved settings.
const CONFIG: &str = "config.toml";

/// The folder of a run: checkpoints, `config.toml`, `metrics.jsonl`, predictions, `summary.json`.
///
/// A plan of several trainings has a folder like this one for each of them, inside its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

/// What a run shares with the trainings that it consists of.
pub(super) struct Session<'a> {
    pub observer: &'a mut dyn Observer,
    pub stop: Arc<AtomicBool>,
}

impl Session<'_> {
    pub(super) fn note(&mut self, text: &str) -> Result<()> {
        self.observer.notify(&Event::Notice(text)).map_err(Error::Observer)
    }
}

impl RunFolder {
    /// The folder at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The first of `PARENT/NAME-1`, `PARENT/NAME-2` and so on that does not exist.
    pub fn free(parent: impl AsRef<Path>, name: &str) -> Self {
        let numbered = |n: u32| parent.as_ref().join(format!("{name}-{n}"));
        Self((1..).map(numbered).find(|path| !path.exists()).unwrap_or_else(|| numbered(0)))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The resolved configuration of the run that lies here.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] where there is none.
    pub fn experiment(&self) -> Result<Experiment> {
        let path = self.0.join(CONFIG);
        if !path.exists() {
            return Err(Error::NoCheckpoint { folder: self.0.clone() });
        }
        Experiment::from_file(path)
    }

    /// Runs `experiment`: reads the data, makes the trainings of its plan, evaluates and predicts the test rows.
    ///
    /// `observers` watch, beside the log that is always written; once `stop` is true, training ends with a
    /// checkpoint after the current step, and nothing is predicted.
    ///
    /// # Errors
    /// Whatever is wrong with data, model, settings or disk; see [`Trainer::train`](crate::Trainer::train).
    pub fn run(
        &self,
        experiment: &Experiment,
        start: Start,
        mut observers: Vec<Box<dyn Observer>>,
        stop: Arc<AtomicBool>,
    ) -> Result<Summary> {
        self.run_in(experiment, start, &mut Session { observer: &mut observers, stop })
    }

    pub(super) fn run_in(
        &self,
        experiment: &Experiment,
        start: Start,
        session: &mut Session<'_>,
    ) -> Result<Summary> {
        let experiment = &self.resolved(experiment)?;
        let _lock = self.claim(start)?;
        let data = ExperimentData::read(&experiment.data, experiment.training.seed)?;
        if experiment.plan == (Plan::Single {}) {
            return self.finish(plans::single::run(self, experiment, &data, start, session)?);
        }
        for note in &data.notes {
            session.note(note)?;
        }
        self.write_config(experiment)?;
        let summary = match &experiment.plan {
            Plan::Single {} => return Err(Error::NoCheckpoint { folder: self.0.clone() }),
            Plan::StepTransfer {} => plans::transfer::run(self, experiment, &data, session)?,
            Plan::KFold { folds } => plans::folds::run(self, experiment, &data, *folds, session)?,
            Plan::PseudoLabels { unlabelled, threshold, rounds } => {
                let settings = plans::pseudo::Settings { unlabelled, threshold: *threshold, rounds: *rounds };
                plans::pseudo::run(self, experiment, &data, settings, session)?
            }
            Plan::TwoStage { gate } => plans::two_stage::run(self, experiment, &data, *gate, session)?,
            Plan::Vote { members, votes } => {
                plans::vote::run(self, experiment, &data, members, votes, session)?
            }
        };
        self.finish(summary)
    }

    /// Runs one of the trainings that this run consists of, in the folder `name`: the whole of it, the rest of it,
    /// or nothing where it is complete. `None` where it was interrupted.
    pub(super) fn part(
        &self,
        name: &str,
        experiment: &Experiment,
        session: &mut Session<'_>,
    ) -> Result<Option<(Self, Summary)>> {
        let part = Self(self.0.join(name));
        if let Some(summary) = Summary::read(&part.0)? {
            session.note(&format!("{name}: complete, in {}", part.0.display()))?;
            return Ok(Some((part, summary)));
        }
        let start = if part.begun()? { Start::Resume } else { Start::Fresh };
        session.note(&format!("{name}: in {}", part.0.display()))?;
        let summary = part.run_in(experiment, start, session)?;
        Ok((summary.reason != StopReason::Interrupted).then_some((part, summary)))
    }

    /// The settings with all that depends on the machine or the working directory made explicit, so that a
    /// resumed run computes the same.
    fn resolved(&self, experiment: &Experiment) -> Result<Experiment> {
        let mut experiment = experiment.clone();
        experiment.training.precision = Some(experiment.training.precision());
        for path in experiment.paths_mut().filter(|path| path.exists()) {
            *path = std::path::absolute(&*path).map_err(|source| Error::io(&*path, source))?;
        }
        Ok(experiment)
    }

    /// Whether there is something to resume: checkpoints, or trainings that this run consists of.
    fn begun(&self) -> Result<bool> {
        let config = self.0.join(CONFIG);
        if !Checkpoint::list(&self.0)?.is_empty() {
            return Ok(true);
        }
        Ok(config.exists() && Experiment::from_file(&config)?.plan != Plan::Single {})
    }

    /// Makes sure that the folder is one to start or resume in, and keeps other processes out of it.
    fn claim(&self, start: Start) -> Result<File> {
        let folder = || self.0.clone();
        let begun = self.begun()?;
        match start {
            Start::Resume if !begun => return Err(Error::NoCheckpoint { folder: folder() }),
            Start::Fresh if begun => return Err(Error::RunExists { folder: folder() }),
            _ => {}
        }
        std::fs::create_dir_all(&self.0).map_err(|source| Error::io(&self.0, source))?;
        let path = self.0.join(LOCK);
        // A run that ended before its first checkpoint may start afresh; a folder of something else may not.
        let mut names = std::fs::read_dir(&self.0).map_err(|source| Error::io(&self.0, source))?;
        if start == Start::Fresh && !path.exists() && names.next().is_some() {
            return Err(Error::NotEmpty { folder: folder() });
        }
        let lock = File::create(&path).map_err(|source| Error::io(&path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(Error::RunBusy { folder: folder() }),
            Err(TryLockError::Error(source)) => Err(Error::io(path, source)),
        }
    }

    pub(super) fn write_config(&self, experiment: &Experiment) -> Result<()> {
        self.write(CONFIG, &experiment.to_toml()?)
    }

    fn finish(&self, summary: Summary) -> Result<Summary> {
        if summary.reason != StopReason::Interrupted {
            self.write(SUMMARY, &summary.text(&self.0)?)?;
        }
        Ok(summary)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        write_file(&self.0.join(name), |partial| {
            std::fs::write(partial, text).map_err(|source| Error::io(partial, source))
        })
    }
}
