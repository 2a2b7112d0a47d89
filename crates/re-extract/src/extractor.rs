//! Documents in, graphs out.

mod graphs;

use std::collections::VecDeque;
use std::sync::Arc;

use re_data::{Document, LabelSet, PredictError, Predictor, Tagger};
use serde::{Deserialize, Serialize};

use crate::constraints::TypeConstraints;
use crate::decide::Classes;
use crate::error::{DocumentError, Error, Result, Step};
use crate::outcome::{ExtractReport, Outcome};
use crate::settings::GraphSettings;

/// Bytes of text that are held at a time, but for the last document.
const CHUNK_BYTES: usize = 16 << 20;

/// Where the mentions of documents come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MentionSource {
    /// From the documents; the tagger reads those that have none.
    #[default]
    WhereAbsent,
    /// From the documents alone.
    Given,
    /// From the tagger alone: the documents' own are not looked at.
    Tagger,
}

/// How an [`Extractor`] works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtractOptions {
    /// Pairs that the predictor is asked about at a time; one more where both directions of the last belong together.
    pub batch_pairs: usize,
    /// Documents that are held at a time, fewer where their texts come to 16 MiB.
    pub batch_documents: usize,
    /// Whether pairs without a relation are kept, with the reason. They are counted in any case.
    pub keep_abstained: bool,
    /// Where mentions come from.
    pub mentions: MentionSource,
}

impl Default for ExtractOptions {
    fn default() -> Self {
        Self {
            batch_pairs: 4096,
            batch_documents: 64,
            keep_abstained: false,
            mentions: MentionSource::default(),
        }
    }
}

/// Finds mentions, judges the candidate pairs and tells the relations that hold.
///
/// The [crate's front page](crate) has an example.
pub struct Extractor {
    tagger: Option<Box<dyn Tagger>>,
    predictor: Box<dyn Predictor>,
    labels: Arc<LabelSet>,
    /// Names of the classes, to be shared by what is told.
    names: Vec<Arc<str>>,
    settings: GraphSettings,
    /// The constraints as seen from both ends.
    constraints: TypeConstraints,
    classes: Classes,
    options: ExtractOptions,
}

impl std::fmt::Debug for Extractor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extractor")
            .field("labels", &self.labels)
            .field("settings", &self.settings)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Extractor {
    /// An extractor without a tagger: documents bring their mentions.
    ///
    /// # Errors
    /// [`Error::UnknownRelation`] where the settings name a relation that the predictor does not have.
    pub fn new(predictor: impl Predictor + 'static, settings: GraphSettings) -> Result<Self> {
        let labels = Arc::clone(predictor.labels());
        settings.check(&labels)?;
        Ok(Self {
            tagger: None,
            predictor: Box::new(predictor),
            names: labels.names().iter().map(|name| name.as_str().into()).collect(),
            constraints: settings.constraints.closed(&settings.properties),
            classes: Classes::new(&labels, &settings.properties, settings.calibration.temperature()),
            labels,
            settings,
            options: ExtractOptions::default(),
        })
    }

    /// The same extractor with a tagger.
    #[must_use]
    pub fn with_tagger(mut self, tagger: impl Tagger + 'static) -> Self {
        self.tagger = Some(Box::new(tagger));
        self
    }

    /// The same extractor, working in another way.
    ///
    /// # Errors
    /// [`Error::Setting`] where a batch is empty, or mentions are to come from a tagger that is not there.
    pub fn with_options(mut self, options: ExtractOptions) -> Result<Self> {
        for (field, size) in
            [("batch_pairs", options.batch_pairs), ("batch_documents", options.batch_documents)]
        {
            if size == 0 {
                return Err(Error::setting(field, size, "at least one"));
            }
        }
        if options.mentions == MentionSource::Tagger && self.tagger.is_none() {
            return Err(Error::setting("mentions", "tagger, without one", "an extractor with a tagger"));
        }
        self.options = options;
        Ok(self)
    }

    /// The same extractor with other settings, such as the thresholds that were chosen with it.
    ///
    /// # Errors
    /// As [`Extractor::new`].
    pub fn with_settings(self, settings: GraphSettings) -> Result<Self> {
        let Self { tagger, predictor, options, .. } = self;
        Ok(Self { tagger, options, ..Self::new(predictor, settings)? })
    }

    /// The classes of the predictor.
    pub fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// What it decides by.
    pub fn settings(&self) -> &GraphSettings {
        &self.settings
    }

    /// Graphs of documents, one outcome for each in its order, made as they are asked for. However many there are, a batch of
    /// them is held.
    ///
    /// A document that could not be read may take part as its error, so that it is counted and told where it stood. The
    /// relations that documents come with are not looked at.
    pub fn extract<I>(&self, documents: I) -> Extraction<'_, I::IntoIter>
    where
        I: IntoIterator<Item = Result<Document, DocumentError>>,
    {
        Extraction {
            extractor: self,
            documents: documents.into_iter(),
            ready: VecDeque::new(),
            report: ExtractReport::default(),
            ended: false,
        }
    }

    /// Graphs of documents that are at hand, and what was left out.
    ///
    /// # Errors
    /// [`PredictError`] where a model failed or was stopped, and with it all documents.
    pub fn extract_all(
        &self,
        documents: impl IntoIterator<Item = Document>,
    ) -> Result<(Vec<Outcome>, ExtractReport), PredictError> {
        let mut extraction = self.extract(documents.into_iter().map(Ok));
        let outcomes = extraction.by_ref().collect::<Result<_, _>>()?;
        Ok((outcomes, extraction.report))
    }
}

