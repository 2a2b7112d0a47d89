//! Settings of the model, the rows and their encoding.

use std::path::PathBuf;

use re_data::{LostEntities, NoRelation, Truncation};
use re_formats::AugmenterConfig;
use serde::{Deserialize, Serialize};

use crate::pairs::PairConfig;

/// Where the encoder comes from and how much of it is used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Folder in Hugging Face layout: `config.json`, weights, tokenizer; or, with the feature `hub`, a model's name.
    pub folder: PathBuf,
    /// How many of its first layers are used; all where left out.
    pub layers: Option<i64>,
    /// Whether a model that is named instead of a folder may be downloaded (feature `hub`).
    pub download: bool,
    /// Whether a folder without weights may start at random.
    pub random_weights: bool,
}

/// Files of an experiment. An empty name is none: it takes away what extended settings name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Labelled training rows. Where sentences of them are evaluated on, as a file of rows to evaluate on may have them,
    /// the rows stay and are counted.
    pub train: PathBuf,
    /// Files of further labelled rows that are trained on, never evaluated on. Those whose sentence is evaluated on, but
    /// for spaces and punctuation, are left out and counted.
    pub additional: Vec<PathBuf>,
    /// Labelled rows to evaluate on; instead of them `val_size` can set aside training rows.
    #[serde(deserialize_with = "file")]
    pub validation: Option<PathBuf>,
    /// Share of the training rows that is set aside for validation, 0..1: stratified, grouped by sentence.
    pub val_size: f64,
    /// Seed of the division into training and validation rows and into folds; that of the training where left out. With
    /// one of its own, trainings of several seeds are compared on the same rows.
    pub split_seed: Option<u64>,
    /// The test set, predicted after training. Where all of them have labels they are evaluated on, too, and decide nothing.
    #[serde(deserialize_with = "file")]
    pub test: Option<PathBuf>,
    /// Names of the classes in order; where left out, the labels of the training rows, sorted, no-relation first.
    #[serde(deserialize_with = "file")]
    pub labels: Option<PathBuf>,
    /// The label that says "no relation"; an empty name where none does, so that all of them are relations. Where left out
    /// it is that of the benchmark in whose layout the rows are, or a label with a customary name, which is reported.
    pub no_relation: Option<NoRelation>,
    /// How documents become rows; where left out, files hold rows.
    pub pairs: Option<PairConfig>,
    /// Types of the entities by row id.
    #[serde(deserialize_with = "file")]
    pub entity_types: Option<PathBuf>,
    /// How training rows are varied anew in each epoch, in this order; not at all where left out.
    pub augmentation: Vec<AugmenterConfig>,
    /// Whether malformed rows are left out and reported, instead of stopping the run.
    pub lenient: bool,
    /// One fold of the training rows to evaluate on; the rows set aside before that are then the holdout, which
    /// is predicted and never decides anything.
    pub fold: Option<Fold>,
    /// What is asked about a row.
    pub target: Target,
}

impl DataConfig {
    /// The files that the rows of a run come from, for messages.
    pub(crate) fn names(&self) -> String {
        let others = [&self.validation, &self.test, &self.labels, &self.entity_types].into_iter().flatten();
        let all = std::iter::once(&self.train).chain(&self.additional).chain(others);
        all.map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

fn file<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<PathBuf>, D::Error> {
    let path = Option::<PathBuf>::deserialize(deserializer)?;
    Ok(path.filter(|path| !path.as_os_str().is_empty()))
}

/// Length and truncation of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncodingConfig {
    /// Most tokens of a row, special tokens included.
    pub max_length: usize,
    /// Which tokens go from longer rows.
    pub truncation: Truncation,
    /// What happens where an entity goes with them.
    pub lost_entities: LostEntities,
}

impl Default for EncodingConfig {
    fn default() -> Self {
        Self { max_length: 128, truncation: Truncation::Window, lost_entities: LostEntities::Error }
    }
}

/// One of the parts into which the training rows are divided, to train on the others and evaluate on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Which one, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// What is asked about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Which relation, "no relation" being one of the classes.
    #[default]
    Relation,
    /// Whether there is a relation: two classes, "no relation" and `related`.
    Related,
    /// Which relation, given that there is one: rows without are left out of training and validation.
    RelationOfRelated,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_takes_a_file_away() {
        let data: DataConfig = toml::from_str("entity_types = \"\"\ntest = \"t.tsv\"").unwrap();
        assert_eq!((data.entity_types, data.test), (None, Some(PathBuf::from("t.tsv"))));
    }
}
