//! Training a relation classifier and a token classifier on one encoder.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use re_model::parameters::Parameters;
use re_model::{JointModel, Masks, RelationClassifier, TokenClassifier};
use tch::{Kind, Tensor};

use crate::config::{Metric, TrainConfig};
use crate::error::Result;
use crate::hash::mix;
use crate::loss::OwnLoss;
use crate::observer::Evaluation;
use crate::tagging::{TaggedRows, TaggingTask};
use crate::task::{ClassificationTask, LabelledRows, OwnMetric};
use crate::trainer::Task;
use crate::variants::AugmentationReport;

/// A [`JointModel`] with the rows that both of its classifiers are trained and evaluated on.
///
/// The rows are those of the token classifier, then those of the relation classifier. The loss of a batch is made of the
/// losses of both on their rows in it, such that over an epoch it is the sum of the mean loss of each: neither counts more
/// because it has more rows.
///
/// An evaluation has the metrics of the relation classifier, on the mentions that its rows give. Steps are chosen by the mean
/// of the relation classifier's metric and of the micro-F1 of the mentions that the token classifier finds
/// ([`Evaluation::own_metric`]).
#[derive(Debug)]
pub struct JointTask {
    tagging: TaggingTask,
    relations: ClassificationTask,
    /// How much all training rows of each count together.
    weights: [f64; 2],
    metric: Metric,
}

impl JointTask {
    /// A task that trains `model` on training rows; validation rows, the second ones, may be none. `config` is the
    /// trainer's. Its loss is that of both, its logit adjustment that of the relation classifier.
    ///
    /// # Errors
    /// As [`ClassificationTask::new`] and [`TaggingTask::new`].
    pub fn new(
        model: JointModel,
        tagged: [TaggedRows; 2],
        labelled: [LabelledRows; 2],
        config: &TrainConfig,
    ) -> Result<Self> {
        let (relations, tagger) = model.into_parts();
        // Trimmed to the rows of both, below.
        let whole = TrainConfig { trim_vocabulary: false, ..config.clone() };
        let [train, validation] = labelled;
        let mut relations = ClassificationTask::new(relations, train, validation, &whole)?;
        let [train, validation] = tagged;
        let unadjusted = TrainConfig { logit_adjustment: 0.0, ..whole };
        let mut tagging = TaggingTask::new(tagger, train, validation, &unadjusted)?;
        if config.trim_vocabulary {
            let ids: Vec<u32> = tagging.ids().chain(relations.ids()).collect();
            relations.classifier.model_mut().trim_vocabulary(ids)?;
            tagging.classifier.share_encoder(&relations.classifier)?;
        }
        Ok(Self::of(tagging, relations, config.metric))
    }

    fn of(tagging: TaggingTask, relations: ClassificationTask, metric: Metric) -> Self {
        let whole = |task: &dyn Task| task.weight(&(0..task.rows()).collect::<Vec<_>>());
        let weights = [whole(&tagging), whole(&relations)];
        Self { tagging, relations, weights, metric }
    }

    /// As [`ClassificationTask::with_loss`], for the relation classifier.
    ///
    /// # Errors
    /// As there.
    pub fn with_loss(self, loss: Arc<dyn OwnLoss>, config: &TrainConfig) -> Result<Self> {
        Ok(Self::of(self.tagging, self.relations.with_loss(loss, config)?, self.metric))
    }

    /// As [`ClassificationTask::with_metric`], for the relation classifier: it takes part in the mean.
    #[must_use]
    pub fn with_metric(self, metric: Arc<dyn OwnMetric>) -> Self {
        Self { relations: self.relations.with_metric(metric), ..self }
    }

    /// Ends an evaluation between two batches once `stop` is true, as [`ClassificationTask::stop_when`].
    #[must_use]
    pub fn stop_when(self, stop: Arc<AtomicBool>) -> Self {
        let (tagging, relations) =
            (self.tagging.stop_when(Arc::clone(&stop)), self.relations.stop_when(stop));
        Self { tagging, relations, ..self }
    }

