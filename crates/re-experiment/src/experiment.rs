//! A whole experiment: data, model, training, and the plan of one training or several that belong together.

use std::path::PathBuf;

use re_data::{EncodeOptions, MarkupConfig};
use re_ensemble::Gate;
use re_formats::AugmenterConfig;
use re_model::HeadConfig;
use re_qa::QuestionConfig;
use re_train::TrainConfig;
use re_trained::VoteConfig;
use serde::{Deserialize, Serialize};

use crate::config::{DataConfig, EncodingConfig, ModelConfig};
use crate::error::{Error, Result};
use crate::own::{OwnParts, PartNames};
use crate::tagging::TaggingConfig;

/// Everything that decides an experiment's result.
///
/// ```
/// use re_experiment::Experiment;
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
/// # Ok::<(), re_experiment::Error>(())
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
    /// What makes it an experiment of a tagger: its files hold documents, and `head`, `markup` and `encoding` are not its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tagging: Option<TaggingConfig>,
    /// One training, or several that belong together.
    pub plan: Plan,
    /// Names of the parts that [`Experiment::with_parts`] has given.
    #[serde(skip_serializing_if = "PartNames::is_empty")]
    pub own: PartNames,
    /// What [`Experiment::with_parts`] has given.
    #[serde(skip)]
    pub parts: OwnParts,
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
            tagging: None,
            plan: Plan::default(),
            own: PartNames::default(),
            parts: OwnParts::default(),
        }
    }
}

impl Experiment {
    /// The same experiment with parts of the caller's own, in place of those that the settings name: with a head, `head` is
    /// not looked at, and so on. All trainings of its plan have them; the members of a vote have parts of their own.
    ///
    /// A run that was begun so goes on so: give the parts again to what [`RunFolder::experiment`](crate::RunFolder::experiment)
    /// reads.
    #[must_use]
    pub fn with_parts(self, parts: OwnParts) -> Self {
        Self { own: parts.names(), parts, ..self }
    }

    /// How rows are encoded, by its settings.
    pub fn encode_options(&self) -> EncodeOptions {
        EncodeOptions {
            max_length: self.encoding.max_length,
            truncation: self.encoding.truncation,
            lost_entities: self.encoding.lost_entities,
            ..EncodeOptions::default()
        }
    }

    /// Checks the settings that can be judged before any file is read; a plan checks those of its members itself.
    ///
    /// # Errors
    /// [`re_train::Error::Config`] with the first key that is out of range.
    pub fn check(&self) -> Result<()> {
        let fault = |key, found: String, expected: &str| Err(Error::config(key, found, expected));
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
        if self.tagging.is_some() {
            self.check_tagging()?;
        }
        self.parts.check(&self.own)?;
        Ok(self.training.check()?)
    }

    /// What a tagger has no use for would be ignored in silence.
    fn check_tagging(&self) -> Result<()> {
        if self.tagging.as_ref().is_some_and(|tagging| tagging.shared_encoder) {
            return self.check_shared_encoder();
        }
        let DataConfig { pairs, augmentation, entity_types, labels, fold, .. } = &self.data;
        let given = [
            ("plan.name", self.plan != Plan::Single {}, "single together with tagging"),
            ("questions", self.questions.is_some(), "none together with tagging"),
            ("data.pairs", pairs.is_some(), "none together with tagging"),
            ("data.augmentation", !augmentation.is_empty(), "none together with tagging"),
            ("data.entity_types", entity_types.is_some(), "none together with tagging: mentions have types"),
            ("data.labels", labels.is_some(), "none together with tagging: the types of mentions are learnt"),
            ("data.fold", fold.is_some(), "none together with tagging"),
        ];
        match given.into_iter().find(|(_, given, _)| *given) {
            Some((key, _, expected)) => Err(Error::config(key, "a setting".to_owned(), expected)),
            None => Ok(()),
        }
    }

    /// What keeps a tagger and a classifier of pairs from sharing an encoder and its passes.
    fn check_shared_encoder(&self) -> Result<()> {
        let fault = |key, found: String, expected: &str| Err(Error::config(key, found, expected));
        const BESIDE: &str = "none where the encoder is shared";
        if self.data.pairs.is_none() {
            return fault("data.pairs", "none".to_owned(), "which pairs of mentions are judged, such as {}");
        }
        if self.questions.is_some() {
            return fault("questions", "settings".to_owned(), BESIDE);
        }
        if self.data.fold.is_some() {
            return fault("data.fold", "one fold".to_owned(), BESIDE);
        }
        if self.plan != (Plan::Single {}) {
            return fault("plan.name", "a setting".to_owned(), "single together with tagging");
        }
        let marks = "plain or plain_typed where the encoder is shared: others write markers into the text, so that each \
                     pair needs a pass of its own";
        match (&self.parts.markup, &self.markup) {
            (Some(own), _) => fault("markup.name", own.name().to_owned(), marks),
            (None, MarkupConfig::Plain {} | MarkupConfig::PlainTyped { .. }) => Ok(()),
            (None, other) => {
                // Some are not built without types, which they learn later.
                let markup = other.clone().or_types(["type"]).build()?;
                fault("markup.name", markup.name().to_owned(), marks)
            }
        }
    }

