//! Trained folders: Hugging Face layout plus `relation_classifier.json`.

use std::path::Path;
use std::sync::Arc;

pub(crate) use re_checkpoint::classifier::check_vocabulary;
use re_checkpoint::classifier::{self, FILE, Settings};
use re_data::files::{self, NewFolder};
use re_data::{EncodeOptions, ExampleEncoder, Markup, Tokenizer};
use tch::Device;

use super::{HeadBuilder, HeadChoice, MarkupChoice, ModelParts, RelationClassifier};
use crate::config::EncoderConfig;
use crate::error::{Error, Result};
#[cfg(doc)]
use crate::head::HeadConfig;
use crate::model::RelationModel;
use crate::ops::{Precision, precision_of};
use crate::parameters::LoadReport;
use crate::weights::{Weights, checked};
use crate::{json, save};

/// As [`classifier::check_settings`].
///
/// # Errors
/// [`re_data::Error::Changed`] where it is not.
pub fn check_settings(folder: &Path) -> Result<()> {
    Ok(classifier::check_settings(folder)?)
}

/// As [`classifier::tokenizer_in`].
///
/// # Errors
/// As [`Tokenizer::from_folder`].
pub fn tokenizer_in(folder: &Path) -> Result<Tokenizer> {
    Ok(classifier::tokenizer_in(folder)?)
}

/// As [`classifier::example_encoder`].
///
/// # Errors
/// [`Error::MaxLength`] where rows are to be longer than the encoder takes; those of [`ExampleEncoder::new`].
pub fn example_encoder(
    tokenizer: Tokenizer,
    markup: &MarkupChoice,
    encoding: EncodeOptions,
    config: &EncoderConfig,
) -> Result<ExampleEncoder> {
    Ok(classifier::example_encoder(tokenizer, markup, encoding, config)?)
}

/// As [`classifier::trained_encoder`].
///
/// # Errors
/// [`Error::Config`] where tokens are not known to the model, or rows are longer than it takes; those of reading the tokenizer.
pub fn trained_encoder(
    folder: &Path,
    markup: &MarkupChoice,
    encoding: EncodeOptions,
    config: &EncoderConfig,
) -> Result<ExampleEncoder> {
    Ok(classifier::trained_encoder(folder, markup, encoding, config)?)
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
        let settings = Settings::read(folder)?;
        let markup = settings.markup(parts.markup, folder)?;
        let head = match (parts.head, settings.head) {
            (Some(head), _) => HeadChoice::Own(head),
            (None, Some(config)) => HeadChoice::Known(config),
            (None, None) => return Err(classifier::own(folder, "head").into()),
        };
        let config = EncoderConfig::from_folder(folder)?;
        let labels = settings.labels(&config, folder)?;
        let encoder = trained_encoder(folder, &markup, settings.encoding, &config)?;
        let weights = Weights::open(folder)?;
        let device = parts.device.unwrap_or(Device::Cpu);
        let model = ModelParts { config, weights: Some(&weights), device, seed: 0 };
        let (mut classifier, report) = Self::assemble(model, encoder, labels, markup, head)?;
        classifier.model.set_precision(Precision::of_prediction(
            parts.precision,
            settings.precision,
            precision_of(device),
        ));
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
        let settings = Settings::read(folder)?;
        let markup = settings.markup(markup, folder)?;
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
