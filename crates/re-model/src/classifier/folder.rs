//! Trained folders: Hugging Face layout plus `relation_classifier.json`.

use std::path::Path;
use std::sync::Arc;

use re_data::files::{self, NewFolder};
use re_data::manifest::Manifest;
use re_data::text::quoted;
use re_data::{EncodeOptions, ExampleEncoder, LabelSet, Markup, MarkupConfig, Tokenizer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Device;

use super::{HeadBuilder, HeadChoice, MarkupChoice, ModelParts, RelationClassifier, example_encoder};
use crate::config::EncoderConfig;
use crate::error::{Error, Result};
use crate::head::HeadConfig;
use crate::model::RelationModel;
use crate::ops::Precision;
use crate::parameters::LoadReport;
use crate::weights::{Weights, checked};
use crate::{json, save, token_classifier};

/// Name of the file that says how examples become rows and logits become labels.
const FILE: &str = "relation_classifier.json";
/// Names of the files by which trained folders are known: of a classifier, of a model that answers questions, and of one
/// that classifies tokens.
const TRAINED: [&str; 3] = [FILE, "question_answering.json", token_classifier::FILE];

/// Content of [`FILE`]. Labels stand in `config.json`, where `transformers` looks for them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// `null` for a markup of the caller's own.
    markup: Option<MarkupConfig>,
    /// `null` for a head of the caller's own.
    head: Option<HeadConfig>,
    encoding: EncodeOptions,
    no_relation: Option<String>,
    /// One number for each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    logit_adjustment: Option<Vec<f32>>,
    /// Number format that it was trained in; earlier versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
}

impl Settings {
    fn read(path: &Path) -> Result<Self> {
        if !files::exists(path)? && files::is_file(path.with_file_name("config.json"))? {
            let reason = format!("a pretrained encoder, not a trained classifier: {FILE} is missing");
            return Err(Error::NoModel { name: path.parent().unwrap_or(path).to_owned(), reason });
        }
        json::read(path)
    }

    fn markup(&self, given: Option<Arc<dyn Markup>>, path: &Path) -> Result<MarkupChoice> {
        match (given, &self.markup) {
            (Some(markup), _) => Ok(MarkupChoice::Own(markup)),
            (None, Some(config)) => Ok(MarkupChoice::Known(config.clone())),
            (None, None) => Err(own(path, "markup")),
        }
    }
}

/// The error that a folder was trained with a part of the caller's own, and it is not given.
fn own(path: &Path, part: &'static str) -> Error {
    Error::Config {
        path: path.to_owned(),
        field: part,
        found: "null".to_owned(),
        expected: format!("the {part} it was trained with, given to from_pretrained_with"),
    }
}

/// Makes sure that what a trained folder's rows follow from is what was saved.
///
/// # Errors
/// [`re_data::Error::Changed`] where it is not.
pub fn check_settings(folder: &Path) -> Result<()> {
    match Manifest::read(folder)? {
        None => Ok(()),
        Some(manifest) => Ok(manifest.check_settings()?),
    }
}

/// The tokenizer of a model's folder: of a trained one as it was saved, of a pretrained one as `transformers` reads it.
///
/// # Errors
/// As [`Tokenizer::from_folder`].
pub fn tokenizer_in(folder: &Path) -> Result<Tokenizer> {
    let mut trained = false;
    for name in TRAINED {
        trained |= files::is_file(folder.join(name))?;
    }
    Ok(if trained { Tokenizer::from_saved(folder)? } else { Tokenizer::from_folder(folder)? })
}

/// The encoder of a trained folder's examples: all tokens are known to its model.
///
/// # Errors
/// [`Error::Config`] where they are not, or rows are longer than it takes; those of reading the tokenizer.
pub fn trained_encoder(
    folder: &Path,
    markup: &MarkupChoice,
    encoding: EncodeOptions,
    config: &EncoderConfig,
) -> Result<ExampleEncoder> {
    let (shortest, longest) = (1, config.max_length());
    if !(shortest..=longest).contains(&encoding.max_length) {
        let mut path = folder.join(FILE);
        // The first of them that is there: a folder can be of a classifier and of one of tokens.
        for name in TRAINED.map(|name| folder.join(name)).into_iter().rev() {
            if files::is_file(&name)? {
                path = name;
            }
        }
        return Err(Error::Config {
            path,
            field: "encoding.max_length",
            found: encoding.max_length.to_string(),
            expected: format!("{shortest} to {longest}, for which the encoder has position embeddings"),
        });
    }
    let encoder = example_encoder(Tokenizer::from_saved(folder)?, markup, encoding, config)?;
    check_vocabulary(encoder.tokenizer(), config, folder)?;
    Ok(encoder)
}

