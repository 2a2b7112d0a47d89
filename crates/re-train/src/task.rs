//! Training a relation classifier.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;
use re_data::metrics::{Metrics, cross_entropy};
use re_data::random::fnv1a;
use re_data::{Batch, EncodeReport, Encoded, ExampleEncoder, Probabilities, RelationExample};
use re_ensemble::Prior;
use re_formats::Augmentation;
use re_model::parameters::Parameters;
use re_model::{Masks, Mode, RelationClassifier, TokenBatch};
use tch::Tensor;

use crate::config::{Metric, TrainConfig};
use crate::error::{Error, Result};
use crate::hash::{mix, words};
use crate::loss::{Loss, LossConfig, OwnLoss};
use crate::observer::Evaluation;
use crate::trainer::Task;
use crate::variants::{AugmentationReport, Survey, Variants};

/// A metric of the caller's own, by which the best step is chosen.
pub trait OwnMetric: fmt::Debug + Send + Sync {
    /// What settings and messages call it.
    fn name(&self) -> &str;

    /// How well `probabilities` fit the gold classes of their rows, higher is better.
    fn of(&self, gold: &[usize], probabilities: &Probabilities) -> f64;
}

/// Labelled examples as rows of tokens with their classes.
#[derive(Debug, Clone, Default)]
pub struct LabelledRows {
    ids: Vec<String>,
    rows: Vec<Encoded>,
    classes: Vec<usize>,
    /// The text of each row, see [`text_number`].
    texts: Vec<usize>,
    variants: Option<Arc<Variants>>,
}

impl LabelledRows {
    /// Encodes `examples`, all of which must have a label that the classifier knows.
    ///
    /// # Errors
    /// [`re_data::Error::MissingLabel`], [`re_data::Error::UnknownLabel`], and those of encoding.
    pub fn new(
        classifier: &RelationClassifier,
        examples: &[RelationExample],
    ) -> Result<(Self, EncodeReport)> {
        let classes = examples
            .iter()
            .map(|example| {
                let class = classifier.labels().class_of(example)?;
                class.ok_or_else(|| re_data::Error::MissingLabel { id: example.id().to_owned() })
            })
            .collect::<Result<_, _>>()?;
        let (rows, report) = classifier.encoder().encode_batch(examples)?;
        let ids = examples.iter().map(|example| example.id().to_owned()).collect();
        let texts = examples.iter().map(|example| text_number(example.text())).collect();
        Ok((Self { ids, rows, classes, texts, variants: None }, report))
    }

    /// As [`LabelledRows::new`], for rows that are varied anew in each epoch that trains on them. Evaluations see the
    /// rows as they are.
    ///
    /// # Errors
    /// As [`LabelledRows::new`].
    pub fn augmented(
        classifier: &RelationClassifier,
        examples: Vec<RelationExample>,
        augmentation: Augmentation,
    ) -> Result<(Self, EncodeReport)> {
        let (rows, report) = Self::new(classifier, &examples)?;
        let variants = Some(Arc::new(Variants::new(examples, augmentation)));
        Ok((Self { variants, ..rows }, report))
    }

    /// The rows with these numbers as an epoch sees them.
    fn of_epoch(&self, encoder: &ExampleEncoder, epoch: u64, rows: &[usize]) -> Vec<Cow<'_, Encoded>> {
        let Some(variants) = &self.variants else {
            return rows.iter().filter_map(|&row| self.rows.get(row)).map(Cow::Borrowed).collect();
        };
        let see = |&row: &usize| {
            let original = self.rows.get(row)?;
            let varied = variants.row(encoder, epoch, row, original);
            Some(varied.map_or(Cow::Borrowed(original), Cow::Owned))
        };
        rows.par_iter().filter_map(see).collect()
    }

    /// Number of rows of each of `classes` classes.
    fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &class in &self.classes {
            if let Some(count) = counts.get_mut(class) {
                *count += 1;
            }
        }
        counts
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows of tokens.
    pub fn rows(&self) -> &[Encoded] {
        &self.rows
    }

    /// Class of each row.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }
}

