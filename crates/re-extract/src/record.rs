//! Pairs without a relation as they stand in a file.

use std::sync::Arc;

use re_data::{Document, Pair, RowError, Tally};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::outcome::{Abstained, Extracted, Reason};

/// A pair that got no relation, and whose it is. In JSON it is
///
/// ```json
/// {"document": "7", "subject": {"mention": 0, "start": 0, "end": 5, "surface": "Marie", "type": "PERSON"},
///  "object": {"mention": 1, "start": 12, "end": 18, "surface": "Pierre", "type": "PERSON"},
///  "relation": "spouse", "score": 0.4, "reason": "below_threshold", "threshold": 0.5}
/// ```
///
/// (in one line); the keys behind `object` are there where they say something, but for `reason`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairRecord {
    /// Id of the document.
    pub document: String,
    /// The mention that a relation would begin at.
    pub subject: MentionRecord,
    /// The other one.
    pub object: MentionRecord,
    /// The most probable relation, where the pair was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// Its score, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// Why the pair has no relation.
    pub reason: ReasonName,
    /// What the score would have to reach; none does where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// The relation that the predictor would have chosen, and that does not join these types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbidden: Option<String>,
    /// Why the predictor did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A mention: its number in its document, and where it stands, in code points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MentionRecord {
    /// Its number, from 0.
    pub mention: usize,
    /// Its first character.
    pub start: usize,
    /// The character behind its last one.
    pub end: usize,
    /// What stands there.
    pub surface: String,
    /// Its type.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

/// The kinds of [`Reason`], and pairs that the predictor failed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonName {
    /// As [`Reason::NoRelation`].
    NoRelation,
    /// As [`Reason::BelowThreshold`].
    BelowThreshold,
    /// As [`Reason::LabelNotAllowed`].
    LabelNotAllowed,
    /// As [`Reason::TypesNotAllowed`].
    TypesNotAllowed,
    /// The predictor failed on the pair.
    Unanswered,
}

impl PairRecord {
    /// The pairs of a document that got no relation, where they were kept, and those that were not answered.
    pub fn of(extracted: &Extracted) -> impl Iterator<Item = Self> + '_ {
        let document = &extracted.document;
        let abstained = extracted.abstained.iter().flatten().filter_map(move |abstained| {
            let (reason, threshold, forbidden) = match &abstained.reason {
                Reason::NoRelation => (ReasonName::NoRelation, None, None),
                Reason::BelowThreshold(threshold) => (ReasonName::BelowThreshold, *threshold, None),
                Reason::LabelNotAllowed(label) => {
                    (ReasonName::LabelNotAllowed, None, Some(label.to_string()))
                }
                Reason::TypesNotAllowed => (ReasonName::TypesNotAllowed, None, None),
            };
            let relation = abstained.relation.as_deref().map(str::to_owned);
            let record = Self::empty(document, abstained.pair, reason)?;
            Some(Self { relation, score: abstained.score, threshold, forbidden, ..record })
        });
        let unanswered = extracted.unanswered.first.iter().filter_map(move |(pair, error)| {
            let record = Self::empty(document, *pair, ReasonName::Unanswered)?;
            Some(Self { error: Some(re_data::error::with_causes(error)), ..record })
        });
        abstained.chain(unanswered)
    }

    fn empty(document: &Document, pair: Pair, reason: ReasonName) -> Option<Self> {
        let mention = |number: usize| {
            let mention = document.mentions().get(number)?;
            Some(MentionRecord {
                mention: number,
                start: mention.span().start(),
                end: mention.span().end(),
                surface: document.surface(number).to_owned(),
                kind: mention.kind().map(str::to_owned),
            })
        };
        Some(Self {
            document: document.id().to_owned(),
            subject: mention(pair.subject)?,
            object: mention(pair.object)?,
            relation: None,
            score: None,
            reason,
            threshold: None,
            forbidden: None,
            error: None,
        })
    }
}

/// The pairs of a document that got no relation, as a score wants them.
#[derive(Debug, Clone, Default)]
pub struct KeptPairs {
    pub(crate) abstained: Vec<Abstained>,
    pub(crate) unanswered: Tally<(Pair, RowError)>,
}

impl KeptPairs {
    /// Takes in a record of `document`.
    ///
    /// # Errors
    /// [`Error::Setting`] where its mentions are not those of the document, or a label is missing that was forbidden.
    pub fn add(&mut self, document: &Document, record: PairRecord) -> Result<()> {
        let pair = Pair { subject: record.subject.mention, object: record.object.mention };
        for (field, end) in [("subject", &record.subject), ("object", &record.object)] {
            let mention = document.mentions().get(end.mention);
            let same = mention.is_some_and(|mention| {
                (mention.span().start(), mention.span().end()) == (end.start, end.end)
            });
            if !same {
                let found = format!("mention {} from {} to {}", end.mention, end.start, end.end);
                let field = format!("document {}: {field}", document.id());
                return Err(Error::setting(field, found, "a mention of the predicted document"));
            }
        }
        let reason = match record.reason {
            ReasonName::NoRelation => Reason::NoRelation,
            ReasonName::BelowThreshold => Reason::BelowThreshold(record.threshold),
            ReasonName::TypesNotAllowed => Reason::TypesNotAllowed,
            ReasonName::LabelNotAllowed => {
                let missing = || {
                    let field = format!("document {}: forbidden", document.id());
                    Error::setting(field, "none", "the label that the types forbid")
                };
                Reason::LabelNotAllowed(Arc::from(record.forbidden.ok_or_else(missing)?))
            }
            ReasonName::Unanswered => {
                let error = record.error.unwrap_or_default();
                self.unanswered.add(|| (pair, RowError::new(document.id(), error)));
                return Ok(());
            }
        };
        let relation = record.relation.map(Arc::from);
        self.abstained.push(Abstained { pair, relation, score: record.score, reason });
        Ok(())
    }
}