/// A stream of outcomes. It ends with the first [`PredictError`], as there a model failed and not a document.
pub struct Extraction<'a, I> {
    extractor: &'a Extractor,
    documents: I,
    ready: VecDeque<Outcome>,
    report: ExtractReport,
    ended: bool,
}

impl<I> Extraction<'_, I> {
    /// What was left out so far.
    pub fn report(&self) -> &ExtractReport {
        &self.report
    }
}

impl<I: Iterator<Item = Result<Document, DocumentError>>> Extraction<'_, I> {
    fn fill(&mut self) -> Result<(), PredictError> {
        let options = self.extractor.options;
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while chunk.len() < options.batch_documents && bytes < CHUNK_BYTES {
            let Some(document) = self.documents.next() else {
                self.ended = true;
                break;
            };
            if let Ok(document) = &document {
                bytes += document.text().len();
                self.report.ignored_relations += document.relations().len();
            }
            chunk.push(document);
        }
        self.tag(&mut chunk)?;
        self.ready = self.extractor.graphs(chunk, &mut self.report)?.into();
        Ok(())
    }

    /// Gives the documents their mentions.
    fn tag(&mut self, chunk: &mut [Result<Document, DocumentError>]) -> Result<(), PredictError> {
        let Some(tagger) = &self.extractor.tagger else { return Ok(()) };
        let wants = |document: &Document| match self.extractor.options.mentions {
            MentionSource::WhereAbsent => document.mentions().is_empty(),
            MentionSource::Given => false,
            MentionSource::Tagger => true,
        };
        let places: Vec<usize> = chunk
            .iter()
            .enumerate()
            .filter(|(_, document)| document.as_ref().is_ok_and(wants))
            .map(|(place, _)| place)
            .collect();
        let asked: Vec<Document> =
            places.iter().filter_map(|&place| chunk.get(place)?.as_ref().ok().cloned()).collect();
        if asked.is_empty() {
            return Ok(());
        }
        self.report.tagged += asked.len();
        let found = tagger.tag(&asked)?;
        if found.len() != asked.len() {
            let error = format!("the tagger answered {} documents, expected {}", found.len(), asked.len());
            return Err(PredictError::model(error));
        }
        for ((place, document), mentions) in places.into_iter().zip(asked).zip(found) {
            let id = document.id().to_owned();
            let fault = |reason: Box<dyn std::error::Error + Send + Sync>| {
                DocumentError::at(Step::Tagging, id.clone(), reason)
            };
            let tagged = mentions
                .map_err(|error| fault(error.into()))
                .and_then(|mentions| document.with_mentions(mentions).map_err(|error| fault(error.into())));
            if let Some(slot) = chunk.get_mut(place) {
                *slot = tagged;
            }
        }
        Ok(())
    }
}

impl<I: Iterator<Item = Result<Document, DocumentError>>> Iterator for Extraction<'_, I> {
    type Item = Result<Outcome, PredictError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.ended {
            if let Err(error) = self.fill() {
                self.ended = true;
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
