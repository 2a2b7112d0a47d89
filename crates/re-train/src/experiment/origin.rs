//! What a run began with, and its bits depend on, besides settings and rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use re_data::files;
use re_data::manifest::{self, hash_file};
use re_model::{Weights, hub};
use serde::{Deserialize, Serialize};

use super::{Experiment, Plan};
use crate::error::{Error, Result};

/// Name of the file in a run's folder.
pub(super) const ORIGIN: &str = "origin.json";

/// Content of [`ORIGIN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// Threads of libtorch, where the CPU computes.
    threads: Option<usize>,
    /// Hash of each file of the pretrained model: see [`hash_file`]. Empty for a plan of
    /// several trainings, each of which has a record of its own.
    pretrained: BTreeMap<String, String>,
}

impl Origin {
    /// That of a run that begins now.
    ///
    /// # Errors
    /// [`Error::Io`] where the pretrained model cannot be read, and those of finding it.
    pub(super) fn of(experiment: &Experiment) -> Result<Self> {
        let threads = usize::try_from(tch::get_num_threads()).ok();
        let threads = threads.filter(|_| experiment.training.device == "cpu");
        if experiment.plan != (Plan::Single {}) {
            return Ok(Self { threads, pretrained: BTreeMap::new() });
        }
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
        Ok(Self { threads, pretrained })
    }

    /// Reads that of the run in `folder`; `None` where there is no record of it.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Json`].
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(ORIGIN);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|source| Error::Json { path, source }),
            Err(error) if files::is_absent(&error) => Ok(None),
            Err(source) => Err(Error::io(path, source)),
        }
    }

    /// The text of the file in `folder`.
    pub(super) fn text(&self, folder: &Path) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        Ok(text.map_err(|source| Error::Json { path: folder.join(ORIGIN), source })? + "\n")
    }

    /// The first thing that is another one now: what it is, what it is now, and what it was.
    pub(super) fn difference(&self, now: &Self) -> Option<(&'static str, String, String)> {
        if self.threads != now.threads {
            let number = |origin: &Self| origin.threads.unwrap_or_default().to_string();
            return Some(("number of threads", number(now), number(self)));
        }
        let names: BTreeSet<&String> = self.pretrained.keys().chain(now.pretrained.keys()).collect();
        let name = names.into_iter().find(|name| self.pretrained.get(*name) != now.pretrained.get(*name))?;
        let file = |origin: &Self| match origin.pretrained.get(name) {
            Some(hash) => format!("{name} with hash {hash}"),
            None => format!("without {name}"),
        };
        Some(("pretrained model", file(now), file(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let origin = |threads, files: &[(&str, &str)]| Origin {
            threads: Some(threads),
            pretrained: files.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        };
        let old = origin(2, &[("a", "1"), ("b", "1")]);
        assert_eq!(old.difference(&old), None);
        let words = |new: Origin| {
            let (what, found, expected) = old.difference(&new).unwrap();
            format!("{what} {found} {expected}")
        };
        assert_eq!(words(origin(3, &[])), "number of threads 3 2");
        assert_eq!(
            words(origin(2, &[("a", "1"), ("b", "2")])),
            "pretrained model b with hash 2 b with hash 1"
        );
        assert_eq!(words(origin(2, &[("a", "1")])), "pretrained model without b b with hash 1");
        let more = origin(2, &[("a", "1"), ("b", "1"), ("c", "1")]);
        assert_eq!(words(more), "pretrained model c with hash 1 without c");
    }
}
