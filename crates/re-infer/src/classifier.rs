//! Trained relation classifiers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ndarray::Array2;
use re_checkpoint::classifier::{self, Settings, check_settings, checked, trained_encoder};
use re_checkpoint::{EncoderConfig, HeadConfig, Precision};
use re_data::predictor::estimated_tokens;
use re_data::{
    Encoded, ExampleEncoder, LabelSet, Markup, Outcomes, PredictError, Predictor, RelationExample,
};

use crate::computing::{Computing, NumberFormat};
use crate::error::{Error, Result};
use crate::head::Head;
use crate::kernel::Kernel;
use crate::model::Model;

/// What a trained folder cannot name, and how to compute.
#[derive(Debug, Clone, Default)]
pub struct InferenceParts {
    /// The markup, where it was the caller's own.
    pub markup: Option<Arc<dyn Markup>>,
    /// The instructions to compute with; the fastest that the processor has where left out.
    pub kernel: Option<Kernel>,
    /// The numbers to compute in. Where left out: whole numbers of eight bits for what is stored so, and for all else what the
    /// model was trained in, bfloat16 only where the processor multiplies it by an instruction of its own.
    pub format: Option<NumberFormat>,
}

/// A trained classifier of relation examples, on the CPU.
///
/// It answers as the classifier of `re-model` that saved its folder, up to rounding. Several threads may use it at once; it divides
/// what one of them asks between the threads of [`rayon`]'s pool, so that a pool of one thread makes it use one core.
///
/// ```no_run
/// use re_data::{ByteSpan, Entity, Predictor, RelationExample};
/// use re_infer::RelationClassifier;
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
    model: Model,
    encoder: Arc<ExampleEncoder>,
    labels: Arc<LabelSet>,
    logit_adjustment: Option<Vec<f32>>,
}

