//! Folders a quarter of the size: weights in whole numbers of eight bits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use re_checkpoint::classifier::{FILE, Settings, TOKEN_FILE};
use re_checkpoint::tensors::{Dtype, in_folder};
use re_checkpoint::{EncoderConfig, Precision, StoredTensor, TensorFile};
use re_data::files::{self, NewFolder};
use re_data::predict::argmax;
use re_data::{Document, Encoded, Predictor, RelationExample, manifest};
use safetensors::View;
use serde::Serialize;

use crate::classifier::RelationClassifier;
use crate::computing::{Computing, LayerProduct};
use crate::error::{Error, Result};
use crate::kernel::packed::whole_numbers;
use crate::token_classifier::{TaggingOptions, TokenClassifier};
use crate::weights::{open, scales_of};

/// The files of a checkpoint that only training reads.
const OF_TRAINING: [&str; 2] = ["optimizer.safetensors", "trainer_state.json"];

/// Rows that tell how much a quantized model disagrees with the model.
#[derive(Debug, Clone, Copy)]
pub enum QuantizeRows<'a> {
    /// For a relation classifier. With labels, the accuracy of both models is measured, too.
    Examples(&'a [RelationExample]),
    /// For a token classifier; of each, the text is looked at.
    Documents(&'a [Document]),
}

/// What a quantized model must be like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantizeOptions {
    /// Least share of rows, or of tokens, whose most probable class stays the same, 0 to 1. Products of layers are kept in floats,
    /// the most sensitive first, until it is reached.
    pub agreement: f64,
}

impl Default for QuantizeOptions {
    fn default() -> Self {
        Self { agreement: 0.995 }
    }
}

/// What quantizing a model has changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantizeReport {
    /// Rows, or tokens, that were looked at.
    pub rows: usize,
    /// Share of these whose most probable class stays the same.
    pub agreement: f64,
    /// Share of the labelled rows whose most probable class is right, of the model and of the quantized one; none where no row has
    /// a label of the model's.
    pub accuracy: Option<[f64; 2]>,
    /// Products of layers that are kept in floats.
    pub kept: Vec<LayerProduct>,
    /// Agreement with each of the products alone in eight bits, where that was measured.
    pub alone: Vec<(LayerProduct, f64)>,
    /// Bytes of the weights' files, of the model and of the quantized one.
    pub bytes: [u64; 2],
}

/// Writes into `output`, which is created, the model in `folder` with weights in whole numbers of eight bits: those of the products
/// of layers ([`LayerProduct`]) with a scale for each result, and the word embeddings with one for each token.
///
/// [`RelationClassifier`] and [`TokenClassifier`] open such a folder as any other.
///
/// # Errors
/// Those of opening `folder`; [`Error::Rows`] where the rows are not for its model, or there are none; those of encoding them
/// and of writing.
pub fn quantize(
    folder: impl AsRef<Path>,
    output: impl AsRef<Path>,
    rows: QuantizeRows<'_>,
    options: &QuantizeOptions,
) -> Result<QuantizeReport> {
    let (folder, output) = (folder.as_ref(), output.as_ref());
    let model = Opened::new(folder, rows, |trained| Computing::new(None, None, trained))?;
    let sample = model.sample(rows)?;
    let before = model.choices(&sample)?;
    if before.is_empty() {
        return Err(Error::Rows { found: "no row", expected: "rows that the model answers" });
    }
    drop(model);
    let choices = |kept: &[LayerProduct]| {
        Opened::new(folder, rows, |trained| Computing::quantized(trained, kept))?.choices(&sample)
    };
    let (mut kept, mut alone) = (Vec::new(), Vec::new());
    let mut agreement = share_of_equals(&before, &choices(&kept)?);
    if agreement < options.agreement {
        for product in LayerProduct::ALL {
            let others = LayerProduct::ALL.into_iter().filter(|other| *other != product);
            alone.push((product, share_of_equals(&before, &choices(&others.collect::<Vec<_>>())?)));
        }
        let mut order = alone.clone();
        order.sort_by(|(_, left), (_, right)| left.total_cmp(right));
        for (product, _) in order {
            if agreement >= options.agreement {
                break;
            }
            kept.push(product);
            agreement = share_of_equals(&before, &choices(&kept)?);
        }
    }
    let bytes = write(folder, output, &kept)?;
    let after = Opened::new(output, rows, |trained| Computing::new(None, None, trained))?.choices(&sample)?;
    Ok(QuantizeReport {
        rows: before.len(),
        agreement: share_of_equals(&before, &after),
        accuracy: sample.accuracy(&before).zip(sample.accuracy(&after)).map(|(left, right)| [left, right]),
        kept,
        alone,
        bytes,
    })
}