/// Makes sure that a model has a word embedding for each id of its tokenizer.
pub(crate) fn check_vocabulary(tokenizer: &Tokenizer, config: &EncoderConfig, folder: &Path) -> Result<()> {
    let ids = tokenizer.vocab_size() as i64;
    if ids <= config.vocab_size {
        return Ok(());
    }
    Err(Error::Config {
        path: folder.join("config.json"),
        field: "vocab_size",
        found: config.vocab_size.to_string(),
        expected: format!("at least {ids}, as many ids as the tokenizer has"),
    })
}

/// Makes sure that a trained model has all that its file has, and the file all that the model has.
///
/// # Errors
/// [`Error::MissingTensors`], or [`Error::Config`] where the file has more layers.
pub fn check_complete(
    folder: &Path,
    weights: &Weights,
    model: &RelationModel,
    report: LoadReport,
) -> Result<()> {
    if !report.missing.is_empty() {
        let path = weights.path().to_owned();
        return Err(Error::MissingTensors { path, names: report.missing, renamed: None });
    }
    match report.unused.iter().find(|name| name.contains("encoder.layer.")) {
        None => Ok(()),
        Some(name) => Err(Error::Config {
            path: folder.join("config.json"),
            field: "num_hidden_layers",
            found: model.config().num_hidden_layers.to_string(),
            expected: format!("the layers of {}, which has {name}, too", weights.path().display()),
        }),
    }
}

/// Parts of a trained classifier that its folder cannot name, and where to put it.
#[derive(Default)]
pub struct TrainedParts {
    /// The markup, where it was the caller's own.
    pub markup: Option<Arc<dyn Markup>>,
    /// The head, where it was the caller's own.
    pub head: Option<HeadBuilder>,
    /// Device of the model; the CPU where left out.
    pub device: Option<Device>,
    /// Number format in which the encoder computes. Where left out it is the one that the model was trained in, bf16 only
    /// where the device multiplies it natively; a folder without a record of it computes in what suits the device.
    pub precision: Option<Precision>,
}

impl RelationClassifier {
    /// Whether a trained classifier lies in `folder`, as opposed to a pretrained encoder or something else.
    ///
    /// # Errors
    /// [`Error::Data`] where one cannot look.
    pub fn is_in(folder: impl AsRef<Path>) -> Result<bool> {
        Ok(files::is_file(folder.as_ref().join(FILE))?)
    }

