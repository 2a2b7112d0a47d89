//! A trained relation classifier: tokenizer, markup, model and labels in one.

mod documents;
mod folder;
mod states;
mod stream;

pub use documents::PredictedPairs;
pub(crate) use folder::check_vocabulary;
pub use folder::{
    TrainedParts, check_complete, check_settings, example_encoder, tokenizer_in, trained_encoder,
};
pub use re_checkpoint::classifier::MarkupChoice;
pub use stream::PredictedChunk;

use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use re_checkpoint::classifier;
use re_data::predictor::estimated_tokens;
use re_data::{
    EncodeOptions, Encoded, ExampleEncoder, LabelSet, MarkupConfig, Outcomes, PredictError, Predictor,
    RelationExample,
};
use tch::Device;

use crate::config::EncoderConfig;
use crate::error::{Error, Result};
use crate::head::{BuildHead as _, Head, HeadConfig};
use crate::inference::{in_batches, matrix};
use crate::model::RelationModel;
use crate::parameters::{Builder, LoadReport};
use crate::weights::{Weights, checked};

/// Makes a head for an encoder and a number of classes.
pub type HeadBuilder =
    Box<dyn Fn(&mut Builder<'_>, &EncoderConfig, i64) -> Result<Box<dyn Head>> + Send + Sync>;

/// Which head a classifier has.
pub enum HeadChoice {
    /// One of this crate, stored by name in a trained folder.
    Known(HeadConfig),
    /// One of the caller's, who gives it again when the trained folder is loaded.
    Own(HeadBuilder),
}

/// What a new classifier is made of, besides a checkpoint and labels.
pub struct ClassifierOptions {
    /// How entities are written into the input.
    pub markup: MarkupChoice,
    /// What stands on the encoder.
    pub head: HeadChoice,
    /// Length and truncation. The number of token types is taken from the checkpoint.
    pub encoding: EncodeOptions,
    /// How many of the encoder's first layers are used; all where left out.
    pub layers: Option<i64>,
    /// Start from random weights where the folder has none, as tests and demonstrations do.
    pub random_weights: bool,
    /// Seed of everything that starts at random.
    pub seed: u64,
    /// Device of the model.
    pub device: Device,
}

impl Default for ClassifierOptions {
    fn default() -> Self {
        Self {
            markup: MarkupChoice::Known(MarkupConfig::Plain {}),
            head: HeadChoice::Known(HeadConfig::default()),
            encoding: EncodeOptions::default(),
            layers: None,
            random_weights: false,
            seed: 42,
            device: Device::Cpu,
        }
    }
}

/// Classifies relation examples.
///
/// ```no_run
/// use re_data::{ByteSpan, Entity, Predictor, RelationExample};
/// use re_model::RelationClassifier;
///
/// let classifier = RelationClassifier::from_pretrained("runs/xlmr/checkpoint-001600")?;
/// let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
/// let example = RelationExample::new("1", "Marie loves Pierre.", [entity(0, 5), entity(12, 6)])?;
/// for row in classifier.predict(&[example])?.predictions() {
///     println!("{}: {} ({:.1} %)", row.id, row.label, 100.0 * row.probability);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RelationClassifier {
    model: RelationModel,
    encoder: Arc<ExampleEncoder>,
    labels: Arc<LabelSet>,
    markup: Option<MarkupConfig>,
    head: Option<HeadConfig>,
    logit_adjustment: Option<Vec<f32>>,
}

/// What a model is built from, besides its head.
#[derive(Debug)]
pub struct ModelParts<'a> {
    /// Configuration of the encoder.
    pub config: EncoderConfig,
    /// Weights to begin with; random ones where left out.
    pub weights: Option<&'a Weights>,
    /// Device of the model.
    pub device: Device,
    /// Seed of everything that starts at random.
    pub seed: u64,
}