/// A number that a text has in whatever rows it stands.
pub(crate) fn text_number(text: &str) -> usize {
    fnv1a(text.as_bytes()) as usize
}

/// A relation classifier with the rows it is trained and evaluated on.
#[derive(Debug)]
pub struct ClassificationTask {
    pub(crate) classifier: RelationClassifier,
    train: LabelledRows,
    validation: LabelledRows,
    loss: Loss,
    survey: Option<Survey>,
    metric: Option<Arc<dyn OwnMetric>>,
}

impl ClassificationTask {
    /// A task that trains `classifier` on `train`; `validation` may be empty, `config` is the trainer's.
    ///
    /// Where the rows are augmented, all variants that the training will see are gone through at once: their tokens
    /// have to be known before the vocabulary is trimmed, and a checkpoint is continued on the same variants alone.
    ///
    /// # Errors
    /// [`Error::Config`] where a setting is out of range, [`re_model::Error::TokenId`] where the
    /// rows were encoded for another model.
    pub fn new(
        mut classifier: RelationClassifier,
        train: LabelledRows,
        validation: LabelledRows,
        config: &TrainConfig,
    ) -> Result<Self> {
        config.check()?;
        classifier.model_mut().set_precision(config.precision());
        let counts = train.counts(classifier.labels().len());
        let loss = Loss::new(config.loss, &counts, classifier.model().device())?
            .with_label_smoothing(config.label_smoothing)
            .with_r_drop(config.r_drop_alpha);
        if config.logit_adjustment > 0.0 {
            let adjustment = logit_adjustment(&classifier, &counts, config.logit_adjustment)?;
            classifier.set_logit_adjustment(Some(adjustment))?;
        }
        let survey = train.variants.as_ref().map(|variants| {
            let epochs = config.total_steps(train.len()).div_ceil(config.steps_per_epoch(train.len()).max(1));
            variants.survey(classifier.encoder(), &train.rows, epochs)
        });
        let mut task = Self { classifier, train, validation, loss, survey, metric: None };
        if config.trim_vocabulary {
            let ids: Vec<u32> = task.ids().collect();
            task.classifier.model_mut().trim_vocabulary(ids)?;
        }
        Ok(task)
    }

    /// The ids of all tokens that are read.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        let rows = self.train.rows.iter().chain(&self.validation.rows).flat_map(|row| &row.ids);
        rows.chain(self.survey.iter().flat_map(|survey| &survey.ids)).copied()
    }

    /// Trains with a loss of the caller's own, in place of the one that the settings name. R-Drop goes with it.
    ///
    /// # Errors
    /// [`Error::Config`] where `config` asks for something else than plain cross entropy, which it takes the place of.
    pub fn with_loss(self, loss: Arc<dyn OwnLoss>, config: &TrainConfig) -> Result<Self> {
        let plain = config.loss == LossConfig::default();
        if !plain || config.label_smoothing > 0.0 {
            let (key, found) = match plain {
                false => ("loss", format!("{:?}", config.loss)),
                true => ("label_smoothing", config.label_smoothing.to_string()),
            };
            let expected = format!("cross entropy without smoothing beside the loss {}", loss.name());
            return Err(Error::config(key, found, expected));
        }
        Ok(Self { loss: Loss::own(loss).with_r_drop(config.r_drop_alpha), ..self })
    }

    /// Chooses steps by a metric of the caller's own, in place of [`TrainConfig::metric`].
    #[must_use]
    pub fn with_metric(self, metric: Arc<dyn OwnMetric>) -> Self {
        Self { metric: Some(metric), ..self }
    }

    /// Ends an evaluation between two batches once `stop` is true, which
    /// [`Trainer::stop_when`](crate::Trainer::stop_when) is given, too.
    #[must_use]
    pub fn stop_when(mut self, stop: Arc<AtomicBool>) -> Self {
        self.classifier.model_mut().stop_when(stop);
        self
    }

    /// What augmentation does to the training rows, where they are augmented.
    pub fn augmentation_report(&self) -> Option<&AugmentationReport> {
        self.survey.as_ref().map(|survey| &survey.report)
    }

    /// The classifier in its present state.
    pub fn classifier(&self) -> &RelationClassifier {
        &self.classifier
    }

    /// Ends the task and gives the classifier back, with its whole vocabulary.
    ///
    /// # Errors
    /// [`re_model::Error::Torch`] where memory for it is lacking.
    pub fn into_classifier(mut self) -> Result<RelationClassifier> {
        self.classifier.model_mut().restore_vocabulary()?;
        Ok(self.classifier)
    }

    fn classes(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().filter_map(|&row| self.train.classes.get(row).copied()).collect()
    }
}

