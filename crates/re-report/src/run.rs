//! A run as its folder tells of it.

mod graph_scores;
mod json;
mod log;
mod settings;
mod summary;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use re_data::{NoRelation, Probabilities, files};
use re_extract::GraphSettings;
use re_formats::read;
use serde::Deserialize;

pub use graph_scores::GraphScores;
pub use log::{Evaluated, Log, Step};
pub use settings::Settings;
pub use summary::{Evaluation, Part, Reason, Summary};

use crate::error::{Error, Result};

/// Name of the file with the settings.
pub(crate) const CONFIG: &str = "config.toml";
/// Name of the file with the logged steps and evaluations.
pub(crate) const LOG: &str = "metrics.jsonl";
/// Name of the file with what came out.
pub(crate) const SUMMARY: &str = "summary.json";
/// What a folder has at least one of to count as that of a run.
const FILES: [&str; 7] = [
    CONFIG,
    LOG,
    SUMMARY,
    RowSet::Validation.file(),
    RowSet::OutOfFold.file(),
    RowSet::Holdout.file(),
    RowSet::Test.file(),
];

/// Rows that a run has predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowSet {
    /// The rows it was validated on.
    #[default]
    Validation,
    /// All training rows, each predicted by the model of the fold that has not seen it.
    OutOfFold,
    /// Rows that were set aside before the folds were made.
    Holdout,
    /// The test set.
    Test,
}

impl RowSet {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Validation, Self::OutOfFold, Self::Holdout, Self::Test];

    /// Its name, as on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::OutOfFold => "out-of-fold",
            Self::Holdout => "holdout",
            Self::Test => "test",
        }
    }

    /// Its name, in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::OutOfFold => "out of fold",
            Self::Holdout => "held out",
            Self::Test => "test",
        }
    }

    /// Name of the file with its class probabilities in a run's folder.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Validation => "validation_probabilities.csv",
            Self::OutOfFold => "out_of_fold_probabilities.csv",
            Self::Holdout => "holdout_probabilities.csv",
            Self::Test => "test_probabilities.csv",
        }
    }
}

impl std::str::FromStr for RowSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|set| set.name() == text).ok_or_else(|| Error::Argument {
            name: "rows",
            found: text.to_owned(),
            expected: "validation, out-of-fold, holdout or test",
        })
    }
}

/// A run: settings, log, results, and the runs that it consists of.
///
/// Any of its files may be missing, as in the folder of a run that has not ended; what is there must be sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) settings: Option<Settings>,
    pub(crate) log: Option<Log>,
    pub(crate) summary: Option<Summary>,
    pub(crate) parts: Vec<Run>,
}

