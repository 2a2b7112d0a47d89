//! Training a relation classifier.

use std::path::Path;

use re_data::metrics::Metrics;
use re_data::{Batch, EncodeReport, Encoded, Probabilities, RelationExample};
use re_model::parameters::Parameters;
use re_model::{Mode, RelationClassifier, TokenBatch};
use tch::{Reduction, Tensor};

use crate::config::{Metric, TrainConfig};
use crate::error::Result;
use crate::observer::Evaluation;
use crate::trainer::Task;

/// Labelled examples as rows of tokens with their classes.
#[derive(Debug, Clone, Default)]
pub struct LabelledRows {
    ids: Vec<String>,
    rows: Vec<Encoded>,
    classes: Vec<usize>,
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
        Ok((Self { ids, rows, classes }, report))
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

/// A relation classifier with the rows it is trained and evaluated on.
#[derive(Debug)]
pub struct ClassificationTask {
    classifier: RelationClassifier,
    train: LabelledRows,
    validation: LabelledRows,
    label_smoothing: f64,
}

impl ClassificationTask {
    /// A task that trains `classifier` on `train`; `validation` may be empty.
    ///
    /// # Errors
    /// [`re_model::Error::TokenId`] where the rows were encoded for another model.
    pub fn new(
        mut classifier: RelationClassifier,
        train: LabelledRows,
        validation: LabelledRows,
        config: &TrainConfig,
    ) -> Result<Self> {
        classifier.model_mut().set_precision(config.precision());
        if config.trim_vocabulary {
            let rows = train.rows.iter().chain(&validation.rows);
            classifier.model_mut().trim_vocabulary(rows.flat_map(|row| row.ids.iter().copied()))?;
        }
        Ok(Self { classifier, train, validation, label_smoothing: config.label_smoothing })
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
        hash(rows.flat_map(|(row, &class)| words(row).chain([class as u64, u64::MAX])))
    }

    fn loss(&self, _epoch: u64, rows: &[usize]) -> Result<Tensor> {
        let classes: Vec<usize> =
            rows.iter().filter_map(|&row| self.train.classes.get(row).copied()).collect();
        let batch = Batch::new(rows.iter().filter_map(|&row| self.train.rows.get(row)), &classes)?;
        let model = self.classifier.model();
        let batch = TokenBatch::new(&batch, model.encoder())?;
        let logits = model.forward(&batch, Mode::Train)?;
        let smoothing = self.label_smoothing;
        Ok(logits.f_cross_entropy_loss(batch.classes(), None::<&Tensor>, Reduction::Mean, -100, smoothing)?)
    }

    fn evaluate(&self) -> Result<Option<Evaluation>> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let values = self.classifier.probabilities(&self.validation.rows)?;
        let labels = self.classifier.labels();
        let probabilities = Probabilities::new(self.validation.ids.clone(), labels.clone(), values)?;
        Ok(Some(Evaluation::new(&self.validation.classes, &probabilities)?))
    }

    fn save(&self, folder: &Path) -> Result<()> {
        Ok(self.classifier.save(folder)?)
    }
}

/// What a row consists of, for [`hash`].
pub(crate) fn words(row: &Encoded) -> impl Iterator<Item = u64> {
    let ids = row.ids.iter().chain(&row.type_ids).map(|&id| u64::from(id));
    let spans = row.entities.iter().chain(&row.marked).flatten();
    ids.chain(spans.flat_map(|span| [span.start() as u64, span.end() as u64]))
}

/// A hash of training rows.
pub(crate) fn hash(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
        (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}

impl Evaluation {
    /// Compares probabilities with the gold classes of their rows.
    ///
    /// # Errors
    /// [`re_data::Error`] where the numbers of rows differ.
    pub fn new(gold: &[usize], probabilities: &Probabilities) -> Result<Self> {
        let metrics = Metrics::of(gold, &probabilities.classes(), probabilities.labels())?;
        let surprise = |(row, &class): (&[f32], &usize)| {
            let probability = row.get(class).copied().unwrap_or_default();
            -f64::from(probability.max(f32::MIN_POSITIVE)).ln()
        };
        let total: f64 = probabilities.rows().zip(gold).map(surprise).sum();
        Ok(Self { loss: total / gold.len().max(1) as f64, metrics })
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
