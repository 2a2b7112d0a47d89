//! A whole experiment from one TOML file: data, model, training, predictions.

mod adapt;
mod data;
mod layers;
mod model_folder;
mod origin;
mod plan;
mod plans;
mod run;
mod session;
mod summary;
mod trained;

use std::path::{Path, PathBuf};

use re_data::{LostEntities, MarkupConfig, NoRelation, Truncation};
use re_formats::AugmenterConfig;
use re_model::HeadConfig;
use serde::{Deserialize, Serialize};

pub use data::{ExperimentData, Fold, Target};
pub use layers::{Encoders, Layers, assignment};
pub use model_folder::model_folder;
pub use plan::{MemberConfig, Plan, VoteConfig};
pub use run::RunFolder;
pub use summary::{Part, Rows, Summary};
pub use trained::{load_predictor, trained_precision};

use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::question_answering::QuestionConfig;

/// Everything that decides an experiment's result.
///
/// ```
/// use re_train::Experiment;
/// let experiment = Experiment::parse(
///     r#"
///     head = "entity_mean"
///     model.folder = "xlm-roberta-large"
///     data.train = "train.tsv"
///     training = { steps = 1800, learning_rate = 1e-5, label_smoothing = 0.5 }
///     "#,
///     "experiment.toml",
/// )?;
/// assert_eq!(experiment.training.batch_size, 16);
/// # Ok::<(), re_train::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Experiment {
    /// What stands on the encoder.
    pub head: HeadConfig,
    /// The pretrained encoder.
    pub model: ModelConfig,
    /// The rows.
    pub data: DataConfig,
    /// How entities are written into the input.
    pub markup: MarkupConfig,
    /// Length and truncation of rows.
    pub encoding: EncodingConfig,
    /// How the model is trained.
    pub training: TrainConfig,
    /// How relations are asked for. With it the model answers questions, instead of classifying; `head` and `markup`
    /// are then not its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub questions: Option<QuestionConfig>,
    /// One training, or several that belong together.
    pub plan: Plan,
}

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
    /// Rows to predict after training. Where all of them have labels they are evaluated on, too, and decide nothing.
    #[serde(deserialize_with = "file")]
    pub test: Option<PathBuf>,
    /// Names of the classes in order; where left out, the labels of the training rows, sorted, no-relation first.
    #[serde(deserialize_with = "file")]
    pub labels: Option<PathBuf>,
    /// The label that says "no relation"; an empty name where none does, so that all of them are relations. Where left out
    /// it is that of the benchmark in whose layout the rows are, or a label with a customary name, which is reported.
    pub no_relation: Option<NoRelation>,
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

impl Default for Experiment {
    fn default() -> Self {
        Self {
            head: HeadConfig::default(),
            model: ModelConfig::default(),
            data: DataConfig::default(),
            markup: MarkupConfig::Plain {},
            encoding: EncodingConfig::default(),
            training: TrainConfig::default(),
            questions: None,
            plan: Plan::default(),
        }
    }
}

