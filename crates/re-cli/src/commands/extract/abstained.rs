//! Pairs without a relation, in a file.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use re_data::error::with_causes;
use re_data::{Document, Pair};
use re_extract::{Extracted, Reason};
use serde::Serialize;

use crate::cleanup::Output;

/// One line of the file.
#[derive(Debug, Serialize)]
struct Line<'a> {
    document: &'a str,
    subject: End<'a>,
    object: End<'a>,
    /// The most probable relation, where the pair was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    relation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    reason: &'static str,
    /// What the score would have to reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    /// The relation that the model would have chosen, and that does not join these types.
    #[serde(skip_serializing_if = "Option::is_none")]
    forbidden: Option<&'a str>,
    /// Why the model did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A mention: its number, and where it stands, in code points.
#[derive(Debug, Serialize)]
struct End<'a> {
    mention: usize,
    start: usize,
    end: usize,
    surface: &'a str,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
}

pub struct AbstainedOutput(Output);

impl AbstainedOutput {
    pub fn create(path: &Path) -> Result<Self> {
        Output::create(path).map(Self)
    }

    /// Writes the pairs of a document that got no relation.
    pub fn write(&mut self, extracted: &Extracted) -> Result<()> {
        let document = &extracted.document;
        for abstained in extracted.abstained.iter().flatten() {
            let Some([subject, object]) = ends(document, abstained.pair) else { continue };
            let (reason, threshold, forbidden) = match &abstained.reason {
                Reason::NoRelation => ("no_relation", None, None),
                Reason::BelowThreshold(threshold) => ("below_threshold", *threshold, None),
                Reason::LabelNotAllowed(label) => ("label_not_allowed", None, Some(&**label)),
                Reason::TypesNotAllowed => ("types_not_allowed", None, None),
                _ => ("other", None, None),
            };
            self.line(&Line {
                document: document.id(),
                subject,
                object,
                relation: abstained.relation.as_deref(),
                score: abstained.score.map(short),
                reason,
                threshold: threshold.map(short),
                forbidden,
                error: None,
            })?;
        }
        for (pair, error) in &extracted.unanswered.first {
            let Some([subject, object]) = ends(document, *pair) else { continue };
            self.line(&Line {
                document: document.id(),
                subject,
                object,
                relation: None,
                score: None,
                reason: "unanswered",
                threshold: None,
                forbidden: None,
                error: Some(with_causes(error)),
            })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>) -> Result<()> {
        let text = serde_json::to_string(line)? + "\n";
        let io = |source| re_data::Error::io(self.0.path(), source);
        Ok(self.0.write_all(text.as_bytes()).map_err(io)?)
    }

    pub fn finish(self) -> re_data::Result<()> {
        self.0.commit()
    }
}

fn ends(document: &Document, pair: Pair) -> Option<[End<'_>; 2]> {
    let end = |mention: usize| {
        let found = document.mentions().get(mention)?;
        let (span, surface) = (found.span(), document.surface(mention));
        Some(End { mention, start: span.start(), end: span.end(), surface, kind: found.kind() })
    };
    Some([end(pair.subject)?, end(pair.object)?])
}

/// A score with no more digits than it has.
fn short(score: f32) -> f64 {
    score.to_string().parse().unwrap_or_else(|_| f64::from(score))
}
