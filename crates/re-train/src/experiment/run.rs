//! Running an experiment in a folder of its own.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use re_data::files;
use re_data::random::fnv1a;

use super::model_folder::split_step;
use super::origin::{ORIGIN, Origin};
use super::plan::Plan;
use super::plans;
use super::session::Session;
use super::summary::{SUMMARY, Summary};
use super::{Experiment, ExperimentData};
use crate::checkpoint::{Checkpoint, Place};
use crate::difference::{self, Difference};
use crate::error::{Error, Result};
use crate::observer::{Observer, StopReason};
use crate::trainer::Start;

/// Name of the file whose lock says that a process works in the folder.
const LOCK: &str = ".lock";
/// Name of the file with the resolved settings.
pub(super) const CONFIG: &str = "config.toml";
/// Name of the file with the hash of the rows that the run began with.
pub(super) const DATA_HASH: &str = "data_hash.txt";

/// The folder of a run: checkpoints, `config.toml`, `data_hash.txt`, `origin.json` (hashes of the pretrained model's
/// files), `metrics.jsonl`, predictions, `summary.json`.
///
/// A plan of several trainings has a folder like this one for each of them, inside its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The folder at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The first of `PARENT/NAME-1`, `PARENT/NAME-2` and so on that does not exist.
    ///
    /// # Errors
    /// [`Error::Data`] where one cannot look.
    pub fn free(parent: impl AsRef<Path>, name: &str) -> Result<Self> {
        let mut number: u64 = 1;
        loop {
            let path = parent.as_ref().join(format!("{name}-{number}"));
            if !files::exists(&path)? {
                return Ok(Self(path));
            }
            number += 1;
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The resolved configuration of the run that lies here.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] where there is none, [`Error::Io`] where there are checkpoints without one.
    pub fn experiment(&self) -> Result<Experiment> {
        let path = self.0.join(CONFIG);
        if !files::exists(&path)? && Checkpoint::list(&self.0)?.is_empty() {
            return Err(Error::NoCheckpoint { folder: self.0.clone() });
        }
        Experiment::from_file(path)
    }

    /// Runs `experiment`: reads the data, makes the trainings of its plan, evaluates and predicts the test rows.
    ///
    /// `observers` watch, beside the log that is always written; once `stop` is true, training ends with a
    /// checkpoint after the current step, evaluations and predictions end after the current batch, and the summary says
    /// that the run was interrupted. A run that ended before its first checkpoint may be
    /// resumed, too: it begins anew.
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
        let resume = if start == Start::Fresh { Start::Resume } else { start };
        self.run_in(experiment, start, &mut Session::new(&mut observers, stop, resume))
    }

    pub(super) fn run_in(
        &self,
        experiment: &Experiment,
        start: Start,
        session: &mut Session<'_>,
    ) -> Result<Summary> {
        experiment.check()?;
        let experiment = &self.resolved(experiment)?;
        let claim = self.claim(start)?;
        let data = &ExperimentData::read(&experiment.data, experiment.training.seed)?;
        let single = experiment.plan == (Plan::Single {});
        // A training that ended before its first checkpoint begins anew; the trainings of a plan see to it themselves.
        let start = if single && Checkpoint::list(&self.0)?.is_empty() { Start::Fresh } else { start };
        let hash = data_hash(experiment, data)?;
        match start {
            Start::Fresh => self.write(DATA_HASH, &hash)?,
            Start::Resume | Start::ResumeChanged => self.check_rows(&hash)?,
        }
        if !single {
            self.begin_parts(experiment, data, start, session)?;
        } else if start == Start::Fresh {
            self.write_origin(&Origin::of(experiment)?)?;
        } else {
            self.check_settings(&Experiment { training: self.experiment()?.training, ..experiment.clone() })?;
            self.check_origin(&Origin::of(experiment)?, session)?;
        }
        let summary = match self.carry_out(experiment, data, start, session) {
            Err(error) if error.is_interruption() => Summary::new(StopReason::Interrupted),
            summary => summary?,
        };
        if summary.reason == StopReason::Interrupted {
            return Ok(summary);
        }
        let summary = Summary { data_hash: Some(hash), ..summary };
        claim.place.check()?;
        self.write(SUMMARY, &summary.text(&self.0)?)?;
        Ok(summary)
    }

    /// Makes the trainings of the plan, and what follows them.
    fn carry_out(
        &self,
        experiment: &Experiment,
        data: &ExperimentData,
        start: Start,
        session: &mut Session<'_>,
    ) -> Result<Summary> {
        match &experiment.plan {
            Plan::Single {} => plans::train(self, experiment, data, start, session),
            Plan::StepTransfer { split } => {
                plans::transfer::run(self, experiment, data, split.as_deref(), session)
            }
            Plan::KFold { folds } => plans::folds::run(self, experiment, data, *folds, session),
            Plan::PseudoLabels { unlabelled, threshold, rounds } => {
                let settings = plans::pseudo::Settings { unlabelled, threshold: *threshold, rounds: *rounds };
                plans::pseudo::run(self, experiment, data, settings, session)
            }
            Plan::TwoStage { gate } => plans::two_stage::run(self, experiment, data, *gate, session),
            Plan::QuestionAnswering { members } => {
                plans::question_answering::run(self, experiment, data, members, session)
            }
            Plan::Vote { members, votes } => {
                plans::vote::run(self, experiment, data, members, votes, session)
            }
        }
    }

    /// Makes sure that a plan of several trainings can be carried out, and that it is the one that began here.
    fn begin_parts(
        &self,
        experiment: &Experiment,
        data: &ExperimentData,
        start: Start,
        session: &mut Session<'_>,
    ) -> Result<()> {
        plans::check(experiment, data)?;
        match start {
            Start::Fresh => self.write_config(experiment)?,
            Start::Resume | Start::ResumeChanged => self.check_settings(experiment)?,
        }
        data.notes.iter().try_for_each(|note| session.note(note))
    }

    /// Runs one of the trainings that this run consists of, in the folder `name`: the whole of it, the rest of it,
    /// or nothing where it is complete. `None` where it was interrupted.
    pub(super) fn part(
        &self,
        name: &str,
        experiment: &Experiment,
        session: &mut Session<'_>,
    ) -> Result<Option<(Self, Summary)>> {
        self.check_there()?;
        let part = Self(self.0.join(name));
        let summary = session.part(name, &part.0, |session| part.run_or_read(experiment, session))?;
        Ok((summary.reason != StopReason::Interrupted).then_some((part, summary)))
    }

    /// The folder of a part that nothing is trained in.
    pub(super) fn inner(&self, name: &str) -> Result<Self> {
        self.check_there()?;
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).map_err(|source| Error::io(&path, source))?;
        Ok(Self(path))
    }

    /// Makes sure that parts do not begin where the run was before it was moved away.
    fn check_there(&self) -> Result<()> {
        if files::is_dir(&self.0)? {
            return Ok(());
        }
        Err(Error::RunGone { folder: self.0.clone() })
    }

    fn run_or_read(&self, experiment: &Experiment, session: &mut Session<'_>) -> Result<Summary> {
        if let Some(summary) = Summary::read(&self.0)? {
            let experiment = self.resolved(experiment)?;
            self.check_settings(&experiment)?;
            let data = ExperimentData::read(&experiment.data, experiment.training.seed)?;
            self.check_rows(&data_hash(&experiment, &data)?)?;
            if experiment.plan == (Plan::Single {}) {
                match Origin::of(&experiment) {
                    // Nothing is trained here any more, and the record of what was is all that counts.
                    Err(Error::Model(re_model::Error::NoModel { .. })) => {}
                    origin => self.check_origin(&origin?, session)?,
                }
            }
            session.note(&format!("{}: complete already", self.0.display()))?;
            return Ok(summary);
        }
        if session.stops() {
            return Ok(Summary::new(StopReason::Interrupted));
        }
        let start = if self.begun()? { session.resume } else { Start::Fresh };
        self.run_in(experiment, start, session)
    }

    /// Makes sure that what was trained here is what these settings would give.
    fn check_settings(&self, experiment: &Experiment) -> Result<()> {
        // What is told and kept may change between sessions; what is computed may not.
        let computed = |experiment: &Experiment| {
            let mut experiment = experiment.clone();
            experiment.for_each(&mut |experiment| {
                let training = &mut experiment.training;
                (training.logging_steps, training.save_steps, training.keep_last) = (1, 0, 0);
            });
            let path = self.0.join(CONFIG);
            serde_json::to_value(experiment).map_err(|source| Error::Json { path, source })
        };
        match difference::first(&computed(&self.experiment()?)?, &computed(experiment)?) {
            None => Ok(()),
            Some(Difference { key, old, new }) => Err(Error::Resume {
                checkpoint: self.0.clone(),
                what: "setting",
                found: format!("{key} = {new}"),
                expected: format!("{key} = {old}"),
            }),
        }
    }

    /// Makes sure that the rows are those that the run began with, as far as there is a record of them.
    fn check_rows(&self, found: &str) -> Result<()> {
        match self.data_hash()? {
            Some(expected) if expected != found => Err(Error::Resume {
                checkpoint: self.0.clone(),
                what: "data",
                found: format!("rows with hash {found}"),
                expected: format!("rows with hash {expected}"),
            }),
            _ => Ok(()),
        }
    }

    /// Makes sure that the pretrained model is the one on record. Where the caller allows another one, that is told and
    /// put on record, also of a complete part, so that the run goes on with it from then on.
    fn check_origin(&self, now: &Origin, session: &mut Session<'_>) -> Result<()> {
        let (path, what) = (self.0.display(), "pretrained model");
        let text = match Origin::read(&self.0)?.map(|old| old.difference(now)) {
            None => format!(
                "{path}: has no record of the {what}; if it is not what it was, the result will differ from that of an \
                 uninterrupted run"
            ),
            Some(None) => return Ok(()),
            Some(Some((found, expected))) if session.resume == Start::Resume => {
                return Err(Error::Resume { checkpoint: self.0.clone(), what, found, expected });
            }
            Some(Some((found, expected))) => format!(
                "{path}: {what} is {found}, was {expected} when the run began: the result will differ from that of an \
                 uninterrupted run"
            ),
        };
        session.note(&text)?;
        if session.resume == Start::ResumeChanged { self.write_origin(now) } else { Ok(()) }
    }

    fn write_origin(&self, origin: &Origin) -> Result<()> {
        self.write(ORIGIN, &origin.text(&self.0)?)
    }

    /// The hash of the rows that the run began with; `None` where there is no record of it.
    pub(super) fn data_hash(&self) -> Result<Option<String>> {
        let path = self.0.join(DATA_HASH);
        match std::fs::read_to_string(&path) {
            Ok(hash) => Ok(Some(hash)),
            // Runs of earlier versions have it in the summary alone.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Summary::read(&self.0)?.and_then(|summary| summary.data_hash))
            }
            Err(source) => Err(Error::io(path, source)),
        }
    }

    /// The settings with all that depends on the machine or the working directory made explicit, so that a
    /// resumed run computes the same.
    fn resolved(&self, experiment: &Experiment) -> Result<Experiment> {
        let mut experiment = experiment.clone();
        experiment.for_each(&mut |experiment| {
            experiment.training.precision = Some(experiment.training.precision());
        });
        for path in experiment.paths_mut() {
            if files::exists(split_step(path)?.0)? {
                *path = std::path::absolute(&*path).map_err(|source| Error::io(&*path, source))?;
            }
        }
        Ok(experiment)
    }

    /// Whether there is something to resume: checkpoints, a result, or trainings that have something to resume.
    pub(super) fn begun(&self) -> Result<bool> {
        if files::is_file(self.0.join(SUMMARY))? || !Checkpoint::list(&self.0)?.is_empty() {
            return Ok(true);
        }
        let config = self.0.join(CONFIG);
        if !files::is_file(&config)? {
            return Ok(false);
        }
        match Experiment::from_file(&config) {
            Ok(experiment) if experiment.plan == (Plan::Single {}) => Ok(false),
            Ok(_) => Ok(self.parts()?.iter().map(Self::begun).collect::<Result<Vec<_>>>()?.contains(&true)),
            Err(error) => match files::exists(self.0.join(LOCK))? {
                true => Err(error),
                // Somebody else's file of that name.
                false => Ok(false),
            },
        }
    }

    /// The folders of the trainings that this run consists of, as far as they have begun.
    pub(super) fn parts(&self) -> Result<Vec<Self>> {
        let mut parts = Vec::new();
        for path in files::entries(&self.0)? {
            if files::is_file(path.join(CONFIG))? {
                parts.push(Self(path));
            }
        }
        Ok(parts)
    }

    /// Makes sure that the folder is one to start or resume in, and keeps other processes out of it.
    fn claim(&self, start: Start) -> Result<Claim<'_>> {
        let folder = || self.0.clone();
        let begun = self.begun()?;
        // Settings without the lock are somebody else's, the lock without settings is that of a run that was refused.
        let settled = files::is_file(self.0.join(CONFIG))? && files::is_file(self.0.join(LOCK))?;
        match start {
            Start::Resume | Start::ResumeChanged if !begun && !settled => {
                return Err(Error::NoCheckpoint { folder: folder() });
            }
            Start::Fresh if begun => return Err(Error::RunExists { folder: folder() }),
            _ => {}
        }
        let new = !files::exists(&self.0)?;
        let place = Place::create(&self.0)?;
        files::sweep(&self.0);
        let path = self.0.join(LOCK);
        // A run that ended before its first checkpoint may start afresh; a folder of something else may not.
        if start == Start::Fresh && !files::exists(&path)? && !files::entries(&self.0)?.is_empty() {
            return Err(Error::NotEmpty { folder: folder() });
        }
        let lock = File::create(&path).map_err(|source| Error::io(&path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Claim { folder: &self.0, place, new, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::RunBusy { folder: folder() }),
            Err(TryLockError::Error(source)) => Err(Error::io(path, source)),
        }
    }

    pub(super) fn write_config(&self, experiment: &Experiment) -> Result<()> {
        self.write(CONFIG, &experiment.to_toml()?)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(files::write(self.0.join(name), text)?)
    }
}

/// Keeps other processes out of a run's folder, and takes a folder away that a run was refused in.
struct Claim<'a> {
    folder: &'a Path,
    place: Place,
    new: bool,
    _lock: File,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Where one cannot look, the folder may be a run's; where another one lies there now, it is somebody else's.
        if self.new
            && self.place.check().is_ok()
            && matches!(files::exists(self.folder.join(CONFIG)), Ok(false))
        {
            for name in [DATA_HASH, ORIGIN, LOCK] {
                let _ = std::fs::remove_file(self.folder.join(name));
            }
            // Fails where anything else lies there.
            let _ = std::fs::remove_dir(self.folder);
        }
    }
}

/// A hash of all rows that an experiment reads.
pub(super) fn data_hash(experiment: &Experiment, data: &ExperimentData) -> Result<String> {
    let Plan::PseudoLabels { unlabelled, .. } = &experiment.plan else { return Ok(data.hash()) };
    let file = std::fs::read(unlabelled).map_err(|source| Error::io(unlabelled, source))?;
    Ok(format!("{}{:016x}", data.hash(), fnv1a(&file)))
}