impl RelationClassifier {
    /// A new classifier on the encoder in `folder`, to be trained: its head starts at random.
    ///
    /// Tokens that the markup needs are added to tokenizer and embeddings, and the token types widened. A trained folder
    /// serves as well: it gives its encoder and its tokenizer.
    ///
    /// # Errors
    /// Whatever is wrong with the folder, see [`Weights::open`], [`EncoderConfig::from_folder`] and [`tokenizer_in`].
    pub fn new(
        folder: impl AsRef<Path>,
        labels: LabelSet,
        options: ClassifierOptions,
    ) -> Result<(Self, LoadReport)> {
        let folder = folder.as_ref();
        let ((mut classifier, report), check) = checked(folder, || Self::begin(folder, labels, options))?;
        classifier.model.set_check(check);
        Ok((classifier, report))
    }

    fn begin(folder: &Path, labels: LabelSet, options: ClassifierOptions) -> Result<(Self, LoadReport)> {
        let (config, weights) = pretrained(folder, options.layers, options.random_weights)?;
        let encoding = EncodeOptions { type_vocab_size: config.token_types(), ..options.encoding };
        // The tokenizer as it was: the tokens that the markup adds are new to the model, too.
        let mut tokenizer = tokenizer_in(folder)?;
        let encoder = example_encoder(tokenizer.clone(), &options.markup, encoding, &config)?;
        let model =
            ModelParts { config, weights: weights.as_ref(), device: options.device, seed: options.seed };
        let (mut classifier, report) = Self::assemble(model, encoder, labels, options.markup, options.head)?;
        let tokens = classifier.encoder.markup().tokens();
        let types = classifier.encoder.required_type_vocab_size();
        classifier.model.extend_vocabulary(&mut tokenizer, &tokens, types)?;
        Ok((classifier, report))
    }

