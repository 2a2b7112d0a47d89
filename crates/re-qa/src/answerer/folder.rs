//! Trained folders: Hugging Face layout plus `question_answering.json` and `questions.json`.

use std::path::Path;

use re_data::files::{self, NewFolder};
use re_data::{EncodeOptions, ExampleEncoder};
use re_model::classifier::{ModelParts, check_complete, check_settings, trained_encoder};
use re_model::ops::precision_of;
use re_model::weights::checked;
use re_model::{EncoderConfig, Precision, Weights, json, save};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::Device;

use super::{QuestionAnswerer, Rule, markup};
use crate::error::Result;
use crate::questions::Questions;

/// Name of the file that says how examples become rows and answers decide.
const FILE: &str = "question_answering.json";
/// Name of the file with the questions.
const QUESTIONS: &str = "questions.json";

/// Content of [`FILE`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    rule: Rule,
    encoding: EncodeOptions,
    /// Number format that it was trained in; earlier versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
}

fn settings(folder: &Path) -> Result<(Settings, Questions)> {
    let path = folder.join(FILE);
    Ok((json::read(&path)?, Questions::from_path(folder.join(QUESTIONS))?))
}

impl QuestionAnswerer {
    /// Whether a trained answerer lies in `folder`, as opposed to a classifier or something else.
    ///
    /// # Errors
    /// [`re_model::Error::Data`] where one cannot look.
    pub fn is_in(folder: impl AsRef<Path>) -> re_model::Result<bool> {
        Ok(files::is_file(folder.as_ref().join(FILE))?)
    }

    /// Loads a trained folder, onto the CPU and in the number format that it was trained in.
    ///
    /// Its files are checked against its [`manifest`](re_data::manifest) on a thread of their own. The first answers wait for the end of that,
    /// and are an error where a file has changed since the folder was saved.
    ///
    /// # Errors
    /// As [`QuestionAnswerer::from_pretrained_with`].
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        Self::from_pretrained_with(folder, Device::Cpu, None)
    }

    /// Loads a trained folder: a checkpoint of a run, or what [`QuestionAnswerer::save`] wrote. Where `precision` is left
    /// out it follows the rule of [`TrainedParts::precision`](re_model::TrainedParts::precision).
    ///
    /// # Errors
    /// Those of reading its files; [`re_model::Error::MissingTensors`] where the head was not trained.
    pub fn from_pretrained_with(
        folder: impl AsRef<Path>,
        device: Device,
        precision: Option<Precision>,
    ) -> Result<Self> {
        let folder = folder.as_ref();
        let (mut answerer, check) = checked(folder, || Self::load(folder, device, precision))?;
        answerer.model.set_check(check);
        Ok(answerer)
    }

    fn load(folder: &Path, device: Device, precision: Option<Precision>) -> Result<Self> {
        let (Settings { rule, encoding, precision: trained }, questions) = settings(folder)?;
        let weights = Weights::open(folder)?;
        let config = EncoderConfig::from_folder(folder).map_err(re_model::Error::from)?;
        let encoder = trained_encoder(folder, &markup(&questions), encoding, &config)?;
        let parts = ModelParts { config, weights: Some(&weights), device, seed: 0 };
        let (mut answerer, report) = Self::assemble(parts, encoder, questions, rule)?;
        answerer.model.set_precision(Precision::of_prediction(precision, trained, precision_of(device)));
        check_complete(folder, &weights, &answerer.model, report)?;
        Ok(answerer)
    }

    /// What turns examples with the label to be asked for into rows for the answerer in a trained folder, without loading
    /// its weights.
    ///
    /// # Errors
    /// As [`QuestionAnswerer::from_pretrained_with`].
    pub fn trained_encoder(folder: impl AsRef<Path>) -> Result<ExampleEncoder> {
        let folder = folder.as_ref();
        check_settings(folder)?;
        let (settings, questions) = settings(folder)?;
        Ok(trained_encoder(
            folder,
            &markup(&questions),
            settings.encoding,
            &EncoderConfig::from_folder(folder).map_err(re_model::Error::from)?,
        )?)
    }

    /// Writes everything that [`QuestionAnswerer::from_pretrained`] needs into `folder`, which is created, and appears when
    /// it is complete.
    ///
    /// `transformers` loads the folder too: `AutoTokenizer` and `AutoModelForQuestionAnswering`.
    ///
    /// # Errors
    /// Those of the files' writers, and [`re_model::Error::Data`] where `folder` holds files already: it would become a mixture.
    pub fn save(&self, folder: impl AsRef<Path>) -> re_model::Result<()> {
        save::fill(NewFolder::create_with_parents(folder)?, |folder| self.save_into(folder))
    }

    /// Writes the same files into a folder that exists, for callers who complete it themselves, as a checkpoint in
    /// [`save::fill`].
    ///
    /// # Errors
    /// Those of the files' writers.
    pub fn save_into(&self, folder: &Path) -> re_model::Result<()> {
        let mut extra = Map::new();
        let architecture = self.model.config().architecture("ForQuestionAnswering");
        extra.insert("architectures".into(), Value::from(vec![architecture]));
        // `transformers` takes the width of the head from the number of labels.
        extra.insert("id2label".into(), serde_json::json!({"0": "start", "1": "end"}));
        extra.insert("label2id".into(), serde_json::json!({"start": 0, "end": 1}));
        self.model.save_as(folder, extra)?;
        self.encoder.tokenizer().save_into(folder)?;
        let settings = Settings {
            rule: self.rule,
            encoding: self.encoder.options().clone(),
            precision: Some(self.model.encoder().precision()),
        };
        files::write(folder.join(QUESTIONS), self.questions.to_json())?;
        json::write(&folder.join(FILE), &settings)
    }
}
