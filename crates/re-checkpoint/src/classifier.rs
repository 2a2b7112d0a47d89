//! Trained classifiers: `relation_classifier.json`, and the labels in `config.json`.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, ArrayViewMut1};
use re_data::files;
use re_data::manifest::{Check, Manifest};
use re_data::text::quoted;
use re_data::{
    EncodeOptions, Encoded, ExampleEncoder, LabelSet, Markup, MarkupConfig, Outcomes, RelationExample,
    RowError, Tokenizer,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::EncoderConfig;
use crate::error::{Error, Result};
use crate::head::HeadConfig;
use crate::json;
use crate::precision::Precision;

/// Name of the file that says how examples become rows and logits become labels.
pub const FILE: &str = "relation_classifier.json";
/// Name of the file that says how texts become rows and classes become mentions.
pub const TOKEN_FILE: &str = "token_classifier.json";
/// Names of the files by which trained folders are known: of a classifier, of a model that answers questions, and of one
/// that classifies tokens.
pub const TRAINED: [&str; 3] = [FILE, "question_answering.json", TOKEN_FILE];

/// Which markup a classifier has.
#[derive(Debug, Clone)]
pub enum MarkupChoice {
    /// One of `re-data`, stored by name in a trained folder.
    Known(MarkupConfig),
    /// One of the caller's, who gives it again when the trained folder is loaded.
    Own(Arc<dyn Markup>),
}

/// Content of [`FILE`]. Labels stand in `config.json`, where `transformers` looks for them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The markup; `null` for one of the caller's own.
    pub markup: Option<MarkupConfig>,
    /// The head; `null` for one of the caller's own.
    pub head: Option<HeadConfig>,
    /// Length and truncation of rows.
    pub encoding: EncodeOptions,
    /// The label that means "no relation", if any does.
    pub no_relation: Option<String>,
    /// What is added to the logits: one number for each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_adjustment: Option<Vec<f32>>,
    /// Number format that it was trained in; earlier versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
}

impl Settings {
    /// Reads the file in `folder`.
    ///
    /// # Errors
    /// [`Error::NoModel`] for the folder of a pretrained encoder; those of [`json::read`].
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        if !files::exists(&path)? && files::is_file(path.with_file_name("config.json"))? {
            let reason = format!("a pretrained encoder, not a trained classifier: {FILE} is missing");
            return Err(Error::NoModel { name: folder.to_owned(), reason });
        }
        json::read(&path)
    }

    /// The markup: the one that is given, or the one that the file of `folder` names.
    ///
    /// # Errors
    /// [`Error::Config`] where it was the caller's own, and none is given.
    pub fn markup(&self, given: Option<Arc<dyn Markup>>, folder: &Path) -> Result<MarkupChoice> {
        match (given, &self.markup) {
            (Some(markup), _) => Ok(MarkupChoice::Own(markup)),
            (None, Some(config)) => Ok(MarkupChoice::Known(config.clone())),
            (None, None) => Err(own(folder, "markup")),
        }
    }

    /// The labels of the classes, with the one that means "no relation".
    ///
    /// # Errors
    /// [`Error::Config`] where there are none, where that one is none of them, or where the logit adjustment has another
    /// number of values.
    pub fn labels(&self, config: &EncoderConfig, folder: &Path) -> Result<LabelSet> {
        let in_file = |field, found, expected: &str| Error::Config {
            path: folder.join(FILE),
            field,
            found,
            expected: expected.to_owned(),
        };
        let labels = labels(config, folder)?;
        let none = self.no_relation.as_deref();
        if let Some(none) = none.filter(|none| labels.id(none).is_none()) {
            return Err(in_file("no_relation", quoted(none), "a label of id2label in config.json"));
        }
        let labels = labels.with_no_relation(none)?;
        if let Some(values) = self.logit_adjustment.as_ref().filter(|values| values.len() != labels.len()) {
            let found = format!("{} numbers", values.len());
            let expected = format!("one for each of the {} classes of id2label in config.json", labels.len());
            return Err(in_file("logit_adjustment", found, &expected));
        }
        Ok(labels)
    }
}