impl RelationClassifier {
    /// Loads a trained folder: a checkpoint of a run, or what `re_model::RelationClassifier::save` wrote.
    ///
    /// Its files are checked against its [`manifest`](re_data::manifest) on a thread of their own. The first answers wait for
    /// the end of that, and are an error where a file has changed since the folder was saved.
    ///
    /// # Errors
    /// Those of reading its files, which name file, tensor or field, what was found and what was expected;
    /// [`Error::OwnHead`] where it was trained with a head that is none of this project's.
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        Self::from_pretrained_with(folder, InferenceParts::default())
    }

    /// Loads a trained folder with a markup of the caller's own, or with other instructions than the fastest.
    ///
    /// # Errors
    /// As [`from_pretrained`](Self::from_pretrained), and those of a markup that is needed and not given.
    pub fn from_pretrained_with(folder: impl AsRef<Path>, parts: InferenceParts) -> Result<Self> {
        let folder = folder.as_ref();
        let computing = |trained| Computing::new(parts.kernel, parts.format, trained);
        let (mut classifier, check) = checked(folder, || Self::load(folder, parts.markup, computing))?;
        classifier.model.set_check(check);
        Ok(classifier)
    }

    /// `computing` says how it computes that was trained in a number format.
    pub(crate) fn load(
        folder: &Path,
        markup: Option<Arc<dyn Markup>>,
        computing: impl FnOnce(Option<Precision>) -> Computing,
    ) -> Result<Self> {
        let settings = Settings::read(folder)?;
        let markup = settings.markup(markup, folder)?;
        let head = settings.head.ok_or_else(|| Error::OwnHead {
            path: folder.join(classifier::FILE),
            expected: "cls, entity_start, entity_mean, r_bert and mention_pair",
        })?;
        let config = EncoderConfig::from_folder(folder)?;
        let labels = settings.labels(&config, folder)?;
        let encoder = trained_encoder(folder, &markup, settings.encoding, &config)?;
        let head: HeadConfig = head.for_markup(encoder.markup());
        let model = Model::open(folder, config, &computing(settings.precision), |config, weights| {
            Head::new(head, config, labels.len(), weights)
        })?;
        let (encoder, labels) = (Arc::new(encoder), Arc::new(labels));
        Ok(Self { model, encoder, labels, logit_adjustment: settings.logit_adjustment })
    }

    /// What turns examples into rows for the classifier in a trained folder, without loading its weights. `markup` is
    /// needed where it was the caller's own.
    ///
    /// # Errors
    /// As [`from_pretrained_with`](Self::from_pretrained_with).
    pub fn trained_encoder(
        folder: impl AsRef<Path>,
        markup: Option<Arc<dyn Markup>>,
    ) -> Result<ExampleEncoder> {
        let folder = folder.as_ref();
        check_settings(folder)?;
        let settings = Settings::read(folder)?;
        let markup = settings.markup(markup, folder)?;
        Ok(trained_encoder(folder, &markup, settings.encoding, &EncoderConfig::from_folder(folder)?)?)
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// What turns examples into rows of tokens.
    pub fn encoder(&self) -> &Arc<ExampleEncoder> {
        &self.encoder
    }

    /// Shape of the encoder.
    pub fn config(&self) -> &EncoderConfig {
        self.model.config()
    }

    /// The instructions that it computes with.
    pub fn kernel(&self) -> Kernel {
        self.model.kernel()
    }

    /// Chooses which of the classes means that there is no relation, if one does.
    ///
    /// # Errors
    /// Those of [`LabelSet::with_no_relation`].
    pub fn set_no_relation(&mut self, name: Option<&str>) -> Result<()> {
        self.labels = Arc::new(LabelSet::clone(&self.labels).with_no_relation(name)?);
        Ok(())
    }

    /// What is added to each class's logit before probabilities are made of them, if anything is.
    pub fn logit_adjustment(&self) -> Option<&[f32]> {
        self.logit_adjustment.as_deref()
    }

    /// Ends predictions of many rows between two batches, with [`Error::Interrupted`], once `stop` is true.
    pub fn stop_when(&mut self, stop: Arc<AtomicBool>) {
        self.model.stop_when(stop);
    }

    /// Class probabilities of encoded rows, `[rows, classes]`.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    pub fn probabilities(&self, rows: &[Encoded]) -> Result<Array2<f32>> {
        let mut values = self.logits(rows)?;
        classifier::probabilities(&mut values, self.logit_adjustment());
        Ok(values)
    }

    /// The model's logits of encoded rows, without adjustment, `[rows, classes]`.
    ///
    /// Rows of similar length share a pass, and rows of equal input their tokens; a row's logits do not depend on its company.
    ///
    /// # Errors
    /// [`Error::TokenId`], [`Error::TooLong`] and the like for rows that another encoder made; [`Error::Interrupted`]
    /// where [`stop_when`](Self::stop_when) was given a flag that is raised; [`Error::FileChanged`] and
    /// [`re_data::Error::Changed`] where the folder's files are not what was saved.
    pub fn logits(&self, rows: &[Encoded]) -> Result<Array2<f32>> {
        let classes = self.labels.len();
        let mut all = Array2::zeros((rows.len(), classes));
        self.model.logits(rows, |found| {
            let values = found.logits.chunks_exact(classes).nth(found.place).unwrap_or_default();
            all.row_mut(found.row).iter_mut().zip(values).for_each(|(slot, value)| *slot = *value);
        })?;
        Ok(all)
    }
}

impl Predictor for RelationClassifier {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        let encoded = self.encoder.encode_rows(examples).0;
        Ok(classifier::outcomes(&self.labels, examples, encoded, |rows| self.probabilities(rows))?)
    }

    fn tokens(&self, example: &RelationExample) -> usize {
        estimated_tokens(example).min(self.encoder.options().max_length)
    }

    fn reads_types(&self) -> bool {
        self.encoder.markup().writes_types()
    }
}
