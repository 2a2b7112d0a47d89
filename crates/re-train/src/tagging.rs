//! Training a token classifier.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use re_data::metrics::Metrics;
use re_data::tags::TagReport;
use re_data::{Batch, Document, Encoded, Mention};
use re_model::parameters::Parameters;
use re_model::{Masks, Mode, PreparedText, TokenBatch, TokenClassifier};
use tch::Tensor;

use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::hash::{mix, words};
use crate::loss::Loss;
use crate::observer::Evaluation;
use crate::task::text_number;
use crate::trainer::Task;

/// Documents that are evaluated together.
const DOCUMENTS_AT_ONCE: usize = 256;

/// Documents as rows of tokens with their tags.
#[derive(Debug, Clone, Default)]
pub struct TaggedRows {
    texts: Vec<TaggedText>,
    rows: Vec<TaggedRow>,
}

#[derive(Debug, Clone)]
struct TaggedText {
    document: Document,
    prepared: PreparedText,
    /// The tag of each unit.
    tags: Vec<usize>,
}

/// A window of a text.
#[derive(Debug, Clone)]
struct TaggedRow {
    /// Number of the text.
    text: usize,
    row: Encoded,
    /// For each unit that is judged in the row the position of its token there, its place in the token, and its tag.
    positions: Vec<usize>,
    places: Vec<usize>,
    tags: Vec<usize>,
}

impl TaggedRows {
    /// Encodes documents whose mentions are known. Each window is a row, and each unit has its tag in the window in which
    /// it will be judged. The report lists mentions that tags do not express; evaluations count them as missed.
    ///
    /// # Errors
    /// [`re_data::Error::Document`] where a mention has a type that the classifier does not know, and those of encoding.
    pub fn new(classifier: &TokenClassifier, documents: &[Document]) -> Result<(Self, TagReport)> {
        let (mut found, mut report) = (Self::default(), TagReport::default());
        for (number, document) in documents.iter().enumerate() {
            let prepared = classifier.prepare(document.text())?;
            let encoding = classifier.tags().encode(document, &prepared.units)?;
            report.add(document, encoding.unrepresented);
            let tags = encoding.tags;
            for (window, row) in prepared.encoded.rows.iter().enumerate() {
                let (units, positions): (Vec<usize>, Vec<usize>) = prepared.judged(window).unzip();
                let tags: Vec<usize> = units.iter().filter_map(|unit| tags.get(*unit).copied()).collect();
                // A window of nothing but marks of white space teaches nothing.
                if !tags.is_empty() {
                    let places = units.iter().filter_map(|unit| prepared.units.places.get(*unit).copied());
                    let (row, places) = (row.clone(), places.collect());
                    found.rows.push(TaggedRow { text: number, row, positions, places, tags });
                }
            }
            found.texts.push(TaggedText { document: document.clone(), prepared, tags });
        }
        Ok((found, report))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of units of each of `tags` tags.
    fn counts(&self, tags: usize) -> Vec<usize> {
        let mut counts = vec![0; tags];
        for tag in self.rows.iter().flat_map(|row| &row.tags) {
            if let Some(count) = counts.get_mut(*tag) {
                *count += 1;
            }
        }
        counts
    }

    fn ids(&self) -> impl Iterator<Item = u32> {
        self.texts.iter().flat_map(|text| &text.prepared.encoded.rows).flat_map(|row| row.ids.iter().copied())
    }
}

/// A token classifier with the documents it is trained and evaluated on.
///
/// The loss is that of the settings, over the units of the texts: special tokens have no part in it. An evaluation holds
/// the mentions that are found against those of the documents ([`Metrics::of_mentions`]).
#[derive(Debug)]
pub struct TaggingTask {
    pub(crate) classifier: TokenClassifier,
    train: TaggedRows,
    validation: TaggedRows,
    loss: Loss,
}

impl TaggingTask {
    /// A task that trains `classifier` on `train`; `validation` may be empty, `config` is the trainer's.
    ///
    /// # Errors
    /// [`Error::Config`] where a setting is out of range or asks for a logit adjustment, which tags do not have;
    /// [`re_model::Error::TokenId`] where the rows were encoded for another model.
    pub fn new(
        mut classifier: TokenClassifier,
        train: TaggedRows,
        validation: TaggedRows,
        config: &TrainConfig,
    ) -> Result<Self> {
        config.check()?;
        if config.logit_adjustment != 0.0 {
            let found = config.logit_adjustment.to_string();
            return Err(Error::config("logit_adjustment", found, "0 where tokens are classified"));
        }
        classifier.model_mut().set_precision(config.precision());
        let counts = train.counts(classifier.tags().len());
        let loss = Loss::new(config.loss, &counts, classifier.model().device())?
            .with_label_smoothing(config.label_smoothing)
            .with_r_drop(config.r_drop_alpha);
        let mut task = Self { classifier, train, validation, loss };
        if config.trim_vocabulary {
            let ids: Vec<u32> = task.ids().collect();
            task.classifier.model_mut().trim_vocabulary(ids)?;
        }
        Ok(task)
    }

    /// The ids of all tokens that are read.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.train.ids().chain(self.validation.ids())
    }

    /// The text of each training row, see [`text_number`].
    pub(crate) fn text_numbers(&self) -> impl Iterator<Item = usize> {
        let text = |row: &TaggedRow| self.train.texts.get(row.text).map(|text| text.document.text());
        self.train.rows.iter().map(move |row| text_number(text(row).unwrap_or_default()))
    }

