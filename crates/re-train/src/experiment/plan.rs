//! What an experiment consists of: one training, or several that belong together.

use std::path::PathBuf;

use re_ensemble::{Gate, Vote};
use serde::{Deserialize, Serialize};

/// Which trainings an experiment makes, and how they become one prediction.
///
/// Every training of a plan has a run folder of its own inside the experiment's; one that is complete is not
/// repeated when the experiment is resumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Plan {
    /// One training.
    Single {},
    /// Find the best step on a split (folder `split`), train on everything (folder `full`), stop there.
    StepTransfer {},
    /// One training for each fold (folders `fold-1`, ...), stratified and grouped by sentence. Probabilities of
    /// the rows that each model has not seen are saved, and the models vote with the mean of theirs.
    KFold {
        /// Number of folds, at least 2.
        folds: usize,
    },
    /// Predictions on unlabelled rows that the model is sure of join the next training (Lee 2013). Folders
    /// `round-0` (gold rows alone), `round-1`, ...
    PseudoLabels {
        /// Rows without labels.
        unlabelled: PathBuf,
        /// Probability from which on a prediction counts as a label, 0 to 1.
        threshold: f32,
        /// Trainings after the first.
        rounds: usize,
    },
    /// One model says whether there is a relation (folder `related`), another one which (folder `relation`);
    /// compared with a single model of all classes (folder `one_stage`) on the same split.
    TwoStage {
        /// How the two become one.
        #[serde(default)]
        gate: Gate,
    },
    /// Several models vote.
    Vote {
        /// The models. Those that are not given as trained runs are trained, in folders of their names.
        members: Vec<MemberConfig>,
        /// The votes, in order; the last one is what the experiment predicts.
        votes: Vec<VoteConfig>,
    },
}

/// A model that takes part in votes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberConfig {
    /// What votes call it.
    pub member: String,
    /// What it is trained with where no run is given: a table of settings laid over those of the experiment.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub settings: toml::Table,
    /// A trained run, as `RUN` or `RUN@STEP`, instead of a training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Whether it is trained on the validation rows too. It then votes on the test rows alone.
    #[serde(default)]
    pub everything: bool,
}

/// A vote of members or of earlier votes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteConfig {
    /// What later votes and reports call it.
    pub vote: String,
    /// How it is counted.
    pub how: Vote,
    /// Names of members or earlier votes.
    pub of: Vec<String>,
    /// Weight of each; equal where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
}

impl Default for Plan {
    fn default() -> Self {
        Self::Single {}
    }
}

impl Plan {
    /// All paths of the plan.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let unlabelled = match self {
            Self::PseudoLabels { unlabelled, .. } => Some(unlabelled),
            _ => None,
        };
        unlabelled.into_iter()
    }
}
