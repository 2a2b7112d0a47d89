//! A token classifier: tokenizer, model and tags in one, which finds the mentions of texts.

mod folder;

pub use folder::TaggingOptions;

use std::path::Path;
use std::sync::Arc;

pub use re_checkpoint::tagging::PreparedText;
pub(crate) use re_checkpoint::tagging::SCOPE;
use re_checkpoint::tagging::{self, Tagging, places};
use re_data::tags::{TagScheme, TagSet, TagUnit};
use re_data::{Document, Encoded, Mention, PredictError, RowError, Tagger, TextEncoder, WindowOptions};
use tch::Device;

use crate::classifier::{ModelParts, RelationClassifier, check_vocabulary, pretrained, tokenizer_in};
use crate::config::EncoderConfig;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::head::{Head, Tokens};
use crate::inference::{floats, in_batches};
use crate::model::RelationModel;
use crate::parameters::{Builder, LoadReport};
use crate::weights::{Weights, checked};

/// What a new token classifier is made of, besides a checkpoint and the types of mentions.
#[derive(Debug, Clone)]
pub struct TokenClassifierOptions {
    /// How tags say where mentions begin and end.
    pub scheme: TagScheme,
    /// What has a tag.
    pub unit: TagUnit,
    /// How long texts are cut. Where it is left out, windows have 512 tokens, or as many as the encoder takes, and share a
    /// quarter.
    pub windows: Option<WindowOptions>,
    /// How many of the encoder's first layers are used; all where left out.
    pub layers: Option<i64>,
    /// Start from random weights where the folder has none, as tests and demonstrations do.
    pub random_weights: bool,
    /// Seed of everything that starts at random.
    pub seed: u64,
    /// Device of the model.
    pub device: Device,
}

impl Default for TokenClassifierOptions {
    fn default() -> Self {
        Self {
            scheme: TagScheme::default(),
            unit: TagUnit::default(),
            windows: None,
            layers: None,
            random_weights: false,
            seed: 42,
            device: Device::Cpu,
        }
    }
}

/// Finds the mentions of texts by a class for each of their tokens or words.
///
/// Texts of any length are read in windows that overlap, and each token is judged in the one where it has most context.
/// Of all sequences of tags that say something, the most probable one is taken, see [`TagSet::decode`].
///
/// ```no_run
/// use re_data::{Document, Tagger};
/// use re_model::TokenClassifier;
///
/// let tagger = TokenClassifier::from_pretrained("dslim/bert-base-NER")?;
/// let document = Document::new("1", "Marie Curie was born in Warsaw.", Vec::new())?;
/// for mentions in tagger.tag(&[document.clone()])? {
///     let found = Document::new("1", document.text(), mentions?)?;
///     for (number, mention) in found.mentions().iter().enumerate() {
///         println!("{}: {:?} ({:?})", found.surface(number), mention.kind(), mention.score());
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TokenClassifier {
    pub(crate) model: RelationModel,
    encoder: TextEncoder,
    tags: TagSet,
    unit: TagUnit,
}

impl TokenClassifier {
    /// A new token classifier on the encoder in `folder` for mentions of these types, to be trained: its head starts at
    /// random. A trained folder serves as well: it gives its encoder and its tokenizer.
    ///
    /// # Errors
    /// Whatever is wrong with the folder, see [`RelationClassifier::new`](crate::RelationClassifier::new);
    /// [`Error::MaxLength`] where windows are longer than the encoder takes; [`Error::Data`] for types as in
    /// [`TagSet::new`].
    pub fn new<S: AsRef<str>>(
        folder: impl AsRef<Path>,
        kinds: impl IntoIterator<Item = S>,
        options: TokenClassifierOptions,
    ) -> Result<(Self, LoadReport)> {
        let folder = folder.as_ref();
        let tags = TagSet::new(options.scheme, kinds)?;
        let begin = || {
            let (config, weights) = pretrained(folder, options.layers, options.random_weights)?;
            let (device, seed) = (options.device, options.seed);
            let parts = ModelParts { config, weights: weights.as_ref(), device, seed };
            let windows = windows(options.windows, &parts.config)?;
            Self::assemble(parts, folder, windows, tags, options.unit, "")
        };
        let ((mut classifier, report), check) = checked(folder, begin)?;
        classifier.model.set_check(check);
        Ok((classifier, report))
    }

    fn assemble(
        parts: ModelParts<'_>,
        folder: &Path,
        windows: WindowOptions,
        tags: TagSet,
        unit: TagUnit,
        scope: &'static str,
    ) -> Result<(Self, LoadReport)> {
        let ModelParts { config, weights, device, seed } = parts;
        let tokenizer = tokenizer_in(folder)?;
        check_vocabulary(&tokenizer, &config, folder)?;
        let encoder = TextEncoder::new(tokenizer, windows, config.token_types())?;
        let head = head(unit, scope);
        let (model, report) = RelationModel::new(config, weights, tags.len(), head, device, seed)?;
        Ok((Self { model, encoder, tags, unit }, report))
    }