impl Experiment {
    /// Reads an experiment from a TOML file, and the files that it extends.
    ///
    /// # Errors
    /// As [`Layers::file`] and [`Layers::experiment`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        Layers::default().file(path)?.experiment()
    }

    /// Reads an experiment from the text of a TOML file; errors call it `path`.
    ///
    /// # Errors
    /// [`Error::Toml`] with the path of the key that is unknown, missing or of the wrong kind.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self> {
        Layers::default().text(text, path)?.experiment()
    }

    /// Checks the settings that can be judged before any file is read; a plan checks those of its members itself.
    ///
    /// # Errors
    /// [`Error::Config`] with the first key that is out of range.
    pub fn check(&self) -> Result<()> {
        let fault = |key, found: String, expected: &str| {
            Err(Error::Config { key, found, expected: expected.to_owned() })
        };
        if self.data.train.as_os_str().is_empty() {
            return fault("data.train", "\"\"".to_owned(), "a file of labelled rows");
        }
        if !(0.0..1.0).contains(&self.data.val_size) {
            let found = self.data.val_size.to_string();
            return fault("data.val_size", found, "from 0 up to, not including, 1");
        }
        for (key, seed) in
            [("training.seed", Some(self.training.seed)), ("data.split_seed", self.data.split_seed)]
        {
            // TOML has no larger integers, and settings are written down.
            if let Some(seed) = seed.filter(|&seed| i64::try_from(seed).is_err()) {
                return fault(key, seed.to_string(), "at most 9223372036854775807");
            }
        }
        for augmenter in &self.data.augmentation {
            let probability = augmenter.probability();
            if !(0.0..=1.0).contains(&probability) {
                return fault("data.augmentation.probability", probability.to_string(), "from 0 to 1");
            }
            if let AugmenterConfig::WordMasking { share, .. } | AugmenterConfig::Punctuation { share, .. } =
                augmenter
                && !(*share > 0.0 && *share <= 1.0)
            {
                return fault("data.augmentation.share", share.to_string(), "above 0, up to 1");
            }
        }
        self.training.check()
    }

    /// The experiment as the text of a TOML file, with every setting that was left to its default.
    ///
    /// # Errors
    /// [`Error::TomlWrite`] where a path is not valid Unicode.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(Error::TomlWrite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolved_text_gives_the_same_experiment() {
        let text = "[markup]\nname = \"entity_tokens\"\n\
                    [training]\nsteps = 3\nadamw = { weight_decay = 0.0 }\n\
                    loss = { name = \"focal\", class_weights = { name = \"inverse_frequency\" } }\n\
                    [[data.augmentation]]\nname = \"word_masking\"\nprobability = 0.5\n\
                    [[data.augmentation]]\nname = \"entity_swap\"\nprobability = 0.5\n";
        let experiment = Experiment::parse(text, "x.toml").unwrap();
        assert_eq!(experiment.training.adamw.beta2, 0.999);
        assert_eq!(Experiment::parse(&experiment.to_toml().unwrap(), "y.toml").unwrap(), experiment);
    }

    #[test]
    fn errors_name_the_key() {
        let cases = [
            ("[training]\nlearnig_rate = 1.0\n", "training"),
            ("[training]\nsteps = \"many\"\n", "training.steps"),
            ("[training.adamw]\nbeta1 = true\n", "training.adamw.beta1"),
            ("[encoding]\ntruncation = \"middle\"\n", "encoding.truncation"),
            ("[data]\naugmentation = [{ name = \"word_masking\" }]\n", "data.augmentation[0]"),
            ("[training]\nloss = { name = \"focal\", gama = 1.0 }\n", "training.loss"),
            ("head = \n", "syntax"),
        ];
        for (text, expected) in cases {
            match Experiment::parse(text, "x.toml").unwrap_err() {
                Error::Toml { key, .. } => assert!(key.starts_with(expected), "{text}: {key}"),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        let masking = "data.augmentation = [{ name = \"word_masking\", probability = ";
        for (text, expected) in [
            ("data.val_size = nan".to_owned(), "data.val_size"),
            ("training.epochs = inf".to_owned(), "epochs"),
            (format!("{masking}1.5 }}]"), "data.augmentation.probability"),
            (format!("{masking}0.5, share = nan }}]"), "data.augmentation.share"),
            (format!("{masking}0.5, share = 0.0 }}]"), "data.augmentation.share"),
        ] {
            let experiment = Experiment::parse(&format!("data.train = \"x\"\n{text}\n"), "x.toml").unwrap();
            match experiment.check() {
                Err(Error::Config { key, .. }) => assert_eq!(key, expected),
                other => panic!("{text}: {other:?}"),
            }
        }
        let mut seed = Experiment::parse("data.train = \"x\"", "x.toml").unwrap();
        seed.training.seed = u64::MAX;
        assert!(matches!(seed.check(), Err(Error::Config { key: "training.seed", .. })));
    }

    #[test]
    fn no_relation_is_left_out_none_or_a_label() {
        for (text, expected) in [
            ("", None),
            ("data.no_relation = \"\"", Some(NoRelation::Absent)),
            ("data.no_relation = \"none\"", Some(NoRelation::Class("none".to_owned()))),
        ] {
            let experiment = Experiment::parse(text, "x.toml").unwrap();
            assert_eq!(experiment.data.no_relation, expected);
            assert_eq!(Experiment::parse(&experiment.to_toml().unwrap(), "y.toml").unwrap(), experiment);
        }
    }

    #[test]
    fn an_empty_name_takes_a_file_away() {
        let data: DataConfig = toml::from_str("entity_types = \"\"\ntest = \"t.tsv\"").unwrap();
        assert_eq!((data.entity_types, data.test), (None, Some(PathBuf::from("t.tsv"))));
    }
}
