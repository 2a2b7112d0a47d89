//! Members of a vote on the command line.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use re_data::{RelationExample, files};
use re_ensemble::{Gold, Member, Vote};
use re_formats::read;
use re_report::{RowSet, Run};

use crate::exit::Usage;
use crate::verbosity::Verbosity;

/// A file of probabilities, and the name that it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFile {
    pub name: String,
    pub path: PathBuf,
}

impl FromStr for MemberFile {
    type Err = re_data::Error;

    /// `NAME=FILE`, or a file that goes by its path.
    fn from_str(text: &str) -> re_data::Result<Self> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !files::exists(text)? => (name, path),
            _ => (text, text),
        };
        Ok(Self { name: name.to_owned(), path: path.into() })
    }
}

impl MemberFile {
    /// Reads the probabilities; of a run's folder those of certain rows.
    pub fn read(&self, rows: RowSet) -> Result<Member> {
        let mut path = self.path.clone();
        if files::is_dir(&path)? {
            path.push(rows.file());
            let (run, file) = (self.path.display(), rows.file());
            ensure!(files::is_file(&path)?, "{run}: has no {file}; expected a run with such rows, or a file");
        }
        let probabilities = read::probabilities(&path);
        let named = Path::new(&self.name) != path;
        let probabilities = if named { probabilities.context(self.name.clone())? } else { probabilities? };
        Ok(Member::new(&self.name, probabilities))
    }

    /// Reads what members say of rows that weights are found on and figures measured on. Run folders stand for the
    /// training rows, out of fold, where each of them has such predictions; else for their validation rows, and where
    /// these may have chosen a step, that is said.
    pub fn read_unseen(files: &[Self], verbosity: Verbosity) -> Result<Vec<Member>> {
        let (mut runs, mut out_of_fold) = (Vec::new(), true);
        for Self { path, .. } in files {
            if files::is_dir(path)? {
                out_of_fold &= files::is_file(path.join(RowSet::OutOfFold.file()))?;
                runs.push(path);
            }
        }
        if out_of_fold {
            return files.iter().map(|file| file.read(RowSet::OutOfFold)).collect();
        }
        let members = files.iter().map(|file| file.read(RowSet::Validation)).collect::<Result<Vec<_>>>()?;
        // What cannot be read says nothing of how its steps were chosen.
        let chosen = |run: &&&PathBuf| Run::open(run).map_or(true, |run| run.chosen_on_validation());
        let chosen: Vec<String> = runs.iter().filter(chosen).map(|run| run.display().to_string()).collect();
        if !chosen.is_empty() {
            verbosity.note(format!(
                "{}: validation rows, by which the steps of these models may have been chosen: figures and weights \
                 found on them are optimistic. Those on out-of-fold rows of k_fold runs are not",
                chosen.join(", ")
            ));
        }
        Ok(members)
    }

    /// Makes sure that no file votes twice.
    pub fn check(files: &[Self]) -> Result<()> {
        let mut known: HashMap<PathBuf, &Path> = HashMap::new();
        for Self { path, .. } in files {
            // A file that is not there is reported when it is read.
            let Some(place) = files::canonical(path)? else { continue };
            if let Some(other) = known.insert(place, path) {
                let (path, other) = (path.display(), other.display());
                return Err(Usage(format!("{path} is {other}, expected each file once")).into());
            }
        }
        Ok(())
    }
}

/// The gold labels of the rows of a file that predictions with these ids are measured on: of all, or of the predicted
/// ones alone.
pub fn gold(path: &Path, rows: &[RelationExample], predicted: &[String], subset: bool) -> Result<Gold> {
    let name = || path.display().to_string();
    let gold = Gold::from_examples(rows).with_context(name)?;
    if subset {
        return gold.select(predicted).with_context(name);
    }
    let predicted: HashSet<&str> = predicted.iter().map(String::as_str).collect();
    match rows.iter().find(|row| !predicted.contains(row.id())) {
        Some(row) => {
            bail!("{}: row {} is not predicted (--subset uses only predicted rows)", name(), row.id())
        }
        None => Ok(gold),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// Soft vote: the weighted arithmetic mean of the probabilities
    Mean,
    /// Soft vote: the weighted geometric mean, normalised
    #[value(alias = "log_mean")]
    LogMean,
    /// Hard vote: each member gives its weight to its most probable label; ties go to the higher mean probability
    Hard,
}

impl From<How> for Vote {
    fn from(how: How) -> Self {
        match how {
            How::Mean => Self::Mean,
            How::LogMean => Self::LogMean,
            How::Hard => Self::Hard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_may_be_named() {
        let parse = |text: &str| text.parse::<MemberFile>().unwrap();
        let named = parse("xlmr=a/b.csv");
        assert_eq!((named.name.as_str(), named.path), ("xlmr", "a/b.csv".into()));
        let plain = parse("a/b.csv");
        assert_eq!((plain.name.as_str(), plain.path), ("a/b.csv", "a/b.csv".into()));
        assert_eq!(parse("=x").name, "=x");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a=b.csv");
        std::fs::write(&path, "").unwrap();
        assert_eq!(parse(path.to_str().unwrap()).path, path);
    }
}
