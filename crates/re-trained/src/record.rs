//! What is needed of the settings that a run records, in order to predict with its models.

use std::path::{Path, PathBuf};

use re_data::{NoRelation, files};
use re_ensemble::{Gate, Vote};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Name of the file with the settings.
const CONFIG: &str = "config.toml";

/// The settings of a run; there are many more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub plan: Plan,
    pub data: Data,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Data {
    pub no_relation: Option<NoRelation>,
}

/// Which models a run has trained, and where they lie.
#[derive(Debug, Default, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub(crate) enum Plan {
    KFold {
        folds: usize,
    },
    TwoStage {
        #[serde(default)]
        gate: Gate,
    },
    QuestionAnswering {},
    TextToGraph {
        members: Vec<Member>,
        #[serde(default)]
        shared_encoder: bool,
    },
    Vote {
        members: Vec<Member>,
        votes: Vec<VoteConfig>,
    },
    /// A plan that ends with a single model.
    #[default]
    #[serde(other)]
    Single,
}

/// One of several models.
#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    pub member: String,
    /// A run of its own, where it is not a part of this one.
    pub run: Option<PathBuf>,
}

/// A vote of members or of earlier votes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteConfig {
    /// What later votes and reports call it, and name of the folder of its predictions.
    pub vote: String,
    /// How it is counted.
    pub how: Vote,
    /// Names of members or earlier votes.
    pub of: Vec<String>,
    /// Weight of each, 0 to 1e9; equal where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
}

impl VoteConfig {
    /// Weight of the voter with this number, from 0.
    pub fn weight(&self, voter: usize) -> f64 {
        self.weights.as_ref().and_then(|weights| weights.get(voter)).copied().unwrap_or(1.0)
    }
}

impl Record {
    /// The settings of the run in `folder`; `None` where there are none.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(CONFIG);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                toml::from_str(&text).map(Some).map_err(|source| Error::Toml { path, source: source.into() })
            }
            Err(error) if files::is_absent(&error) => Ok(None),
            Err(source) => Err(re_data::Error::io(path, source).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_and_other_settings_passed_over() {
        let read = |text: &str| toml::from_str::<Record>(text).unwrap().plan;
        assert!(matches!(read("head = \"cls\""), Plan::Single));
        assert!(matches!(read("[plan]\nname = \"step_transfer\"\nsplit = \"a\""), Plan::Single));
        assert!(matches!(read("[plan]\nname = \"k_fold\"\nfolds = 5"), Plan::KFold { folds: 5 }));
        let vote = "[plan]\nname = \"vote\"\nmembers = [{ member = \"a\", settings = { x = 1 } }]\n\
            votes = [{ vote = \"v\", how = \"mean\", of = [\"a\"] }]";
        assert!(matches!(read(vote), Plan::Vote { members, votes } if members.len() == votes.len()));
        let graph = "[plan]\nname = \"text_to_graph\"\nmembers = [{ member = \"tagger\", run = \"r\" }]";
        assert!(matches!(read(graph), Plan::TextToGraph { shared_encoder: false, .. }));
    }
}
