//! Documents for a tagger, in their roles.

use std::path::Path;
use std::sync::Arc;

use re_data::random::fnv1a;
use re_data::tags::{TagScheme, TagUnit};
use re_data::{Document, WindowOptions};
use re_formats::documents::DocumentFormat;
use serde::{Deserialize, Serialize};

use crate::config::DataConfig;
use crate::documents;
use crate::error::{Error, Result};
use crate::experiment::Experiment;

/// What makes an experiment one of a tagger, which learns to find the mentions of documents.
///
/// ```
/// let experiment = re_experiment::Experiment::parse(
///     r#"
///     model.folder = "xlm-roberta-base"
///     data = { train = "train.json", validation = "dev.json" }
///     tagging = { scheme = "bilou" }
///     "#,
///     "tagger.toml",
/// )?;
/// assert!(experiment.tagging.is_some());
/// # Ok::<(), re_experiment::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaggingConfig {
    /// Layout of the files of documents; recognised by name and content where left out.
    pub format: Option<DocumentFormat>,
    /// How tags say where mentions begin and end.
    pub scheme: TagScheme,
    /// What has a tag.
    pub unit: TagUnit,
    /// How long texts are cut; where left out, windows have 512 tokens or as many as the encoder takes.
    pub windows: Option<WindowOptions>,
    /// Whether the experiment is one of a classifier of pairs (`data.pairs`), and the tagger learns beside it on the same
    /// encoder. The plan `text_to_graph` sets it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared_encoder: bool,
}

/// The documents of an experiment in their roles.
#[derive(Debug, Clone)]
pub(crate) struct TaggingData {
    /// Types of the mentions of the training documents, sorted.
    pub kinds: Vec<Arc<str>>,
    pub train: Vec<Document>,
    /// Possibly empty.
    pub validation: Vec<Document>,
    /// Possibly empty.
    pub test: Vec<Document>,
    /// What is worth knowing about the files, one line each.
    pub notes: Vec<String>,
}

impl TaggingData {
    /// The documents of an experiment of a tagger, or of one whose rows are pairs of documents.
    pub fn of(experiment: &Experiment) -> Result<Self> {
        let of_pairs = experiment.data.pairs.as_ref().and_then(|pairs| pairs.format);
        let format = experiment.tagging.as_ref().and_then(|tagging| tagging.format).or(of_pairs);
        Self::read(format, &experiment.data, experiment.training.seed)
    }

    /// Reads all files and sets the validation documents aside: those of equal texts stay together.
    fn read(format: Option<DocumentFormat>, config: &DataConfig, seed: u64) -> Result<Self> {
        let mut notes = Vec::new();
        let mut read = |path: &Path, lenient| -> Result<Vec<Document>> {
            let (documents, rest) = documents::read(path, format, lenient)?;
            let mentions: usize = documents.iter().map(|document| document.mentions().len()).sum();
            let count = documents.len();
            notes.push(format!("{}: {count} documents with {mentions} mentions", path.display()));
            notes.extend(rest);
            Ok(documents)
        };
        let mut train = read(&config.train, config.lenient)?;
        for path in &config.additional {
            train.append(&mut read(path, config.lenient)?);
        }
        let validation = match &config.validation {
            Some(path) => read(path, config.lenient)?,
            None => set_aside(&mut train, config.val_size, config.split_seed.unwrap_or(seed)),
        };
        // Every test document gets an answer.
        let test = config.test.as_ref().map_or(Ok(Vec::new()), |path| read(path, false))?;
        let mut kinds: Vec<Arc<str>> = Vec::new();
        for document in &train {
            for (number, mention) in document.mentions().iter().enumerate() {
                let Some(kind) = mention.kind() else {
                    let found = format!("document {}, whose mention {number} has no type", document.id());
                    return Err(Error::config("data.train", found, "mentions with types"));
                };
                if let Err(place) = kinds.binary_search_by(|known| (**known).cmp(kind)) {
                    kinds.insert(place, kind.into());
                }
            }
        }
        if kinds.is_empty() {
            let found = format!("{}, without a mention", config.train.display());
            return Err(Error::config("data.train", found, "documents with mentions"));
        }
        Ok(Self { kinds, train, validation, test, notes })
    }

    /// A hash of all documents in their roles.
    pub fn hash(&self) -> String {
        let mut text = String::new();
        for documents in [&self.train, &self.validation, &self.test] {
            text.push('\u{1}');
            for document in documents {
                text.push_str(&format!("{}\0{}\0", document.id(), document.text()));
                for mention in document.mentions() {
                    text.push_str(&format!("{}{:?}\0", mention.span(), mention.kind()));
                }
            }
        }
        format!("{:016x}", fnv1a(text.as_bytes()))
    }
}

/// Takes about `share` of the documents out, see [`documents::is_aside`].
fn set_aside(documents: &mut Vec<Document>, share: f64, seed: u64) -> Vec<Document> {
    let aside = |document: &Document| documents::is_aside(document.text(), share, seed);
    let (aside, rest) = std::mem::take(documents).into_iter().partition(aside);
    *documents = rest;
    aside
}