    /// What augmentation does to the training rows of the relation classifier, where they are augmented.
    pub fn augmentation_report(&self) -> Option<&AugmentationReport> {
        self.relations.augmentation_report()
    }

    /// The relation classifier in its present state.
    pub fn relations(&self) -> &RelationClassifier {
        self.relations.classifier()
    }

    /// The token classifier in its present state.
    pub fn tagger(&self) -> &TokenClassifier {
        self.tagging.classifier()
    }

    /// Ends the task and gives the model back, with its whole vocabulary.
    ///
    /// # Errors
    /// [`re_model::Error::Torch`] where memory for it is lacking.
    pub fn into_model(self) -> Result<JointModel> {
        let relations = self.relations.into_classifier()?;
        Ok(JointModel::of_parts(relations, self.tagging.classifier)?)
    }

    /// The mean losses of the token classifier and of the relation classifier over the training rows with these numbers;
    /// `None` where none of the rows is its own.
    ///
    /// # Errors
    /// As [`Task::loss`].
    pub fn losses(&self, epoch: u64, rows: &[usize], masks: &Masks) -> Result<[Option<Tensor>; 2]> {
        let [tagging, relations] = self.divided(rows);
        let of = |task: &dyn Task, rows: &[usize]| {
            (!rows.is_empty()).then(|| task.loss(epoch, rows, masks)).transpose()
        };
        Ok([of(&self.tagging, &tagging)?, of(&self.relations, &relations)?])
    }

    /// The rows of the token classifier and of the relation classifier, each by its own numbers.
    fn divided(&self, rows: &[usize]) -> [Vec<usize>; 2] {
        let first = Task::rows(&self.tagging);
        let (tagging, relations): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| **row < first);
        [tagging, relations.into_iter().map(|row| row - first).collect()]
    }
}

impl Task for JointTask {
    fn parameters(&self) -> &Parameters {
        self.relations.parameters()
    }

    fn rows(&self) -> usize {
        Task::rows(&self.tagging) + Task::rows(&self.relations)
    }

    fn data_hash(&self) -> u64 {
        mix(self.tagging.data_hash(), self.relations.data_hash())
    }

    fn texts(&self) -> Option<Vec<usize>> {
        let relations = self.relations.texts().unwrap_or_default();
        Some(self.tagging.text_numbers().chain(relations).collect())
    }

    // Each row counts the same, so that a batch's loss is a sum over its rows, and that of an epoch the sum over all.
    fn loss(&self, epoch: u64, rows: &[usize], masks: &Masks) -> Result<Tensor> {
        let losses = self.losses(epoch, rows, masks)?;
        let [tagging, relations] = self.divided(rows);
        let parts = [self.tagging.weight(&tagging), self.relations.weight(&relations)];
        let scale = Task::rows(self) as f64 / rows.len().max(1) as f64;
        let mut sum = Tensor::f_zeros([], (Kind::Float, self.relations().model().device()))?;
        for ((loss, part), whole) in losses.iter().zip(parts).zip(self.weights) {
            if let Some(loss) = loss {
                sum = sum.f_add(&loss.f_mul_scalar(scale * part / whole)?)?;
            }
        }
        Ok(sum)
    }

    fn evaluate(&self) -> Result<Option<Evaluation>> {
        let Some(mentions) = self.tagging.evaluate()? else { return self.relations.evaluate() };
        let Some(relations) = self.relations.evaluate()? else { return Ok(Some(mentions)) };
        let both = [mentions.value(Metric::MicroF1), relations.chosen_by(self.metric)];
        Ok(Some(Evaluation { own_metric: Some(both.iter().sum::<f64>() / 2.0), ..relations }))
    }

    fn save(&self, folder: &Path) -> Result<()> {
        Ok(JointModel::save_parts(self.relations(), self.tagger(), folder)?)
    }
}
