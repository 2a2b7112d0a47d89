//! Trained token classifiers, which find the mentions of texts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use re_checkpoint::classifier::{check_vocabulary, checked, tokenizer_in};
pub use re_checkpoint::tagging::PreparedText;
use re_checkpoint::tagging::{Settings, Tagging, places, tags_of, windows_of};
use re_checkpoint::{EncoderConfig, Precision};
use re_data::tags::{TagScheme, TagSet, TagUnit};
use re_data::{Document, Encoded, Mention, PredictError, RowError, Tagger, TextEncoder, WindowOptions};

use crate::computing::{Computing, NumberFormat};
use crate::error::Result;
use crate::head::Head;
use crate::kernel::Kernel;
use crate::model::Model;

/// How a trained token classifier is used, where that is not to be as its folder says. Folders of others say nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct TaggingOptions {
    /// How the tags are read; as their names say where left out, which read [`TagScheme::Iob1`] as [`TagScheme::Bio`].
    pub scheme: Option<TagScheme>,
    /// What has a tag; each token where neither this nor the folder says it.
    pub unit: Option<TagUnit>,
    /// How long texts are cut; in windows of 512 tokens, or as many as the encoder takes, where neither this nor the folder
    /// says it.
    pub windows: Option<WindowOptions>,
    /// The instructions to compute with; the fastest that the processor has where left out.
    pub kernel: Option<Kernel>,
    /// The numbers to compute in, by the rule of [`InferenceParts::format`](crate::InferenceParts::format).
    pub format: Option<NumberFormat>,
}

/// Finds the mentions of texts by a class for each of their tokens, words or characters, on the CPU.
///
/// It answers as the token classifier of `re-model` on the same folder, up to rounding. Texts of any length are read in windows
/// that overlap, and each token is judged in the one where it has most context.
///
/// ```no_run
/// use re_data::{Document, Tagger};
/// use re_infer::TokenClassifier;
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
    model: Model,
    encoder: TextEncoder,
    tags: TagSet,
    unit: TagUnit,
}

impl TokenClassifier {
    /// Loads a token classifier: a checkpoint of a run, what `re_model::TokenClassifier::save` wrote, or any folder that
    /// `AutoModelForTokenClassification` of `transformers` loads, with the tags that its `id2label` names.
    ///
    /// Files are checked as those of [`RelationClassifier::from_pretrained`](crate::RelationClassifier::from_pretrained).
    ///
    /// # Errors
    /// Those of reading its files, which name file, tensor or field, what was found and what was expected.
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        Self::from_pretrained_with(folder, TaggingOptions::default())
    }

    /// As [`from_pretrained`](Self::from_pretrained), and says how it is used.
    ///
    /// # Errors
    /// As there, and where windows are longer than the encoder takes.
    pub fn from_pretrained_with(folder: impl AsRef<Path>, options: TaggingOptions) -> Result<Self> {
        let folder = folder.as_ref();
        let (mut classifier, check) = checked(folder, || {
            Self::load(folder, options, |trained| Computing::new(options.kernel, options.format, trained))
        })?;
        classifier.model.set_check(check);
        Ok(classifier)
    }

    /// `computing` is as in [`RelationClassifier::load`](crate::RelationClassifier).
    pub(crate) fn load(
        folder: &Path,
        options: TaggingOptions,
        computing: impl FnOnce(Option<Precision>) -> Computing,
    ) -> Result<Self> {
        let config = EncoderConfig::from_folder(folder)?;
        let settings = Settings::read(folder)?;
        let windows = windows_of(options.windows, settings.as_ref(), &config, folder)?;
        let (tags, scope) = tags_of(options.scheme, settings.as_ref(), &config, folder)?;
        let trained = settings.as_ref().and_then(|settings| settings.precision);
        let unit = options.unit.or(settings.map(|settings| settings.unit)).unwrap_or_default();
        let tokenizer = tokenizer_in(folder)?;
        check_vocabulary(&tokenizer, &config, folder)?;
        let encoder = TextEncoder::new(tokenizer, windows, config.token_types())?;
        let model = Model::open(folder, config, &computing(trained), |config, weights| {
            Head::tokens(config, tags.len(), places(unit), scope, weights)
        })?;
        Ok(Self { model, encoder, tags, unit })
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// What turns texts into rows of tokens.
    pub fn encoder(&self) -> &TextEncoder {
        &self.encoder
    }

    /// The tags it chooses from.
    pub fn tags(&self) -> &TagSet {
        &self.tags
    }

    /// Logits of a token.
    pub(crate) fn width(&self) -> usize {
        self.tagging().width()
    }

    /// What has a tag.
    pub fn unit(&self) -> TagUnit {
        self.unit
    }

    /// Ends the tagging of many texts between two batches, with [`Error::Interrupted`](crate::Error::Interrupted), once
    /// `stop` is true.
    pub fn stop_when(&mut self, stop: Arc<AtomicBool>) {
        self.model.stop_when(stop);
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
    /// or for each place of these, see [`Tagging::slot`].
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

    /// The mentions in each of some texts.
    ///
    /// # Errors
    /// As [`logits`](Self::logits), and [`Error::Data`](crate::Error::Data) where a logit is not a number.
    pub fn mentions(&self, texts: &[(&str, &PreparedText)]) -> Result<Vec<Vec<Mention>>> {
        self.tagging().mentions(texts, |rows, each| self.each_row(rows, each))
    }

    /// Calls `each` with the number of each row and the logits of its tokens.
    fn each_row(&self, rows: &[Encoded], mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        let width = self.tagging().width();
        self.model.logits(rows, |found| {
            let range = found.tokens.start * width..found.tokens.end * width;
            each(found.row, found.logits.get(range).unwrap_or_default());
        })
    }
}

impl Tagger for TokenClassifier {
    fn kinds(&self) -> &[Arc<str>] {
        self.tags.kinds()
    }

    fn tag(&self, documents: &[Document]) -> Result<Vec<Result<Vec<Mention>, RowError>>, PredictError> {
        Ok(self.tagging().tag(documents, |texts| self.mentions(texts))?)
    }
}
