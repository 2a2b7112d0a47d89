//! From text to a graph of who is related to whom: mentions, candidate pairs, judged pairs, what is left of them, and how
//! good that is. No deep-learning library: mentions come from anything that implements [`re_data::Tagger`], judgements from
//! any [`re_data::Predictor`].
//!
//! | to | use |
//! |---|---|
//! | make graphs of documents | [`Extractor`] |
//! | forbid what types make impossible | [`TypeConstraints`] |
//! | make both directions of a pair agree | [`RelationProperties`] |
//! | make scores mean something | [`Calibration`] |
//! | tell only what is right often enough | [`answers`], [`Thresholds`], [`RiskCoverage`](re_data::metrics::RiskCoverage) |
//! | store all of that with the model | [`GraphSettings`] |
//! | measure predicted documents | [`score()`], [`character_scores`], [`unrelated_pairs`] |
//! | make training rows of documents | [`training_pairs`], [`candidate_rows`] |
//! | read long texts in windows | [`merge_windows`] |
//! | write pairs without a relation to a file | [`PairRecord`] |
//! | choose what to annotate next | [`sample()`], [`Sampler`](sample::Sampler) |
//!
//! A document that fails fails alone, and what is left out on the way is counted: [`ExtractReport`] accounts for every pair
//! of mentions.
//!
//! ```
//! use std::sync::Arc;
//! use re_data::{CharSpan, Document, LabelSet, Mention, Outcomes, PredictError, Predictor, RelationExample};
//! use re_data::{RowError, Tagger};
//! use re_extract::{ExtractOptions, Extractor, GraphSettings, Reason, RelationProperties, TypeConstraints};
//!
//! /// Finds the names that it knows.
//! struct Names(Vec<Arc<str>>);
//!
//! impl Tagger for Names {
//!     fn kinds(&self) -> &[Arc<str>] {
//!         &self.0
//!     }
//!
//!     fn tag(&self, documents: &[Document]) -> Result<Vec<Result<Vec<Mention>, RowError>>, PredictError> {
//!         let find = |text: &str| {
//!             let names = [("Marie", "PERSON"), ("Pierre", "PERSON"), ("Sorbonne", "ORGANISATION")];
//!             let mention = |(name, kind): (&str, &str)| {
//!                 let start = text.find(name)?;
//!                 Some(Mention::new(CharSpan::with_len(start, name.len())).with_kind(kind).with_score(0.9))
//!             };
//!             names.into_iter().filter_map(mention).collect()
//!         };
//!         Ok(documents.iter().map(|document| Ok(find(document.text()))).collect())
//!     }
//! }
//!
//! /// Takes every two that are named together for a couple.
//! struct Couples(Arc<LabelSet>);
//!
//! impl Predictor for Couples {
//!     fn labels(&self) -> &Arc<LabelSet> {
//!         &self.0
//!     }
//!
//!     fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
//!         let rows = examples.iter().map(|example| Ok((example.id().to_owned(), [0.3, 0.6, 0.1])));
//!         Ok(Outcomes::new(Arc::clone(&self.0), rows)?)
//!     }
//! }
//!
//! let labels = Arc::new(LabelSet::new(["no_relation", "spouse", "employer"])?);
//! let settings = GraphSettings {
//!     properties: RelationProperties::new(["spouse"], [])?,
//!     constraints: TypeConstraints::declare([
//!         ("spouse", "PERSON", "PERSON"),
//!         ("employer", "PERSON", "ORGANISATION"),
//!     ])?,
//!     ..GraphSettings::default()
//! };
//! let extractor = Extractor::new(Couples(labels), settings)?
//!     .with_tagger(Names(vec!["PERSON".into(), "ORGANISATION".into()]))
//!     .with_options(ExtractOptions { keep_abstained: true, ..ExtractOptions::default() })?;
//!
//! let text = "Marie met Pierre at the Sorbonne.";
//! let (graphs, report) = extractor.extract_all([Document::new("1", text, Vec::new())?])?;
//! let graph = graphs.into_iter().next().expect("one document")?;
//! let document = &graph.document;
//! for relation in document.relations() {
//!     let pair = relation.pair();
//!     println!("{} {} {}", document.surface(pair.subject), relation.label(), document.surface(pair.object));
//! }
//! // Marie and Pierre, once: the relation is symmetric.
//! assert_eq!(document.relations().len(), 1);
//! // A person and an organisation are no couple, and that she works there is less probable than no relation.
//! let abstained = graph.abstained.expect("kept");
//! assert!(abstained.iter().any(|abstained| matches!(abstained.reason, Reason::LabelNotAllowed(_))));
//! // An organisation is the subject of nothing: those two pairs were not even judged.
//! assert_eq!((report.pairs.possible, report.pairs.types_not_allowed), (6, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod calibrate;
mod candidates;
pub mod constraints;
mod decide;
pub mod error;
pub mod extractor;
pub mod merge;
pub mod negatives;
pub mod outcome;
pub mod properties;
pub mod record;
pub mod sample;
pub mod score;
pub mod settings;
pub mod threshold;
pub mod types;

pub use calibrate::{Calibration, CalibrationOptions};
pub use constraints::{TypeConstraints, TypePair};
pub use error::{DocumentError, Error, Result};
pub use extractor::{ExtractOptions, Extraction, Extractor, MentionSource};
pub use merge::merge_windows;
pub use negatives::{CandidateRows, TrainingPairOptions, TrainingPairs, candidate_rows, training_pairs};
pub use outcome::{Abstained, ExtractReport, Extracted, Outcome, PairCounts, Reason};
pub use properties::RelationProperties;
pub use record::{KeptPairs, PairRecord};
pub use sample::sample;
pub use score::{Scores, answers, character_scores, score, unrelated_pairs};
pub use settings::GraphSettings;
pub use threshold::{Answer, Threshold, ThresholdOptions, Thresholds};
