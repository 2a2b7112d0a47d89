//! The pretrained model that a training began with: its bits depend on it, besides settings and rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use re_data::files;
use re_data::manifest::{self, hash_file};
use re_model::{Weights, hub};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::experiment::Experiment;

/// Name of the file in a run's folder.
pub(crate) const ORIGIN: &str = "origin.json";

/// Content of [`ORIGIN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Hash of each file of the pretrained model: see [`hash_file`].
    pretrained: BTreeMap<String, String>,
}

impl Origin {
    /// That of a training that begins now.
    ///
    /// # Errors
    /// [`re_train::Error::Io`] where the pretrained model cannot be read, and those of finding it.
    pub(crate) fn of(experiment: &Experiment) -> Result<Self> {
        let folder = hub::model_folder(&experiment.model.folder, experiment.model.download)?;
        let weights = match Weights::open(&folder) {
            Err(re_model::Error::NoWeights { .. }) => Vec::new(),
            weights => weights?.files().map(Path::to_owned).collect(),
        };
        let mut pretrained = BTreeMap::new();
        let paths: BTreeSet<_> = manifest::loaded().map(|name| folder.join(name)).chain(weights).collect();
        for path in paths {
            let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
            if files::exists(&path)? {
                pretrained.insert(name, hash_file(&path)?);
            }
        }
        Ok(Self { pretrained })
    }

    /// Reads that of the run in `folder`; `None` where there is no record of it.
    ///
    /// # Errors
    /// [`re_train::Error::Io`] or [`re_train::Error::Json`].
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(ORIGIN);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|source| Error::Train(re_train::Error::Json { path, source })),
            Err(error) if files::is_absent(&error) => Ok(None),
            Err(source) => Err(Error::io(path, source)),
        }
    }

    /// The text of the file in `folder`.
    pub(crate) fn text(&self, folder: &Path) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        Ok(text
            .map_err(|source| Error::Train(re_train::Error::Json { path: folder.join(ORIGIN), source }))?
            + "\n")
    }

    /// The first file that is another one now: what is there now, and what was.
    pub(crate) fn difference(&self, now: &Self) -> Option<(String, String)> {
        let names: BTreeSet<&String> = self.pretrained.keys().chain(now.pretrained.keys()).collect();
        let name = names.into_iter().find(|name| self.pretrained.get(*name) != now.pretrained.get(*name))?;
        let file = |origin: &Self| match origin.pretrained.get(name) {
            Some(hash) => format!("{name} with hash {hash}"),
            None => format!("without {name}"),
        };
        Some((file(now), file(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let origin = |files: &[(&str, &str)]| Origin {
            pretrained: files.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        };
        let old = origin(&[("a", "1"), ("b", "1")]);
        assert_eq!(old.difference(&old), None);
        let words = |new: Origin| {
            let (found, expected) = old.difference(&new).unwrap();
            format!("{found}, was {expected}")
        };
        assert_eq!(words(origin(&[("a", "1"), ("b", "2")])), "b with hash 2, was b with hash 1");
        assert_eq!(words(origin(&[("a", "1")])), "without b, was b with hash 1");
        assert_eq!(words(origin(&[("a", "1"), ("b", "1"), ("c", "1")])), "c with hash 1, was without c");
    }
}