/// Whether [`quantize`] wrote the weights in `folder`.
pub fn is_quantized(folder: impl AsRef<Path>) -> bool {
    // What is wrong with weights is told by those who open them.
    let Ok(Some((_, files))) = in_folder(folder.as_ref()) else { return false };
    let of_bytes = |file: &TensorFile| {
        let mut names = file.names().into_iter();
        names.any(|name| file.tensor(&name).is_some_and(|tensor| tensor.dtype == Dtype::I8))
    };
    files.iter().any(of_bytes)
}

/// Share of places that have the same in both.
fn share_of_equals(left: &[usize], right: &[usize]) -> f64 {
    let same = left.iter().zip(right).filter(|(left, right)| left == right).count();
    same as f64 / left.len().max(1) as f64
}

enum Opened {
    Relations(Box<RelationClassifier>),
    Tokens(Box<TokenClassifier>),
}

/// Encoded rows, and the class of each that has one.
struct Sample {
    rows: Vec<Encoded>,
    gold: Vec<Option<usize>>,
}

impl Sample {
    fn accuracy(&self, choices: &[usize]) -> Option<f64> {
        let known: Vec<bool> =
            self.gold.iter().zip(choices).filter_map(|(gold, found)| Some((*gold)? == *found)).collect();
        let right = known.iter().filter(|right| **right).count();
        (!known.is_empty()).then(|| right as f64 / known.len() as f64)
    }
}

impl Opened {
    fn new(
        folder: &Path,
        rows: QuantizeRows<'_>,
        computing: impl FnOnce(Option<Precision>) -> Computing,
    ) -> Result<Self> {
        let relations = files::is_file(folder.join(FILE))?;
        match rows {
            QuantizeRows::Examples(_) if relations => {
                Ok(Self::Relations(Box::new(RelationClassifier::load(folder, None, computing)?)))
            }
            QuantizeRows::Examples(_) if files::is_file(folder.join(TOKEN_FILE))? => {
                Err(Error::Rows { found: "rows with two entities", expected: "documents, for a tagger" })
            }
            QuantizeRows::Documents(_) if relations && !files::is_file(folder.join(TOKEN_FILE))? => {
                Err(Error::Rows { found: "documents", expected: "rows with two entities, for a classifier" })
            }
            QuantizeRows::Examples(_) => {
                // Says what the folder lacks.
                Settings::read(folder)?;
                Err(Error::Rows { found: "rows with two entities", expected: "documents" })
            }
            QuantizeRows::Documents(_) => {
                let options = TaggingOptions::default();
                Ok(Self::Tokens(Box::new(TokenClassifier::load(folder, options, computing)?)))
            }
        }
    }

    fn sample(&self, rows: QuantizeRows<'_>) -> Result<Sample> {
        match (self, rows) {
            (Self::Relations(classifier), QuantizeRows::Examples(examples)) => {
                let (rows, _) = classifier.encoder().encode_batch(examples)?;
                let labels = classifier.labels();
                let class = |example: &RelationExample| labels.id(example.label()?);
                Ok(Sample { rows, gold: examples.iter().map(class).collect() })
            }
            (Self::Tokens(classifier), QuantizeRows::Documents(documents)) => {
                let mut rows = Vec::new();
                for document in documents {
                    rows.extend(classifier.encoder().encode(document.text())?.rows);
                }
                Ok(Sample { rows, gold: Vec::new() })
            }
            _ => Ok(Sample { rows: Vec::new(), gold: Vec::new() }),
        }
    }

    /// The most probable class of each row, or of each place of its tokens.
    fn choices(&self, sample: &Sample) -> Result<Vec<usize>> {
        let (model, classes, width, of_tokens) = match self {
            Self::Relations(classifier) => {
                let classes = classifier.labels().len();
                (classifier.model(), classes, classes, false)
            }
            Self::Tokens(classifier) => {
                (classifier.model(), classifier.tags().len(), classifier.width(), true)
            }
        };
        let mut found: Vec<Vec<usize>> = vec![Vec::new(); sample.rows.len()];
        model.logits(&sample.rows, |row| {
            let range = if of_tokens { row.tokens } else { row.place..row.place + 1 };
            let logits = row.logits.get(range.start * width..range.end * width).unwrap_or_default();
            if let Some(slot) = found.get_mut(row.row) {
                *slot = logits.chunks_exact(classes.max(1)).map(argmax).collect();
            }
        })?;
        Ok(found.concat())
    }
}

