//! Flags for how rows are written for a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, ValueEnum};
use re_checkpoint::EncoderConfig;
use re_checkpoint::classifier::{FILE, tokenizer_in};
use re_data::{EncodeOptions, ExampleEncoder, LostEntities, Markup, MarkupConfig, Truncation, files};
#[cfg(feature = "libtorch")]
use re_experiment::{Experiment, Plan};
use re_infer::RelationClassifier;
#[cfg(feature = "libtorch")]
use re_qa::{QuestionAnswerer, QuestionConfig};
use re_trained::model_folder;

use crate::data::folder;
use crate::exit::{Usage, about};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cut {
    /// The tokens farthest from the entities
    Window,
    /// The last tokens
    Tail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lost {
    /// Stop with an error
    Error,
    /// Continue and count them
    Count,
}

/// What replaces a model's own settings.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Other settings than the model's")]
pub struct EncoderArgs {
    /// How entities are marked: plain, pair, entity_tokens, typed_punct, query, or JSON such as '{"name":
    /// "typed_tokens", "types": ["PERSON", "DATE"]}' [default: the model's, else plain]
    #[arg(long, value_name = "MARKUP", value_parser = markup, requires = "model")]
    markup: Option<MarkupConfig>,
    /// Most tokens of a row, special tokens included [default: the model's, else 128]
    #[arg(long, value_name = "N", requires = "model")]
    max_length: Option<usize>,
    /// Which tokens are cut from longer rows [default: the model's, else window]
    #[arg(long, value_name = "WHICH", requires = "model")]
    truncation: Option<Cut>,
    /// What to do where an entity would be cut [default: the model's, else error]
    #[arg(long, value_name = "WHAT", requires = "model")]
    lost_entities: Option<Lost>,
}

/// A markup by its name, or with settings as JSON.
fn markup(text: &str) -> Result<MarkupConfig, String> {
    let json = if text.starts_with('{') {
        serde_json::from_str(text)
    } else {
        serde_json::from_value(serde_json::json!({ "name": text }))
    };
    json.map_err(|error| error.to_string())
}

impl EncoderArgs {
    /// The encoder of a trained model or run, of the settings of an experiment, or of a bare tokenizer.
    pub fn load(&self, model: &Path) -> Result<ExampleEncoder> {
        let encoder = own(model).map_err(|error| about(model, error))?;
        let mut options = encoder.options().clone();
        if let Some(max_length) = self.max_length {
            options.max_length = max_length;
        }
        match self.truncation {
            None => {}
            Some(Cut::Window) => options.truncation = Truncation::Window,
            Some(Cut::Tail) => options.truncation = Truncation::Tail,
        }
        match self.lost_entities {
            None => {}
            Some(Lost::Error) => options.lost_entities = LostEntities::Error,
            Some(Lost::Count) => options.lost_entities = LostEntities::Count,
        }
        let changed = match &self.markup {
            Some(markup) => ExampleEncoder::new(encoder.tokenizer().clone(), markup.build()?, options),
            None => encoder.with_options(options),
        };
        changed.map_err(|error| match error {
            // The model's own settings were accepted before.
            re_data::Error::Argument { .. } => Usage(error.to_string()).into(),
            error => about(model, error),
        })
    }
}

/// The encoder with the model's own settings.
fn own(model: &Path) -> Result<ExampleEncoder> {
    #[cfg(feature = "libtorch")]
    if model.extension().is_some_and(|extension| extension == "toml") {
        let experiment = Experiment::from_file(model)?;
        let folder = re_model::hub::model_folder(&experiment.model.folder, experiment.model.download)?;
        return untrained(&folder, written(&experiment)?, experiment.encode_options());
    }
    let folder = if is_tokenizer(model)? { model.to_owned() } else { model_folder(model)? };
    if files::is_file(folder.join(FILE))? {
        return Ok(RelationClassifier::trained_encoder(&folder, None)?);
    }
    #[cfg(feature = "libtorch")]
    if QuestionAnswerer::is_in(&folder)? {
        return Ok(QuestionAnswerer::trained_encoder(&folder)?);
    }
    let options = EncodeOptions { max_length: MAX_LENGTH, ..EncodeOptions::default() };
    untrained(&folder, MarkupConfig::Plain {}.build()?.into(), options)
}

/// Most tokens of a row where no model says it.
const MAX_LENGTH: usize = 128;

/// How an experiment writes rows: in its markup, or as questions.
#[cfg(feature = "libtorch")]
fn written(experiment: &Experiment) -> Result<Arc<dyn Markup>> {
    let asks = matches!(experiment.plan, Plan::QuestionAnswering { .. });
    match experiment.questions.clone().or_else(|| asks.then(QuestionConfig::default)) {
        Some(questions) => Ok(Arc::new(questions.all_questions()?)),
        None => Ok(experiment.markup.build()?.into()),
    }
}

fn is_tokenizer(folder: &Path) -> Result<bool> {
    Ok(files::is_file(folder.join("tokenizer.json"))? || files::is_file(folder.join("vocab.txt"))?)
}

/// The encoder that a training on `folder` would begin with.
fn untrained(folder: &Path, markup: Arc<dyn Markup>, mut options: EncodeOptions) -> Result<ExampleEncoder> {
    if files::is_file(folder.join("config.json"))? {
        let config = EncoderConfig::from_folder(folder)?;
        options.type_vocab_size = config.token_types();
        options.max_length = options.max_length.min(config.max_length());
    }
    let tokenizer = tokenizer_in(folder).map_err(|error| about(folder, error))?;
    Ok(ExampleEncoder::new(tokenizer, markup, options)?)
}

/// A model on the command line.
#[derive(Debug, Clone, Args)]
pub struct ModelArg {
    /// Trained model, run folder, RUN@STEP, CONFIG.toml of an experiment, or a folder with a tokenizer
    #[arg(value_parser = folder())]
    pub model: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_markup_has_a_name_and_perhaps_settings() {
        assert_eq!(markup("pair").unwrap(), MarkupConfig::Pair {});
        let tokens = markup(r#"{"name": "entity_tokens", "pair": true}"#).unwrap();
        assert_eq!(tokens, MarkupConfig::EntityTokens { entity_embedding: false, pair: true });
        assert!(markup("pears").unwrap_err().contains("unknown variant `pears`"));
    }
}
