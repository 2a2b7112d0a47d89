//! Trained folders: Hugging Face layout, and `token_classifier.json` in those of this project.

use std::path::Path;

use re_checkpoint::tagging::{FILE, Settings, TASK, tags_of, windows_of};
use re_data::WindowOptions;
use re_data::files::{self, NewFolder};
#[cfg(doc)]
use re_data::tags::TagSet;
use re_data::tags::{TagScheme, TagUnit};
use tch::Device;

use super::TokenClassifier;
use crate::classifier::{ModelParts, RelationClassifier, check_complete};
use crate::config::EncoderConfig;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::ops::{Precision, precision_of};
use crate::parameters::LoadReport;
use crate::weights::{Weights, checked};
use crate::{json, save};

/// How a trained token classifier is used, where that is not to be as its folder says. Folders of others say nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct TaggingOptions {
    /// How the tags are read; as the folder says where left out. Names do not tell [`TagScheme::Iob1`] from
    /// [`TagScheme::Bio`]: others' taggers are read as the former, in which `I` begins a mention where none goes on and `B`
    /// always does. So reads the pipeline of `transformers`, too.
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
        let (mut classifier, check) = checked(folder, || Self::load(folder, options, None))?;
        classifier.model.set_check(check);
        Ok(classifier)
    }

    /// With `other`, which was loaded from the same folder, it is put on the encoder of that one.
    pub(crate) fn load(
        folder: &Path,
        options: TaggingOptions,
        other: Option<&RelationClassifier>,
    ) -> Result<Self> {
        let config = EncoderConfig::from_folder(folder)?;
        let settings = Settings::read(folder)?;
        let of_folder = settings.as_ref();
        let windows = windows_of(options.windows, of_folder, &config, folder)?;
        let (tags, scope) = tags_of(options.scheme, of_folder, &config, folder)?;
        let unit = options.unit.or(of_folder.map(|settings| settings.unit)).unwrap_or_default();
        let device = options.device.unwrap_or(Device::Cpu);
        let weights = Weights::open(folder)?;
        if let Some(other) = other {
            let (classifier, report) = Self::on_encoder_of(other, Some(&weights), Some(windows), tags, unit)?;
            // Tensors of the encoder are not its own to take.
            let report = LoadReport { unused: Vec::new(), ..report };
            check_complete(folder, &weights, &classifier.model, report)?;
            return Ok(classifier);
        }
        let parts = ModelParts { config, weights: Some(&weights), device, seed: 0 };
        let (mut classifier, report) = Self::assemble(parts, folder, windows, tags, unit, scope)?;
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
        self.save_settings(folder, None)
    }

    /// Writes [`FILE`] alone, with the tags, into the folder of a classifier on the same encoder.
    pub(crate) fn save_beside(&self, folder: &Path) -> Result<()> {
        self.save_settings(folder, Some(self.tags.names().to_vec()))
    }

    fn save_settings(&self, folder: &Path, tags: Option<Vec<String>>) -> Result<()> {
        let settings = Settings {
            scheme: self.tags.scheme(),
            unit: self.unit,
            windows: self.encoder.options(),
            tags,
            precision: Some(self.model.encoder().precision()),
        };
        json::write(&folder.join(FILE), &settings)
    }
}