impl Run {
    /// Reads the run in `folder` and, one level below, the runs that it consists of.
    ///
    /// # Errors
    /// [`Error::NotARun`] where the folder holds nothing of a run, [`Error::Io`], and an error that names file,
    /// line or key where a file is damaged.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let mut run = Self::alone(folder)?;
        for path in files::entries(folder)? {
            if files::is_dir(&path)? && is_run(&path)? {
                run.parts.push(Self::alone(&path)?);
            }
        }
        run.parts.sort_by_cached_key(|part| (number_at_end(&part.name), part.name.clone()));
        // Settings that a part does not repeat are those of the whole.
        let settings = run.settings.clone();
        for part in &mut run.parts {
            part.settings = part.settings.take().or_else(|| settings.clone());
        }
        Ok(run)
    }

    fn alone(folder: &Path) -> Result<Self> {
        if !folder.metadata().map_err(|source| Error::io(folder, source))?.is_dir() {
            return Err(Error::io(folder, std::io::ErrorKind::NotADirectory.into()));
        }
        if !is_run(folder)? {
            return Err(Error::NotARun { folder: folder.to_owned(), expected: &FILES });
        }
        // `.` has no name of its own.
        let absolute = std::path::absolute(folder).map_err(|source| Error::io(folder, source))?;
        let name = absolute.file_name().unwrap_or(absolute.as_os_str()).to_string_lossy().into_owned();
        Ok(Self {
            name,
            folder: folder.to_owned(),
            settings: parsed(folder, CONFIG, Settings::parse)?,
            log: parsed(folder, LOG, Log::parse)?,
            summary: parsed(folder, SUMMARY, Summary::parse)?,
            parts: Vec::new(),
        })
    }

    /// What it is called: the name of its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its settings, where `config.toml` is there.
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    /// What its settings say of the class of no relation, if anything.
    pub(crate) fn no_relation(&self) -> Option<&NoRelation> {
        self.settings.as_ref().and_then(|settings| settings.known.data.no_relation.as_ref())
    }

    /// Which pairs of mentions it judges, where its rows are pairs of documents: by its graph's settings, without what is
    /// made of judged pairs.
    ///
    /// # Errors
    /// [`Error::Extract`] where the file with them is missing or damaged.
    pub(crate) fn graph(&self) -> Result<Option<GraphSettings>> {
        match self.settings.as_ref().is_some_and(|settings| settings.known.data.pairs.is_some()) {
            true => Ok(Some(GraphSettings::load(self.folder.join(GraphSettings::FILE))?)),
            false => Ok(None),
        }
    }

    /// Its log, where `metrics.jsonl` is there.
    pub fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// What it has given, where `summary.json` is there: once it is complete.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// Whether the step of a model may have been chosen by the validation rows, so that figures on them are optimistic:
    /// where the best of several evaluations counts (`training.keep_best`, `training.early_stopping_patience`). In a
    /// plan `k_fold` no rows choose anything.
    pub fn chosen_on_validation(&self) -> bool {
        let setting = |key| self.settings.as_ref().and_then(|settings| settings.get(key));
        if setting("plan.name") == Some("k_fold") {
            return false;
        }
        if !self.parts.is_empty() {
            return self.parts.iter().any(Self::chosen_on_validation);
        }
        let last_step = setting("training.keep_best") == Some("false")
            && setting("training.early_stopping_patience").is_none_or(|patience| patience == "0");
        !last_step && self.log.as_ref().is_none_or(|log| log.evaluations.len() > 1)
    }

    /// The runs that it consists of, such as those of its folds or members.
    pub fn parts(&self) -> &[Run] {
        &self.parts
    }

    /// The class probabilities that it has saved for some rows, if any.
    ///
    /// # Errors
    /// As [`read::probabilities`].
    pub fn probabilities(&self, rows: RowSet) -> Result<Option<Probabilities>> {
        let path = self.folder.join(rows.file());
        if files::is_file(&path)? { Ok(Some(read::probabilities(path)?)) } else { Ok(None) }
    }

    /// How far the graphs that it has extracted from documents agree with their own, where it has compared them.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Json`] where the file cannot be read or is not what it should be.
    pub fn graph_scores(&self, rows: RowSet) -> Result<Option<GraphScores>> {
        let file = match rows {
            RowSet::Validation => "validation_scores.json",
            RowSet::Test => "test_scores.json",
            RowSet::OutOfFold | RowSet::Holdout => return Ok(None),
        };
        parsed(&self.folder, file, |text, path| json::parse(text, path, None, "scores of graphs"))
    }
}

fn is_run(folder: &Path) -> Result<bool> {
    for file in FILES {
        if files::is_file(folder.join(file))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `fold-10` comes after `fold-9`.
fn number_at_end(name: &str) -> Option<u64> {
    name.rsplit_once('-').and_then(|(_, number)| number.parse().ok())
}

fn parsed<T>(folder: &Path, file: &str, parse: impl Fn(&str, &Path) -> Result<T>) -> Result<Option<T>> {
    let path = folder.join(file);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::io(path, source)),
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => Cow::Borrowed(text),
        // A run that was killed while it wrote may have torn its last line inside a character.
        Err(fault) if fault.error_len().is_none() => String::from_utf8_lossy(&bytes),
        Err(fault) => return Err(Error::io(path, std::io::Error::other(fault))),
    };
    parse(&text, &path).map(Some)
}