/// The error that a folder was trained with a part of the caller's own, and it is not given.
pub fn own(folder: &Path, part: &'static str) -> Error {
    Error::Config {
        path: folder.join(FILE),
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

/// Loads what lies in a folder while the folder is checked against its manifest.
///
/// # Errors
/// Those of `load`, unless a file has changed, which is then their cause.
pub fn checked<T, E: From<re_data::Error>>(
    folder: &Path,
    load: impl FnOnce() -> Result<T, E>,
) -> Result<(T, Check), E> {
    let check = Check::begin(folder)?;
    match load() {
        Ok(loaded) => Ok((loaded, check)),
        // A file that has changed is the cause of what does not fit.
        Err(error) => Err(check.finish().err().map_or(error, E::from)),
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

/// The encoder of a model's examples; rows never get longer than the position embeddings allow.
///
/// # Errors
/// [`Error::MaxLength`] where they are to; those of [`ExampleEncoder::new`].
pub fn example_encoder(
    tokenizer: Tokenizer,
    markup: &MarkupChoice,
    encoding: EncodeOptions,
    config: &EncoderConfig,
) -> Result<ExampleEncoder> {
    if encoding.max_length > config.max_length() {
        return Err(Error::MaxLength { max_length: encoding.max_length, max: config.max_length() });
    }
    let markup: Arc<dyn Markup> = match markup {
        MarkupChoice::Known(config) => config.build()?.into(),
        MarkupChoice::Own(markup) => Arc::clone(markup),
    };
    Ok(ExampleEncoder::new(tokenizer, markup, encoding)?)
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
        // The first of them that is there: a folder can be of several.
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
///
/// # Errors
/// [`Error::Config`] where it has not.
pub fn check_vocabulary(tokenizer: &Tokenizer, config: &EncoderConfig, folder: &Path) -> Result<()> {
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

/// The outcomes of examples, given what [`ExampleEncoder::encode_rows`] made of them; `probabilities` gives one row of class
/// probabilities for each row that could be encoded.
///
/// # Errors
/// Those of `probabilities`.
pub fn outcomes<E: From<re_data::Error>>(
    labels: &Arc<LabelSet>,
    examples: &[RelationExample],
    encoded: Vec<re_data::Result<Encoded>>,
    probabilities: impl FnOnce(&[Encoded]) -> Result<Array2<f32>, E>,
) -> Result<Outcomes, E> {
    let (mut rows, mut faults) = (Vec::with_capacity(encoded.len()), Vec::with_capacity(encoded.len()));
    for row in encoded {
        faults.push(row.map(|row| rows.push(row)).err());
    }
    let probabilities = probabilities(&rows)?;
    let mut probabilities = probabilities.rows().into_iter();
    let outcomes = examples.iter().zip(faults).map(|(example, fault)| match fault {
        Some(fault) => Err(RowError::new(example.id(), fault)),
        None => {
            let row = probabilities.next().and_then(|row| row.to_slice());
            Ok((example.id().to_owned(), row.unwrap_or_default()))
        }
    });
    Ok(Outcomes::new(Arc::clone(labels), outcomes)?)
}

/// Makes class probabilities of the logits of each row, after adding the adjustment, where there is one.
///
/// # Shapes
/// `[rows, classes]`, and a number for each class.
pub fn probabilities(logits: &mut Array2<f32>, adjustment: Option<&[f32]>) {
    let adjustment = adjustment.unwrap_or_default();
    for mut row in logits.rows_mut() {
        row.iter_mut().zip(adjustment).for_each(|(logit, offset)| *logit += offset);
        softmax(row);
    }
}

/// Softmax in place, shifted by the maximum so that nothing overflows.
fn softmax(mut logits: ArrayViewMut1<'_, f32>) {
    let max = logits.fold(f32::NEG_INFINITY, |max, &logit| max.max(logit));
    logits.mapv_inplace(|logit| (logit - max).exp());
    // One after the other: `Array::sum` adds in another order, and so to other bits.
    let sum: f32 = logits.iter().sum();
    logits /= sum;
}

/// The labels in `id2label` of `config.json`, in class order.
fn labels(config: &EncoderConfig, folder: &Path) -> Result<LabelSet> {
    LabelSet::new(class_names(config, folder)?).map_err(|error| match error {
        re_data::Error::LabelSet { reason, .. } => no_classes(folder, reason),
        other => other.into(),
    })
}

/// The names in `id2label` of `config.json`, in class order.
///
/// # Errors
/// [`Error::Config`] where there are none, or not one for each class.
pub fn class_names(config: &EncoderConfig, folder: &Path) -> Result<Vec<String>> {
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

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn softmax_survives_large_logits() {
        let mut values = array![1000.0, 1000.0, -1000.0];
        softmax(values.view_mut());
        assert_eq!(values, array![0.5, 0.5, 0.0]);
    }

    #[test]
    fn an_adjustment_is_added_before_the_softmax() {
        let mut values = array![[0.0, 0.0], [1.0, 0.0]];
        probabilities(&mut values, Some(&[0.0, 1000.0]));
        assert_eq!(values, array![[0.0, 1.0], [0.0, 1.0]]);
    }
}