    fn assemble(
        parts: ModelParts<'_>,
        encoder: ExampleEncoder,
        labels: LabelSet,
        markup: MarkupChoice,
        head: HeadChoice,
    ) -> Result<(Self, LoadReport)> {
        let head = match head {
            HeadChoice::Known(head) => HeadChoice::Known(head.for_markup(encoder.markup())),
            own => own,
        };
        let build = |builder: &mut Builder<'_>, config: &EncoderConfig, classes| match &head {
            HeadChoice::Known(head) => head.build(builder, config, classes),
            HeadChoice::Own(make) => make(builder, config, classes),
        };
        let ModelParts { config, weights, device, seed } = parts;
        let (model, report) = RelationModel::new(config, weights, labels.len(), build, device, seed)?;
        let markup = match markup {
            MarkupChoice::Known(config) => Some(config),
            MarkupChoice::Own(_) => None,
        };
        let head = match head {
            HeadChoice::Known(config) => Some(config),
            HeadChoice::Own(_) => None,
        };
        let (encoder, labels) = (Arc::new(encoder), Arc::new(labels));
        Ok((Self { model, encoder, labels, markup, head, logit_adjustment: None }, report))
    }

    /// The model.
    pub fn model(&self) -> &RelationModel {
        &self.model
    }

    /// What turns examples into rows of tokens.
    pub fn encoder(&self) -> &Arc<ExampleEncoder> {
        &self.encoder
    }

    /// The model, to change its vocabulary.
    pub fn model_mut(&mut self) -> &mut RelationModel {
        &mut self.model
    }

    /// Says which class, or none, means "no relation", where training did not know it. It is saved with the classifier.
    ///
    /// # Errors
    /// [`Error::Data`] where `name` is none of its labels.
    pub fn set_no_relation(&mut self, name: Option<&str>) -> Result<()> {
        self.labels = Arc::new(LabelSet::clone(&self.labels).with_no_relation(name)?);
        Ok(())
    }

    /// What is added to each class's logit before probabilities are made of them, if anything is.
    pub fn logit_adjustment(&self) -> Option<&[f32]> {
        self.logit_adjustment.as_deref()
    }

    /// Chooses what is added to each class's logit before probabilities are made of them: with `-tau ln(share)` of
    /// the class among the training rows, the logit adjustment of Menon et al., "Long-tail learning via logit
    /// adjustment" (2021). It is saved with the classifier; training and [`logits`](Self::logits) do not see it.
    ///
    /// # Errors
    /// [`Error::Data`] where there is not one finite number for each class.
    pub fn set_logit_adjustment(&mut self, adjustment: Option<Vec<f32>>) -> Result<()> {
        let fits =
            |values: &Vec<f32>| values.len() == self.labels.len() && values.iter().all(|v| v.is_finite());
        if let Some(values) = adjustment.as_ref().filter(|values| !fits(values)) {
            return Err(Error::Data(re_data::Error::Argument {
                name: "logit_adjustment",
                found: format!("{values:?} for {} classes", self.labels.len()),
                expected: "one finite number for each class",
            }));
        }
        self.logit_adjustment = adjustment;
        Ok(())
    }

    /// The classes it chooses from.
    pub fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// The outcomes of `examples`, given what [`ExampleEncoder::encode_rows`] made of them.
    fn outcomes_of(
        &self,
        examples: &[RelationExample],
        encoded: Vec<re_data::Result<Encoded>>,
    ) -> Result<Outcomes> {
        classifier::outcomes(&self.labels, examples, encoded, |rows| self.probabilities(rows))
    }

    /// Class probabilities of encoded rows, `[rows, classes]`.
    ///
    /// # Errors
    /// As [`RelationClassifier::logits`].
    pub fn probabilities(&self, rows: &[Encoded]) -> Result<Array2<f32>> {
        let mut values = self.logits(rows)?;
        classifier::probabilities(&mut values, self.logit_adjustment());
        Ok(values)
    }

    /// The model's logits of encoded rows, without adjustment, `[rows, classes]`.
    ///
    /// Rows of similar length share a forward pass; a row's logits do not depend on its company beyond
    /// rounding in the last bits.
    ///
    /// # Errors
    /// [`Error::TokenId`], [`Error::TooLong`] and the like for rows that another encoder made; [`Error::Data`] where a head of
    /// the caller's gives logits of another shape; [`Error::Interrupted`]
    /// where [`RelationModel::stop_when`] was given a flag that is raised; those of
    /// [`RelationModel::verify`].
    pub fn logits(&self, rows: &[Encoded]) -> Result<Array2<f32>> {
        let _guard = tch::no_grad_guard();
        let classes = self.labels.len();
        let mut all = Array2::zeros((rows.len(), classes));
        in_batches(rows, &self.model, |numbers, batch| {
            let logits = self.model.forward_on_kept(batch)?;
            let logits = matrix(&logits, numbers.len(), classes, "Head::forward")?;
            for (&row, values) in numbers.iter().zip(logits.rows()) {
                all.row_mut(row).assign(&values);
            }
            Ok(())
        })?;
        self.model.verify()?;
        Ok(all)
    }
}

impl Predictor for RelationClassifier {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        Ok(self.outcomes_of(examples, self.encoder.encode_rows(examples).0)?)
    }

    fn tokens(&self, example: &RelationExample) -> usize {
        estimated_tokens(example).min(self.encoder.options().max_length)
    }

    fn reads_types(&self) -> bool {
        self.encoder.markup().writes_types()
    }
}

/// Configuration and weights of a pretrained folder: its first `layers` layers, and no weights where it has none and
/// may start at random.
///
/// # Errors
/// Those of [`EncoderConfig::from_folder`] and [`Weights::open`].
pub fn pretrained(
    folder: &Path,
    layers: Option<i64>,
    random_weights: bool,
) -> Result<(EncoderConfig, Option<Weights>)> {
    let mut config = EncoderConfig::from_folder(folder)?;
    if let Some(layers) = layers {
        config.keep_layers(layers, folder)?;
    }
    match Weights::open(folder) {
        Err(Error::NoWeights { .. }) if random_weights => Ok((config, None)),
        weights => Ok((config, Some(weights?))),
    }
}