    /// The experiment as the text of a TOML file, with every setting that was left to its default.
    ///
    /// # Errors
    /// [`Error::TomlWrite`] where a path is not valid Unicode.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(Error::TomlWrite)
    }
}

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
    /// The split is what [`DataConfig`] says: a share of the training rows or a file; everything is
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
    /// alone, under every [`Rule`](re_qa::Rule).
    ///
    /// All answers are in memory until the end: where asking is interrupted it starts over.
    QuestionAnswering {
        /// The classifier, exactly one; the settings of the experiment itself are those of the model that answers.
        members: Vec<MemberConfig>,
    },
    /// A tagger finds the mentions of texts, and a classifier (folder `pairs`) judges pairs of them; the settings of the
    /// experiment itself are those of the classifier, and `data.pairs` says which pairs are judged. The graphs that both make of
    /// the validation and the test documents are saved (`validation_documents.jsonl`, `test_documents.jsonl`) and, where
    /// the truth is known, compared with it (`validation_scores.json`, `test_scores.json`).
    TextToGraph {
        /// The tagger, exactly one: a run, or settings with `tagging`. Its documents are those of the experiment, in the same
        /// roles.
        members: Vec<MemberConfig>,
        /// Whether both are trained together, on one encoder (folder `pairs` alone), with the settings of the experiment.
        /// The tagger gives its `tagging` and nothing else.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        shared_encoder: bool,
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

impl Default for Plan {
    fn default() -> Self {
        Self::Single {}
    }
}

impl MemberConfig {
    /// Whether another member is trained on everything up to the best step of this one.
    pub(crate) fn lends_step(&self, members: &[Self]) -> bool {
        members.iter().any(|other| other.full_data_of.as_ref() == Some(&self.member))
    }
}

impl Plan {
    /// The members of a vote, the classifier before questions, or the tagger before pairs; none where the plan has none.
    pub fn members(&self) -> &[MemberConfig] {
        match self {
            Self::Vote { members, .. }
            | Self::QuestionAnswering { members }
            | Self::TextToGraph { members, .. } => members,
            _ => &[],
        }
    }

    /// As [`Plan::members`], to be changed.
    pub fn members_mut(&mut self) -> &mut [MemberConfig] {
        match self {
            Self::Vote { members, .. }
            | Self::QuestionAnswering { members }
            | Self::TextToGraph { members, .. } => members,
            _ => &mut [],
        }
    }
}

#[cfg(test)]
mod tests {
    use re_data::NoRelation;

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

    /// Each key of the settings with all that is nested in it.
    fn keys(prefix: &str, table: &toml::Table, found: &mut Vec<String>) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(inner) => keys(&key, inner, found),
                _ => found.push(key),
            }
        }
    }

    #[test]
    fn every_setting_is_documented() {
        let text = include_str!("../../../docs/SETTINGS.md");
        let with_options = "model.layers = 1\ndata.split_seed = 1\ndata.validation = 'v'\ndata.test = 't'\n\
            data.labels = 'l'\ndata.no_relation = 'n'\ndata.entity_types = 'e'\n\
            data.fold = { number = 1, of = 2 }\ntraining.head_learning_rate = 1e-3\ntraining.precision = 'fp32'\n\
            questions = { file = 'q' }\n";
        let experiment = Experiment::parse(with_options, "x.toml").unwrap();
        let mut found = Vec::new();
        keys("", &experiment.to_toml().unwrap().parse().unwrap(), &mut found);
        assert!(found.len() > 50, "{found:?}");
        let nested = ["data.fold.number", "data.fold.of"];
        for key in found.iter().filter(|key| !nested.contains(&key.as_str())) {
            assert!(text.contains(&format!("`{key}`")), "{key} is not in docs/SETTINGS.md");
        }
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
                Err(Error::Train(re_train::Error::Config { key, .. })) => assert_eq!(key, expected),
                other => panic!("{text}: {other:?}"),
            }
        }
        let mut seed = Experiment::parse("data.train = \"x\"", "x.toml").unwrap();
        seed.training.seed = u64::MAX;
        assert!(matches!(
            seed.check(),
            Err(Error::Train(re_train::Error::Config { key: "training.seed", .. }))
        ));
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
}
