//! The folder of a run: its files, its parts, and whether they are those of the settings and rows at hand.

mod lock;
mod origin;
mod summary;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use re_data::files;
use re_train::checkpoint::Checkpoint;
use re_train::difference::{self, Difference};
use re_trained::split_step;

use crate::error::{Error, Result};
use crate::experiment::{Experiment, Plan};

pub(crate) use origin::{ORIGIN, Origin};
pub(crate) use summary::SUMMARY;
pub use summary::{Part, Rows, Summary};

/// Name of the file whose lock says that a process works in the folder.
const LOCK: &str = ".lock";
/// Name of the file with the resolved settings.
pub(crate) const CONFIG: &str = "config.toml";
/// Folder of the model that answers questions.
pub(crate) const ANSWERER: &str = "answerer";
/// Folder of the classifier of pairs of mentions.
pub(crate) const PAIRS: &str = "pairs";
/// Folder of the single model that two stages are compared with.
pub(crate) const ONE_STAGE: &str = "one_stage";
/// Folder of the model that says whether there is a relation.
pub(crate) const RELATED: &str = "related";
/// Folder of the model that says which relation there is.
pub(crate) const RELATION: &str = "relation";
/// Name of the file with the hash of the rows that the run began with.
pub(crate) const DATA_HASH: &str = "data_hash.txt";

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
    /// [`re_train::Error::Data`] where one cannot look.
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
    /// [`re_train::Error::NoCheckpoint`] where there is none, [`re_train::Error::Io`] where there are checkpoints without
    /// one, or no such folder.
    pub fn experiment(&self) -> Result<Experiment> {
        let path = self.0.join(CONFIG);
        // Without a name it is the working directory.
        if !self.0.as_os_str().is_empty() {
            std::fs::metadata(&self.0).map_err(|error| Error::io(&self.0, error))?;
        }
        if !files::exists(&path)? && Checkpoint::list(&self.0)?.is_empty() {
            return Err(Error::Train(re_train::Error::NoCheckpoint { folder: self.0.clone() }));
        }
        Experiment::from_file(path)
    }

    /// Step of the latest checkpoint of a training that lies here and is not complete.
    ///
    /// # Errors
    /// [`re_train::Error::Data`] where one cannot look.
    pub fn unfinished_step(&self) -> Result<Option<u64>> {
        if self.is_complete()? || files::is_file(self.0.join("config.json"))? {
            return Ok(None);
        }
        Ok(Checkpoint::list(&self.0)?.pop().map(|checkpoint| checkpoint.step))
    }

    /// Whether the run that lies here is complete.
    ///
    /// # Errors
    /// [`re_train::Error::Data`] where one cannot look.
    pub fn is_complete(&self) -> Result<bool> {
        Ok(files::is_file(self.0.join(SUMMARY))?)
    }

    /// The folder of a part that nothing is trained in.
    pub(crate) fn inner(&self, name: &str) -> Result<Self> {
        self.check_there()?;
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).map_err(|source| Error::io(&path, source))?;
        Ok(Self(path))
    }

    /// Makes sure that parts do not begin where the run was before it was moved away.
    pub(crate) fn check_there(&self) -> Result<()> {
        if files::is_dir(&self.0)? {
            return Ok(());
        }
        Err(Error::Train(re_train::Error::RunGone { folder: self.0.clone() }))
    }

    /// Makes sure that what was trained here is what these settings would give.
    pub(crate) fn check_settings(&self, experiment: &Experiment) -> Result<()> {
        // What is told and kept may change between sessions; what is computed may not.
        let computed = |experiment: &Experiment| {
            let mut experiment = experiment.clone();
            experiment.for_each(&mut |experiment| {
                let training = &mut experiment.training;
                (training.logging_steps, training.save_steps, training.keep_last) = (1, 0, 0);
            });
            let path = self.0.join(CONFIG);
            serde_json::to_value(experiment)
                .map_err(|source| Error::Train(re_train::Error::Json { path, source }))
        };
        match difference::first(&computed(&self.experiment()?)?, &computed(experiment)?) {
            None => Ok(()),
            Some(Difference { key, old, new }) => Err(Error::Train(re_train::Error::Resume {
                checkpoint: self.0.clone(),
                what: "setting",
                found: format!("{key} = {new}"),
                expected: format!("{key} = {old}"),
            })),
        }
    }

    /// Makes sure that the rows are those that the run began with, as far as there is a record of them.
    pub(crate) fn check_rows(&self, experiment: &Experiment, found: &str) -> Result<()> {
        match self.data_hash()? {
            Some(expected) if expected != found => Err(Error::Train(re_train::Error::Resume {
                checkpoint: self.0.clone(),
                what: "data",
                found: format!("rows with hash {found} in {}", experiment.data.names()),
                expected: format!("rows with hash {expected}"),
            })),
            _ => Ok(()),
        }
    }

    pub(crate) fn write_origin(&self, origin: &Origin) -> Result<()> {
        self.write(ORIGIN, &origin.text(&self.0)?)
    }

    /// The hash of the rows that the run began with; `None` where there is no record of it.
    pub(crate) fn data_hash(&self) -> Result<Option<String>> {
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
    pub(crate) fn resolved(&self, experiment: &Experiment) -> Result<Experiment> {
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
    pub(crate) fn begun(&self) -> Result<bool> {
        if self.is_complete()? || !Checkpoint::list(&self.0)?.is_empty() {
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
    pub(crate) fn parts(&self) -> Result<Vec<Self>> {
        let mut parts = Vec::new();
        for path in files::entries(&self.0)? {
            if files::is_file(path.join(CONFIG))? {
                parts.push(Self(path));
            }
        }
        Ok(parts)
    }

    pub(crate) fn write_config(&self, experiment: &Experiment) -> Result<()> {
        self.write(CONFIG, &experiment.to_toml()?)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(files::write(self.0.join(name), text)?)
    }
}