    /// Loads a trained folder, onto the CPU: a checkpoint of a run, or what [`RelationClassifier::save`] wrote. It computes
    /// in the number format that [`TrainedParts::precision`] tells.
    ///
    /// Its files are checked against its [`manifest`](re_data::manifest) on a thread of their own. The first probabilities wait for the end of
    /// that, and are an error where a file has changed since the folder was saved; see [`RelationModel::verify`].
    ///
    /// # Errors
    /// Those of reading its files; [`Error::MissingTensors`] where the head was not trained.
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        Self::from_pretrained_with(folder, TrainedParts::default())
    }

    /// Loads a trained folder with a markup, a head or a device of the caller's choice.
    ///
    /// # Errors
    /// As [`RelationClassifier::from_pretrained`], and [`Error::Config`] where the folder was trained with a
    /// markup or head that is not given.
    pub fn from_pretrained_with(folder: impl AsRef<Path>, parts: TrainedParts) -> Result<Self> {
        let folder = folder.as_ref();
        let (mut classifier, check) = checked(folder, || Self::load(folder, parts))?;
        classifier.model.set_check(check);
        Ok(classifier)
    }

    pub(crate) fn load(folder: &Path, parts: TrainedParts) -> Result<Self> {
        let path = folder.join(FILE);
        let settings = Settings::read(&path)?;
        let markup = settings.markup(parts.markup, &path)?;
        let head = match (parts.head, settings.head) {
            (Some(head), _) => HeadChoice::Own(head),
            (None, Some(config)) => HeadChoice::Known(config),
            (None, None) => return Err(own(&path, "head")),
        };
        let config = EncoderConfig::from_folder(folder)?;
        let in_file = |field, found, expected: &str| Error::Config {
            path: path.clone(),
            field,
            found,
            expected: expected.to_owned(),
        };
        let labels = labels(&config, folder)?;
        let none = settings.no_relation.as_deref();
        if let Some(none) = none.filter(|none| labels.id(none).is_none()) {
            return Err(in_file("no_relation", quoted(none), "a label of id2label in config.json"));
        }
        let labels = labels.with_no_relation(none)?;
        if let Some(values) = settings.logit_adjustment.as_ref().filter(|values| values.len() != labels.len())
        {
            let found = format!("{} numbers", values.len());
            let expected = format!("one for each of the {} classes of id2label in config.json", labels.len());
            return Err(in_file("logit_adjustment", found, &expected));
        }
        let encoder = trained_encoder(folder, &markup, settings.encoding, &config)?;
        let weights = Weights::open(folder)?;
        let device = parts.device.unwrap_or(Device::Cpu);
        let model = ModelParts { config, weights: Some(&weights), device, seed: 0 };
        let (mut classifier, report) = Self::assemble(model, encoder, labels, markup, head)?;
        classifier.model.set_precision(Precision::of_prediction(parts.precision, settings.precision, device));
        classifier.set_logit_adjustment(settings.logit_adjustment)?;
        check_complete(folder, &weights, &classifier.model, report)?;
        Ok(classifier)
    }

    /// What turns examples into rows for the classifier in a trained folder, without loading its weights. `markup`
    /// is needed where it was the caller's own.
    ///
    /// # Errors
    /// As [`RelationClassifier::from_pretrained_with`].
    pub fn trained_encoder(
        folder: impl AsRef<Path>,
        markup: Option<Arc<dyn Markup>>,
    ) -> Result<ExampleEncoder> {
        let folder = folder.as_ref();
        check_settings(folder)?;
        let path = folder.join(FILE);
        let settings = Settings::read(&path)?;
        let markup = settings.markup(markup, &path)?;
        trained_encoder(folder, &markup, settings.encoding, &EncoderConfig::from_folder(folder)?)
    }

    /// Writes everything that [`RelationClassifier::from_pretrained`] needs into `folder`, which is created, and appears
    /// when it is complete.
    ///
    /// `transformers` loads the folder too: `AutoTokenizer`, and `AutoModelForSequenceClassification` where
    /// the head is [`HeadConfig::Cls`], else `AutoModel`.
    ///
    /// # Errors
    /// Those of the files' writers, and [`Error::Data`] where `folder` holds files already: it would become a mixture.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        save::fill(NewFolder::create_with_parents(folder)?, |folder| self.save_into(folder))
    }

    /// Writes the same files into a folder that exists, for callers who complete it themselves, as a checkpoint in
    /// [`save::fill`].
    ///
    /// # Errors
    /// Those of the files' writers.
    pub fn save_into(&self, folder: &Path) -> Result<()> {
        self.model.save(folder, &self.labels, self.head)?;
        self.encoder.tokenizer().save_into(folder)?;
        let settings = Settings {
            markup: self.markup.clone(),
            head: self.head,
            encoding: self.encoder.options().clone(),
            no_relation: self.labels.no_relation().and_then(|id| self.labels.name(id)).map(str::to_owned),
            logit_adjustment: self.logit_adjustment.clone(),
            precision: Some(self.model.encoder().precision()),
        };
        json::write(&folder.join(FILE), &settings)
    }
}

/// The labels in `id2label` of `config.json`, in class order.
fn labels(config: &EncoderConfig, folder: &Path) -> Result<LabelSet> {
    LabelSet::new(class_names(config, folder)?).map_err(|error| match error {
        re_data::Error::LabelSet { reason, .. } => no_classes(folder, reason),
        other => other.into(),
    })
}

/// The names in `id2label` of `config.json`, in class order.
pub(crate) fn class_names(config: &EncoderConfig, folder: &Path) -> Result<Vec<String>> {
    let fault = |found| no_classes(folder, found);
    let map =
        config.raw.get("id2label").and_then(Value::as_object).ok_or_else(|| fault("nothing".to_owned()))?;
    let name = |id: usize| {
        let name = map.get(&id.to_string()).and_then(Value::as_str).map(str::to_owned);
        name.ok_or_else(|| fault(format!("{} names, none for class {id}", map.len())))
    };
    (0..map.len()).map(name).collect()
}

fn no_classes(folder: &Path, found: String) -> Error {
    Error::Config {
        path: folder.join("config.json"),
        field: "id2label",
        found,
        expected: "an object that names the classes 0, 1, 2 and so on".to_owned(),
    }
}