    /// A token classifier on the encoder of `other`, see [`JointModel`](crate::JointModel).
    pub(crate) fn on_encoder_of(
        other: &RelationClassifier,
        weights: Option<&Weights>,
        windows: Option<WindowOptions>,
        tags: TagSet,
        unit: TagUnit,
    ) -> Result<(Self, LoadReport)> {
        let (model, tokenizer) = (other.model(), other.encoder().tokenizer().clone());
        let encoder = TextEncoder::new(
            tokenizer,
            self::windows(windows, model.config())?,
            model.config().token_types(),
        )?;
        let head = head(unit, SCOPE);
        let (model, report) = RelationModel::on_encoder_of(model, weights, tags.len(), head)?;
        Ok((Self { model, encoder, tags, unit }, report))
    }

    /// Takes the encoder of `other` in place of its own, as it is now: the same tensors, not copies. For the parts of a
    /// [`JointModel`](crate::JointModel), whenever the vocabulary of `other` was trimmed or restored.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn share_encoder(&mut self, other: &RelationClassifier) -> Result<()> {
        self.model.share_encoder(other.model())
    }

    /// The model. Its logits are those of tokens, `[T, tags]`, or of their characters, `[T, places * tags]`, see
    /// [`slot`](Self::slot).
    pub fn model(&self) -> &RelationModel {
        &self.model
    }

    /// The model, to change its vocabulary or number format.
    pub fn model_mut(&mut self) -> &mut RelationModel {
        &mut self.model
    }

    /// What turns texts into rows of tokens.
    pub fn encoder(&self) -> &TextEncoder {
        &self.encoder
    }

    /// The tags it chooses from.
    pub fn tags(&self) -> &TagSet {
        &self.tags
    }

    /// What has a tag.
    pub fn unit(&self) -> TagUnit {
        self.unit
    }

    /// Which of the model's rows of [`TagSet::len`] logits judges a unit: the one of a token's position in a row, or
    /// batch, and of the unit's place in that token.
    pub fn slot(&self, position: usize, place: usize) -> usize {
        self.tagging().slot(position, place)
    }

    fn tagging(&self) -> Tagging<'_> {
        Tagging { encoder: &self.encoder, tags: &self.tags, unit: self.unit }
    }

    /// Tokenizes a text and finds its units.
    ///
    /// # Errors
    /// Those of [`TextEncoder::encode`].
    pub fn prepare(&self, text: &str) -> re_data::Result<PreparedText> {
        self.tagging().prepare(text)
    }

    /// The model's logits of encoded rows: for each row, [`TagSet::len`] for each of its tokens, special tokens included,
    /// or for each place of these.
    ///
    /// # Errors
    /// As [`RelationClassifier::logits`](crate::RelationClassifier::logits).
    pub fn logits(&self, rows: &[Encoded]) -> Result<Vec<Vec<f32>>> {
        let mut all = vec![Vec::new(); rows.len()];
        self.each_row(rows, |row, logits| {
            if let Some(slot) = all.get_mut(row) {
                *slot = logits.to_vec();
            }
        })?;
        Ok(all)
    }

    /// Logarithms of the probabilities of the tags of each text's units, flat, [`TagSet::len`] for each unit, as
    /// [`TagSet::decode`] takes them.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    pub fn log_probabilities(&self, texts: &[&PreparedText]) -> Result<Vec<Vec<f32>>> {
        self.tagging().log_probabilities(texts, |rows, each| self.each_row(rows, each))
    }

    /// Calls `each` with the number of each row and the logits of its tokens.
    fn each_row(&self, rows: &[Encoded], mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let width = self.tagging().width();
        self.model.drop_states();
        in_batches(rows, &self.model, |numbers, batch| {
            let logits = floats(&self.model.forward_and_keep(batch)?)?;
            for (&row, tokens) in numbers.iter().zip(batch.row_ranges()) {
                each(row, logits.get(tokens.start * width..tokens.end * width).unwrap_or_default());
            }
            Ok(())
        })?;
        self.model.verify()
    }

    /// The mentions in each of some texts.
    ///
    /// # Errors
    /// As [`logits`](Self::logits), and [`Error::Data`] where a logit is not a number.
    pub fn mentions(&self, texts: &[(&str, &PreparedText)]) -> Result<Vec<Vec<Mention>>> {
        self.tagging().mentions(texts, |rows, each| self.each_row(rows, each))
    }
}

/// What makes the head, from tensors that a file has under `scope`.
fn head(
    unit: TagUnit,
    scope: &'static str,
) -> impl FnOnce(&mut Builder<'_>, &EncoderConfig, i64) -> Result<Box<dyn Head>> {
    move |builder, config, classes| {
        builder.read_under(scope);
        Ok(Box::new(Tokens::new(builder, config, classes, places(unit) as i64)?))
    }
}

/// Windows as long as the encoder takes where nothing is said, and never longer.
fn windows(chosen: Option<WindowOptions>, config: &EncoderConfig) -> Result<WindowOptions> {
    Ok(tagging::windows(chosen, config)?)
}

impl Tagger for TokenClassifier {
    fn kinds(&self) -> &[Arc<str>] {
        self.tags.kinds()
    }

    fn tag(&self, documents: &[Document]) -> Result<Vec<Result<Vec<Mention>, RowError>>, PredictError> {
        Ok(self.tagging().tag(documents, |texts| self.mentions(texts))?)
    }
}