    /// Ends an evaluation between two batches once `stop` is true, which
    /// [`Trainer::stop_when`](crate::Trainer::stop_when) is given, too.
    #[must_use]
    pub fn stop_when(mut self, stop: Arc<AtomicBool>) -> Self {
        self.classifier.model_mut().stop_when(stop);
        self
    }

    /// The classifier in its present state.
    pub fn classifier(&self) -> &TokenClassifier {
        &self.classifier
    }

    /// Ends the task and gives the classifier back, with its whole vocabulary.
    ///
    /// # Errors
    /// [`re_model::Error::Torch`] where memory for it is lacking.
    pub fn into_classifier(mut self) -> Result<TokenClassifier> {
        self.classifier.model_mut().restore_vocabulary()?;
        Ok(self.classifier)
    }

    /// The mentions that are found in each of the documents it is evaluated on, and how good they are.
    ///
    /// # Errors
    /// As [`TokenClassifier::mentions`].
    pub fn found(&self) -> Result<(Vec<Vec<Mention>>, Evaluation)> {
        let tags = self.classifier.tags();
        let mut found: Vec<Vec<Mention>> = Vec::with_capacity(self.validation.texts.len());
        let (mut loss, mut units) = (0.0, 0);
        for texts in self.validation.texts.chunks(DOCUMENTS_AT_ONCE) {
            let prepared: Vec<&PreparedText> = texts.iter().map(|text| &text.prepared).collect();
            for (text, values) in texts.iter().zip(self.classifier.log_probabilities(&prepared)?) {
                let gold = values.chunks_exact(tags.len()).zip(&text.tags);
                let smallest = f64::from(f32::MIN_POSITIVE).ln();
                let of_unit = |(row, tag): (&[f32], &usize)| {
                    row.get(*tag).map_or(smallest, |value| f64::from(*value).max(smallest))
                };
                loss -= gold.map(of_unit).sum::<f64>();
                units += text.tags.len();
                let decoded = tags.decode(&values)?;
                found.push(tags.mentions(text.document.text(), &text.prepared.units, &decoded));
            }
        }
        let documents = self.validation.texts.iter().zip(&found);
        let metrics =
            Metrics::of_mentions(documents.map(|(text, found)| (text.document.mentions(), found.as_slice())));
        let loss = if units == 0 { 0.0 } else { loss / units as f64 };
        Ok((found, Evaluation { loss, metrics, own_metric: None }))
    }

    fn tags<'a>(&'a self, rows: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        let rows = rows.iter().filter_map(|&row| self.train.rows.get(row));
        rows.flat_map(|row| row.tags.iter().copied())
    }
}

impl Task for TaggingTask {
    fn parameters(&self) -> &Parameters {
        self.classifier.model().parameters()
    }

    fn rows(&self) -> usize {
        self.train.len()
    }

    fn data_hash(&self) -> u64 {
        let numbers = self.train.rows.iter().flat_map(|row| {
            let tags = row.positions.iter().chain(&row.places).chain(&row.tags).map(|number| *number as u64);
            words(&row.row).chain(tags).chain([u64::MAX])
        });
        numbers.fold(0xcbf2_9ce4_8422_2325, mix)
    }

    fn texts(&self) -> Option<Vec<usize>> {
        Some(self.train.rows.iter().map(|row| row.text).collect())
    }

    fn weight(&self, rows: &[usize]) -> f64 {
        self.loss.weight(&self.tags(rows).collect::<Vec<_>>())
    }

    fn loss(&self, _epoch: u64, rows: &[usize], masks: &Masks) -> Result<Tensor> {
        let seen: Vec<&TaggedRow> = rows.iter().filter_map(|&row| self.train.rows.get(row)).collect();
        let model = self.classifier.model();
        let batch = Batch::new(seen.iter().map(|row| &row.row), &[])?;
        let batch = TokenBatch::new(&batch, &model.encoder().batch_spec())?;
        let slots = |(row, range): (&&TaggedRow, std::ops::Range<usize>)| {
            let units = row.positions.iter().zip(&row.places);
            let slot = |(position, place): (&usize, &usize)| {
                self.classifier.slot(range.start + position, *place) as i64
            };
            units.map(slot).collect::<Vec<_>>()
        };
        let slots: Vec<i64> = seen.iter().zip(batch.row_ranges()).flat_map(slots).collect();
        let tags: Vec<i64> = self.tags(rows).map(|tag| tag as i64).collect();
        let slots = Tensor::f_from_slice(&slots)?.f_to_device(batch.device())?;
        let tags = Tensor::f_from_slice(&tags)?.f_to_device(batch.device())?;
        let logits = || -> Result<Tensor> {
            let logits = model.forward(&batch, Mode::Train(masks))?;
            let width = self.classifier.tags().len() as i64;
            Ok(logits.f_reshape([-1, width])?.f_index_select(0, &slots)?)
        };
        if !self.loss.needs_two_passes() {
            return self.loss.of(&logits()?, &tags);
        }
        self.loss.of_two([&logits()?, &logits()?], &tags)
    }

    fn evaluate(&self) -> Result<Option<Evaluation>> {
        match self.validation.texts.is_empty() {
            true => Ok(None),
            false => Ok(Some(self.found()?.1)),
        }
    }

    fn save(&self, folder: &Path) -> Result<()> {
        Ok(self.classifier.save_into(folder)?)
    }
}
