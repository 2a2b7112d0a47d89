//! What most workloads begin with: rows, labels and the settings of their encoding.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use re_data::{
    EncodeOptions, ExampleEncoder, LabelSet, LostEntities, MarkupConfig, RelationExample, Truncation,
};
use re_formats::read::{self, ReadOptions};
use re_model::{ClassifierOptions, EncoderConfig, HeadChoice, HeadConfig, MarkupChoice};

/// JSON object that a workload prints.
pub type Report = serde_json::Map<String, serde_json::Value>;

/// Rows of a file.
#[derive(Debug, Args)]
pub struct Data {
    /// Rows to read
    #[arg(long)]
    pub data: PathBuf,
    /// How many of them; all where left out
    #[arg(long)]
    pub limit: Option<usize>,
}

impl Data {
    pub fn read(&self) -> Result<Vec<RelationExample>> {
        let mut examples = read::examples(&self.data, &ReadOptions::default())?.examples;
        examples.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(examples)
    }
}

/// Rows of a file with what turns them into tokens: the report's baseline, which `transformers` can do as well.
#[derive(Debug, Args)]
pub struct Inputs {
    #[command(flatten)]
    pub data: Data,
    /// Names of the classes
    #[arg(long)]
    pub labels: PathBuf,
    /// Folder in Hugging Face layout
    #[arg(long)]
    pub model: PathBuf,
    /// Most tokens of a row
    #[arg(long, default_value_t = 100)]
    pub max_length: usize,
    /// Which tokens go from longer rows: `tail`, as the peers do it, or `window`
    #[arg(long, default_value = "tail")]
    pub truncation: String,
    /// What stands on the encoder: `cls`, as the peers have it, `entity_mean` ..
    #[arg(long, default_value = "cls")]
    pub head: String,
    /// How entities are written into the input: `pair`, as the peers get them, or `plain`
    #[arg(long, default_value = "pair")]
    pub markup: String,
    /// How many of the encoder's first layers are used; all where left out
    #[arg(long)]
    pub layers: Option<i64>,
}

impl Inputs {
    pub fn labels(&self) -> Result<LabelSet> {
        Ok(read::labels(&self.labels)?)
    }

    pub fn options(&self) -> Result<ClassifierOptions> {
        Ok(ClassifierOptions {
            markup: MarkupChoice::Known(self.markup()?),
            head: HeadChoice::Known(self.head()?),
            encoding: EncodeOptions {
                max_length: self.max_length,
                truncation: self.truncation()?,
                lost_entities: LostEntities::Count,
                ..EncodeOptions::default()
            },
            layers: self.layers,
            ..ClassifierOptions::default()
        })
    }

    fn markup(&self) -> Result<MarkupConfig> {
        Ok(serde_json::from_value(serde_json::json!({"name": self.markup}))?)
    }

    pub fn head(&self) -> Result<HeadConfig> {
        Ok(serde_json::from_value(self.head.as_str().into())?)
    }

    /// The encoder of examples alone, without the model.
    pub fn encoder(&self) -> Result<ExampleEncoder> {
        let types = EncoderConfig::from_folder(&self.model)?.type_vocab_size;
        let encoding = EncodeOptions { type_vocab_size: usize::try_from(types)?, ..self.options()?.encoding };
        let tokenizer = re_data::Tokenizer::from_folder(&self.model)?;
        Ok(ExampleEncoder::new(tokenizer, self.markup()?.build()?, encoding)?)
    }

    fn truncation(&self) -> Result<Truncation> {
        Ok(serde_json::from_value(self.truncation.as_str().into())?)
    }
}

/// A report with the fields that all have.
pub fn report(workload: &str, rows: usize) -> Report {
    let mut report = Report::new();
    report.insert("workload".to_owned(), workload.into());
    report.insert("rows".to_owned(), rows.into());
    report
}
