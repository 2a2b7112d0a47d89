//! Members of a vote on the command line.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};
use clap::ValueEnum;
use re_data::read;
use re_ensemble::{Member, Vote};
use re_report::RowSet;

/// A file of probabilities, and the name that it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFile {
    pub name: String,
    pub path: PathBuf,
}

impl FromStr for MemberFile {
    type Err = Infallible;

    /// `NAME=FILE`, or a file that goes by its path.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !Path::new(text).exists() => (name, path),
            _ => (text, text),
        };
        Ok(Self { name: name.to_owned(), path: path.into() })
    }
}

impl MemberFile {
    /// Reads the probabilities; of a run's folder those of certain rows.
    pub fn read(&self, rows: RowSet) -> Result<Member> {
        let path = if self.path.is_dir() { self.path.join(rows.file()) } else { self.path.clone() };
        let probabilities = read::probabilities(&path).with_context(|| self.name.clone())?;
        Ok(Member::new(&self.name, probabilities))
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
