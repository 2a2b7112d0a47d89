//! What can go wrong between a text and its graph.

use std::path::PathBuf;
use std::sync::Arc;

use re_data::text::{brief, quoted};

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Ids that a message shows at most.
const SHOWN: usize = 10;

/// Everything that can go wrong in this crate, but for what is one document's fault: a [`DocumentError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A document or a file of `re-data` is not right.
    #[error(transparent)]
    Data(#[from] re_data::Error),
    /// A model failed, and not a row or a document.
    #[error(transparent)]
    Predict(#[from] re_data::PredictError),
    /// A setting names a relation that the predictor does not have.
    #[error("{part}: found the relation {}, expected one of {}", quoted(found), listed(expected))]
    UnknownRelation {
        /// Which setting: `constraints`, `properties`, `calibration` or `thresholds`.
        part: &'static str,
        /// The relation.
        found: String,
        /// The relations of the predictor.
        expected: Vec<String>,
    },
    /// A setting has a value that it cannot have.
    #[error("{field}: found {}, expected {expected}", brief(found))]
    Setting {
        /// Its name.
        field: String,
        /// What stands there.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A file of settings is not what it should be.
    #[error("{}: {field}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where in it, such as `thresholds.relations.spouse`.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// Predicted documents are not those of the truth.
    #[error(
        "predicted documents: {}{}expected those of the truth, each once",
        ids("missing", missing),
        ids("unknown", unknown)
    )]
    OtherDocuments {
        /// Ids that the truth has and the prediction has not.
        missing: Vec<String>,
        /// Ids that the prediction has and the truth has not.
        unknown: Vec<String>,
    },
    /// Two documents have one id, so that nothing can be aligned by it.
    #[error("{side}: found document {} twice, expected each id once", brief(id))]
    RepeatedDocument {
        /// `truth`, `prediction` or `documents`.
        side: &'static str,
        /// The id.
        id: String,
    },
    /// A predicted document has another text than the true one, so that spans do not mean the same.
    #[error(
        "document {}: text: found {}, expected {}, as in the truth",
        brief(id),
        quoted(found),
        quoted(expected)
    )]
    OtherText {
        /// Id of the document.
        id: String,
        /// Text of the prediction from where they differ.
        found: String,
        /// Text of the truth from there.
        expected: String,
    },
    /// What is asked for needs the pairs that got no relation, and they were not kept.
    #[error(
        "document {}: abstained: found none kept, expected the pairs without a relation \
         (ExtractOptions::keep_abstained)",
        brief(id)
    )]
    AbstainedNotKept {
        /// Id of the document.
        id: String,
    },
    /// Nothing to learn or measure from.
    #[error("{what}: found no row, expected at least one")]
    NoRows {
        /// What was to be learnt or measured.
        what: &'static str,
    },
}

impl Error {
    pub(crate) fn setting(
        field: impl Into<String>,
        found: impl std::fmt::Display,
        expected: &'static str,
    ) -> Self {
        Self::Setting { field: field.into(), found: found.to_string(), expected }
    }
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    more(shown, names.len())
}

fn ids(what: &str, ids: &[String]) -> String {
    if ids.is_empty() {
        return String::new();
    }
    let shown = ids.iter().take(SHOWN).map(|id| brief(id)).collect::<Vec<_>>().join(", ");
    format!("{} {what} ({}), ", ids.len(), more(shown, ids.len()))
}

fn more(shown: String, all: usize) -> String {
    match all.saturating_sub(SHOWN) {
        0 => shown,
        rest => format!("{shown} and {rest} more"),
    }
}

/// Why one document has no graph. The others are not touched by it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("document {}: {step} failed", brief(id))]
pub struct DocumentError {
    id: String,
    step: Step,
    source: Arc<dyn std::error::Error + Send + Sync>,
}

/// What was done to a document when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// It was read from where documents come from.
    Reading,
    /// The tagger looked for mentions, or the mentions that it gave do not fit the text.
    Tagging,
    /// Its relations were put together.
    Relating,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reading => "reading",
            Self::Tagging => "tagging",
            Self::Relating => "relating its mentions",
        })
    }
}

impl DocumentError {
    /// What kept the document with this id from being read. For one without an id, its place serves, such as `a.jsonl:7`.
    pub fn new(id: impl Into<String>, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::at(Step::Reading, id, reason)
    }

    pub(crate) fn at(
        step: Step,
        id: impl Into<String>,
        reason: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { id: id.into(), step, source: Arc::from(reason.into()) }
    }

    /// Id of the document.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What was done to it.
    pub fn step(&self) -> Step {
        self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_what_was_found_and_expected() {
        let ids = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        let error = Error::OtherDocuments { missing: ids(12), unknown: ids(1) }.to_string();
        assert_eq!(
            error,
            "predicted documents: 12 missing (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more), 1 unknown (0), expected those of \
             the truth, each once"
        );
        let error =
            Error::UnknownRelation { part: "thresholds", found: "x".into(), expected: vec!["a".into()] };
        assert_eq!(error.to_string(), r#"thresholds: found the relation "x", expected one of "a""#);
        let error = DocumentError::new("7", "no text");
        assert_eq!(re_data::error::with_causes(&error), "document 7: reading failed: no text");
    }
}