/// Writes the folder; the bytes of the weights before and after.
fn write(folder: &Path, output: &Path, kept: &[LayerProduct]) -> Result<[u64; 2]> {
    let config = EncoderConfig::from_folder(folder)?;
    let (_, weights) = open(folder)?;
    let before = weights.iter().map(|file| file.map().len() as u64).sum();
    let new = NewFolder::create_with_parents(output)?;
    let tensors = tensors(&weights, |name| in_bytes(&config, name, kept));
    let path = new.path().join(re_checkpoint::tensors::SINGLE);
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(tensors, Some(metadata))
        .map_err(|error| re_data::Error::io(&path, std::io::Error::other(error)))?;
    files::write(&path, &bytes)?;
    for path in files::entries(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with("model.safetensors")
            || OF_TRAINING.contains(&name)
            || name == manifest::FILE
            || !files::is_file(&path)?
        {
            continue;
        }
        files::copy(&path, new.path().join(name))?;
    }
    manifest::write(new.path())?;
    new.commit()?;
    Ok([before, bytes.len() as u64])
}

/// Whether a tensor is stored in whole numbers.
fn in_bytes(config: &EncoderConfig, name: &str, kept: &[LayerProduct]) -> bool {
    let Some(name) = name.strip_suffix(".weight") else { return false };
    if name.ends_with("embeddings.word_embeddings") {
        return true;
    }
    let Some((_, layer)) = name.split_once("encoder.layer.") else { return false };
    let Some((_, part)) = layer.split_once('.') else { return false };
    let names = config.layer_names();
    let products = [
        (names.query, LayerProduct::Query),
        (names.key, LayerProduct::KeyValue),
        (names.value, LayerProduct::KeyValue),
        (names.attention_output, LayerProduct::AttentionOutput),
        ("intermediate.dense", LayerProduct::Intermediate),
        ("output.dense", LayerProduct::Output),
    ];
    products.iter().any(|(known, product)| *known == part && !kept.contains(product))
}

/// A tensor to be written.
enum Tensor<'a> {
    AsItIs(StoredTensor<'a>),
    /// The whole numbers of a matrix of floats.
    Numbers(Matrix<'a>),
    /// The scales of its rows.
    Scales(Matrix<'a>),
}

/// A matrix in a file.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    shape: &'a [usize],
    bytes: &'a [u8],
}

impl Matrix<'_> {
    /// The whole numbers of each row, and their scale.
    fn rounded(&self) -> impl Iterator<Item = (Vec<i8>, f32)> {
        let width = self.shape.get(1).copied().unwrap_or(1).max(1);
        self.bytes.as_chunks().0.chunks(width).map(|row| {
            let row: Vec<f32> = row.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            let mut numbers = vec![0; row.len()];
            let scale = whole_numbers(&row, &mut numbers);
            (numbers, scale)
        })
    }
}

fn tensors<'a>(files: &'a [TensorFile], in_bytes: impl Fn(&str) -> bool) -> BTreeMap<String, Tensor<'a>> {
    let mut all = BTreeMap::new();
    for file in files {
        for name in file.names() {
            let Some(tensor) = file.tensor(&name) else { continue };
            match (tensor.shape, tensor.dtype) {
                (shape @ [_, _], Dtype::F32) if in_bytes(&name) => {
                    let matrix = Matrix { shape, bytes: tensor.bytes };
                    all.insert(scales_of(&name), Tensor::Scales(matrix));
                    all.insert(name, Tensor::Numbers(matrix));
                }
                _ => _ = all.insert(name, Tensor::AsItIs(tensor)),
            }
        }
    }
    all
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::AsItIs(tensor) => tensor.dtype,
            Self::Numbers(_) => Dtype::I8,
            Self::Scales(_) => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::AsItIs(tensor) => tensor.shape,
            Self::Numbers(matrix) => matrix.shape,
            Self::Scales(matrix) => matrix.shape.get(..1).unwrap_or_default(),
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::AsItIs(tensor) => tensor.bytes.into(),
            Self::Numbers(matrix) => {
                let numbers =
                    matrix.rounded().flat_map(|(numbers, _)| numbers.into_iter().map(i8::cast_unsigned));
                numbers.collect::<Vec<u8>>().into()
            }
            Self::Scales(matrix) => {
                let scales = matrix.rounded().flat_map(|(_, scale)| scale.to_le_bytes());
                scales.collect::<Vec<u8>>().into()
            }
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::AsItIs(tensor) => tensor.bytes.len(),
            Self::Numbers(matrix) => matrix.bytes.len() / 4,
            Self::Scales(matrix) => 4 * matrix.shape.first().copied().unwrap_or(0),
        }
    }
}
