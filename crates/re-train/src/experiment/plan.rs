//! What an experiment consists of: one training, or several that belong together.

use std::path::PathBuf;

use re_ensemble::{Gate, Vote};
use serde::{Deserialize, Serialize};

use super::Experiment;

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
    ///
    /// The split is what [`DataConfig`](super::DataConfig) says: a share of the training rows or a file; everything is
    /// then all rows of both sides. The best checkpoint of the split is kept whatever `training.keep_best` says.
    StepTransfer {
        /// A complete run of the same training on the same split, in place of another one. Its checkpoints are not needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split: Option<PathBuf>,
    },
    /// One training for each fold (folders `fold-1`, ...), stratified and grouped by sentence. Probabilities of
    /// the rows that each model has not seen are saved (`out_of_fold_probabilities.csv`), and the models vote with the
    /// mean of theirs.
    ///
    /// All models train for all their steps: neither the rows of a fold nor the validation rows, which are set
    /// aside before the folds are made, choose a step.
    KFold {
        /// Number of folds, at least 2.
        folds: usize,
    },
    /// Predictions on unlabelled rows that the model is sure of join the next training (Lee 2013). Folders
    /// `round-0` (gold rows alone), `round-1`, ...
    ///
    /// Rows that have gold labels keep them, and rows whose sentences are evaluated on never join.
    PseudoLabels {
        /// Rows without labels.
        unlabelled: PathBuf,
        /// Probability from which on a prediction counts as a label, 0 to 1.
        threshold: f32,
        /// Trainings after the first, 1 to 1000.
        rounds: usize,
    },
    /// One model says whether there is a relation (folder `related`), another one which (folder `relation`);
    /// compared with a single model of all classes (folder `one_stage`) on the same split.
    TwoStage {
        /// How the two become one.
        #[serde(default)]
        gate: Gate,
    },
    /// A classifier says which rows have no relation. About each of the others one question is asked for every
    /// relation, and the one whose answer is the object is the relation (folder `answerer`); compared with the classifier
    /// alone, under every [`Rule`](re_model::Rule).
    ///
    /// All answers are in memory until the end: where asking is interrupted it starts over.
    QuestionAnswering {
        /// The classifier, exactly one; the settings of the experiment itself are those of the model that answers.
        members: Vec<MemberConfig>,
    },
    /// Several models vote.
    Vote {
        /// The models. Those that are not given as trained runs are trained, in folders of their names. All train on the
        /// rows that the experiment's own split leaves for training, so that what they say of the others can be judged.
        members: Vec<MemberConfig>,
        /// The votes, in order; the last one is what the experiment predicts.
        votes: Vec<VoteConfig>,
    },
}

/// A model that takes part in votes: a trained run, a training, or another member trained on everything.
///
/// In a TOML file `config` (another experiment's file, relative to this one) and `settings` (a table that is laid over
/// it or, where there is no `config`, over the settings of the vote itself) stand for [`MemberConfig::experiment`]:
///
/// ```toml
/// members = [
///     { member = "mbert", config = "mbert_baseline.toml" },
///     { member = "other_seed", config = "mbert_baseline.toml", settings.training.seed = 8 },
///     { member = "mbert_full_data", full_data_of = "mbert" },
/// ]
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberConfig {
    /// What votes call it, and name of its folder.
    pub member: String,
    /// A trained run, as `RUN` or `RUN@STEP`, instead of a training. In a vote a run whose checkpoints were removed takes part by
    /// the probabilities that it saved of the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<PathBuf>,
    /// Name of a member before it, whose settings it is trained with on all rows, validation rows included, up to the
    /// step that was that member's best. It votes on the test rows alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_data_of: Option<String>,
    /// All settings of its training. Which rows are trained on, validated on and predicted is up to the vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Box<Experiment>>,
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

impl Default for Plan {
    fn default() -> Self {
        Self::Single {}
    }
}

impl MemberConfig {
    /// Whether another member is trained on everything up to the best step of this one.
    pub(super) fn lends_step(&self, members: &[Self]) -> bool {
        members.iter().any(|other| other.full_data_of.as_ref() == Some(&self.member))
    }
}

impl VoteConfig {
    /// Weight of the voter with this number, from 0.
    pub(super) fn weight(&self, voter: usize) -> f64 {
        self.weights.as_ref().and_then(|weights| weights.get(voter)).copied().unwrap_or(1.0)
    }
}

impl Plan {
    /// The members of a vote, or the classifier before questions; none where the plan is neither.
    pub fn members(&self) -> &[MemberConfig] {
        match self {
            Self::Vote { members, .. } | Self::QuestionAnswering { members } => members,
            _ => &[],
        }
    }

    /// As [`Plan::members`], to be changed.
    pub fn members_mut(&mut self) -> &mut [MemberConfig] {
        match self {
            Self::Vote { members, .. } | Self::QuestionAnswering { members } => members,
            _ => &mut [],
        }
    }
}