/// What is added to each logit. Each class counts one row more than it has, so that none is without share.
fn logit_adjustment(classifier: &RelationClassifier, counts: &[usize], tau: f64) -> Result<Vec<f32>> {
    let counts: Vec<f64> = counts.iter().map(|&count| count as f64 + 1.0).collect();
    let prior = Prior::new(Arc::clone(classifier.labels()), &counts)?;
    Ok(prior.logit_adjustment(tau)?.into_iter().map(|offset| offset as f32).collect())
}

impl Task for ClassificationTask {
    fn parameters(&self) -> &Parameters {
        self.classifier.model().parameters()
    }

    fn rows(&self) -> usize {
        self.train.len()
    }

    fn data_hash(&self) -> u64 {
        let rows = self.train.rows.iter().zip(&self.train.classes);
        let numbers = rows.flat_map(|(row, &class)| words(row).chain([class as u64, u64::MAX]));
        let variants = self.survey.iter().map(|survey| survey.hash);
        numbers.chain(variants).fold(0xcbf2_9ce4_8422_2325, mix)
    }

    fn texts(&self) -> Option<Vec<usize>> {
        Some(self.train.texts.clone())
    }

    fn weight(&self, rows: &[usize]) -> f64 {
        self.loss.weight(&self.classes(rows))
    }

    fn loss(&self, epoch: u64, rows: &[usize], masks: &Masks) -> Result<Tensor> {
        let seen = self.train.of_epoch(self.classifier.encoder(), epoch, rows);
        let batch = Batch::new(seen.iter().map(Cow::as_ref), &self.classes(rows))?;
        let model = self.classifier.model();
        let batch = TokenBatch::new(&batch, &model.encoder().batch_spec())?;
        let logits = model.forward(&batch, Mode::Train(masks))?;
        if !self.loss.needs_two_passes() {
            return self.loss.of(&logits, batch.classes());
        }
        let again = model.forward(&batch, Mode::Train(masks))?;
        self.loss.of_two([&logits, &again], batch.classes())
    }

    fn evaluate(&self) -> Result<Option<Evaluation>> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let values = self.classifier.probabilities(&self.validation.rows)?;
        let labels = self.classifier.labels();
        let probabilities = Probabilities::from_array(self.validation.ids.clone(), labels.clone(), values)?;
        let found = Evaluation::new(&self.validation.classes, &probabilities)?;
        let own_metric = self.metric.as_ref().map(|own| own.of(&self.validation.classes, &probabilities));
        Ok(Some(Evaluation { own_metric, ..found }))
    }

    fn save(&self, folder: &Path) -> Result<()> {
        Ok(self.classifier.save_into(folder)?)
    }
}

impl Evaluation {
    /// Compares probabilities with the gold classes of their rows.
    ///
    /// # Errors
    /// [`re_data::Error`] where the numbers of rows differ.
    pub fn new(gold: &[usize], probabilities: &Probabilities) -> Result<Self> {
        let metrics = Metrics::of(gold, &probabilities.classes(), probabilities.labels())?;
        Ok(Self { loss: cross_entropy(gold, probabilities)?, metrics, own_metric: None })
    }

    /// What steps are chosen by: the metric of the caller's own or, where there is none, this one; higher is better.
    pub fn chosen_by(&self, metric: Metric) -> f64 {
        self.own_metric.unwrap_or_else(|| self.value(metric))
    }

    /// The value of one metric, 0..=1.
    pub fn value(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Accuracy => self.metrics.accuracy,
            Metric::MicroF1 => self.metrics.micro_f1,
            Metric::MacroF1 => self.metrics.macro_f1,
        }
    }
}
