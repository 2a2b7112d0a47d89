//! Trained folders: Hugging Face layout, and `token_classifier.json` in those of this project.

use std::path::Path;

use re_data::WindowOptions;
use re_data::files::{self, NewFolder};
use re_data::tags::{TagScheme, TagSet, TagUnit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Device;

use super::{TokenClassifier, windows};
use crate::classifier::{ModelParts, check_complete, class_names};
use crate::config::EncoderConfig;
use crate::error::{Error, Result};
use crate::ops::{Precision, precision_of};
use crate::weights::{Weights, checked};
use crate::{json, save};

/// Name of the file that says how texts become rows and classes become mentions.
pub(crate) const FILE: &str = re_checkpoint::classifier::TOKEN_FILE;
/// What `transformers` calls models that classify tokens, behind the name of the architecture.
const TASK: &str = "ForTokenClassification";

/// Content of [`FILE`]. The tags stand in `config.json`, where `transformers` looks for them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    scheme: TagScheme,
    unit: TagUnit,
    windows: WindowOptions,
    /// Number format that it was trained in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
}

/// How a trained token classifier is used, where that is not to be as its folder says. Folders of others say nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct TaggingOptions {
    /// How the tags are read; as their names say where left out, which read [`TagScheme::Iob1`] as [`TagScheme::Bio`].
    pub scheme: Option<TagScheme>,
    /// What has a tag; each token where neither this nor the folder says it.
    pub unit: Option<TagUnit>,
    /// How long texts are cut; as for new ones where neither this nor the folder says it.
    pub windows: Option<WindowOptions>,
    /// Device of the model; the CPU where left out.
    pub device: Option<Device>,
    /// Number format in which the encoder computes, by the rule of
    /// [`TrainedParts::precision`](crate::TrainedParts::precision).
    pub precision: Option<Precision>,
}

impl TokenClassifier {
    /// Whether a token classifier that this project saved lies in `folder`. [`from_pretrained`](Self::from_pretrained)
    /// also loads those of others.
    ///
    /// # Errors
    /// [`Error::Data`] where one cannot look.
    pub fn is_in(folder: impl AsRef<Path>) -> Result<bool> {
        Ok(files::is_file(folder.as_ref().join(FILE))?)
    }

    /// Loads a token classifier, onto the CPU: a checkpoint of a run, what [`TokenClassifier::save`] wrote, or any folder
    /// that `AutoModelForTokenClassification` of `transformers` loads, with the tags that its `id2label` names.
    ///
    /// Files are checked as those of [`RelationClassifier::from_pretrained`](crate::RelationClassifier::from_pretrained).
    ///
    /// # Errors
    /// As [`TokenClassifier::from_pretrained_with`].
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        Self::from_pretrained_with(folder, TaggingOptions::default())
    }

    /// As [`from_pretrained`](Self::from_pretrained), and says how it is used.
    ///
    /// # Errors
    /// Those of reading its files; [`Error::NoModel`] where the folder holds another kind of model; [`Error::Config`] where
    /// `id2label` names no tags (see [`TagSet::of_names`]) or the tokenizer has more ids than the model;
    /// [`Error::MissingTensors`] where the head was not trained.
    pub fn from_pretrained_with(folder: impl AsRef<Path>, options: TaggingOptions) -> Result<Self> {
        let folder = folder.as_ref();
        let (mut classifier, check) = checked(folder, || Self::load(folder, options))?;
        classifier.model.set_check(check);
        Ok(classifier)
    }

    fn load(folder: &Path, options: TaggingOptions) -> Result<Self> {
        let config = EncoderConfig::from_folder(folder)?;
        check_task(&config, folder)?;
        let path = folder.join(FILE);
        let settings: Option<Settings> = if files::exists(&path)? { Some(json::read(&path)?) } else { None };
        let of_folder = settings.as_ref();
        let chosen = options.windows.or(of_folder.map(|settings| settings.windows));
        let windows = windows(chosen, &config).map_err(|error| match (error, options.windows) {
            (Error::MaxLength { max_length, max }, None) => Error::Config {
                path,
                field: "windows.max_length",
                found: max_length.to_string(),
                expected: format!("at most {max}, for which the encoder has position embeddings"),
            },
            (other, _) => other,
        })?;
        let scheme = options.scheme.or(of_folder.map(|settings| settings.scheme));
        let tags = tags(&config, folder, scheme)?;
        let unit = options.unit.or(of_folder.map(|settings| settings.unit)).unwrap_or_default();
        let device = options.device.unwrap_or(Device::Cpu);
        let weights = Weights::open(folder)?;
        let parts = ModelParts { config, weights: Some(&weights), device, seed: 0 };
        let (mut classifier, report) = Self::assemble(parts, folder, windows, tags, unit)?;
        check_complete(folder, &weights, &classifier.model, report)?;
        let trained = settings.and_then(|settings| settings.precision);
        classifier.model.set_precision(Precision::of_prediction(
            options.precision,
            trained,
            precision_of(device),
        ));
        Ok(classifier)
    }

    /// Writes everything that [`TokenClassifier::from_pretrained`] needs into `folder`, which is created, and appears when
    /// it is complete.
    ///
    /// `transformers` loads the folder too: `AutoTokenizer` and `AutoModelForTokenClassification`. Of a classifier of
    /// characters it has the part that judges the first one of each token.
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
        self.model.save_as(folder, self.model.class_fields(TASK, self.tags.names()))?;
        self.encoder.tokenizer().save_into(folder)?;
        let settings = Settings {
            scheme: self.tags.scheme(),
            unit: self.unit,
            windows: self.encoder.options(),
            precision: Some(self.model.encoder().precision()),
        };
        json::write(&folder.join(FILE), &settings)
    }
}

/// Makes sure that the folder's model classifies tokens, where it says what it does: other heads have tensors of the same
/// names.
fn check_task(config: &EncoderConfig, folder: &Path) -> Result<()> {
    let named = config.raw.get("architectures").and_then(Value::as_array);
    let mut named = named.into_iter().flatten().filter_map(Value::as_str).peekable();
    let Some(first) = named.peek().copied() else { return Ok(()) };
    if named.any(|name| name.ends_with(TASK)) {
        return Ok(());
    }
    let reason = format!("a {first} by the architectures of config.json, expected a model {TASK}");
    Err(Error::NoModel { name: folder.to_owned(), reason })
}

/// The tags in `id2label` of `config.json`.
fn tags(config: &EncoderConfig, folder: &Path, scheme: Option<TagScheme>) -> Result<TagSet> {
    let tags = TagSet::of_names(class_names(config, folder)?);
    let tags = tags.and_then(|tags| match scheme {
        Some(scheme) => tags.with_scheme(scheme),
        None => Ok(tags),
    });
    tags.map_err(|error| match error {
        re_data::Error::LabelSet { reason, .. } => Error::Config {
            path: folder.join("config.json"),
            field: "id2label",
            found: reason,
            expected: "tags such as O, B-PER and I-PER".to_owned(),
        },
        other => other.into(),
    })
}
