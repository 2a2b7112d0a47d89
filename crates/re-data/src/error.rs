//! What can go wrong while examples are made, split, encoded or judged.

use std::path::PathBuf;

use crate::files::partial::when_complete;
use crate::span::ByteSpan;
use crate::text::{brief, quoted};

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{}: access failed", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A folder was to be written where one with content lies.
    #[error("{}: holds files already, expected an empty folder or none", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// Something else stands where a file of a model is expected.
    #[error("{}: found {found}, expected {expected}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What stands there.
        found: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// A file is not what it was when its folder was saved.
    #[error(transparent)]
    Changed(Box<Mismatch>),
    /// An entity span does not denote a stretch of the example's text.
    #[error(
        "example {}: entity {} {} (expected a non-empty span on character boundaries)",
        brief(id),
        entity + 1,
        match span.is_empty() {
            true => format!("is empty, at byte {}", span.start()),
            false => format!("at bytes {span} is no stretch of a text of {text_len} bytes"),
        }
    )]
    EntitySpan {
        /// Id of the example.
        id: String,
        /// 0 for the first entity, 1 for the second.
        entity: usize,
        /// The span that was given.
        span: ByteSpan,
        /// Length of the text in bytes.
        text_len: usize,
    },
    /// A part of a document contradicts it.
    #[error("document {}: {part}: {field}: found {}, expected {expected}", brief(id), brief(found))]
    Document {
        /// Id of the document.
        id: String,
        /// Which mention, relation or pair, by its number from 0.
        part: String,
        /// Name of the field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: String,
    },
    /// A label does not belong to the label set in use.
    #[error(
        "example {}: label {} is not one of the {expected} labels of the label set",
        brief(id),
        quoted(found)
    )]
    UnknownLabel {
        /// Id of the example.
        id: String,
        /// The label that was found.
        found: String,
        /// Size of the label set.
        expected: usize,
    },
    /// An example that must have a label has none.
    #[error("example {} has no label", brief(id))]
    MissingLabel {
        /// Id of the example.
        id: String,
    },
    /// A label set is inconsistent.
    #[error("label set{}: {reason}", path.as_ref().map(|p| format!(" {}", p.display())).unwrap_or_default())]
    LabelSet {
        /// The file it was read from, if any.
        path: Option<PathBuf>,
        /// What is wrong with it.
        reason: String,
    },
    /// A matrix of probabilities has the wrong shape or content.
    #[error("probabilities: {reason}")]
    Probabilities {
        /// What is wrong with it.
        reason: String,
    },
    /// A value that the caller chose is outside its range.
    #[error("{name} = {} (expected {expected})", brief(found))]
    Argument {
        /// Name of the argument.
        name: &'static str,
        /// The value that was given.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A tokenizer could not be read or used.
    #[error("tokenizer{}: {reason}", path.as_ref().map(|p| format!(" {}", p.display())).unwrap_or_default())]
    Tokenizer {
        /// The file it was read from, if any.
        path: Option<PathBuf>,
        /// What is wrong with it.
        reason: String,
        /// The `tokenizers` crate's error, if it came from there.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A setting of a tokenizer cannot be followed, or contradicts another.
    #[error(
        "{}: {field} {} (expected {expected})",
        path.display(),
        found.as_ref().map_or("is not given".to_owned(), |found| format!("= {found}"))
    )]
    TokenizerSetting {
        /// The file that it stands in, or should stand in.
        path: PathBuf,
        /// Its key, or the token that it is about.
        field: Box<str>,
        /// What stands there, if anything does.
        found: Option<String>,
        /// What would be accepted.
        expected: String,
    },
    /// Truncation would remove an entity from the input.
    #[error(
        "example {}: entity {} does not fit into {max_length} tokens together with the other one \
         (the row needs {needed}); raise max_length or count lost entities instead",
        brief(id),
        entity + 1
    )]
    LostEntity {
        /// Id of the example.
        id: String,
        /// 0 for the first entity, 1 for the second.
        entity: usize,
        /// The limit in tokens.
        max_length: usize,
        /// Tokens that the untruncated row has.
        needed: usize,
    },
    /// No token covers an entity, so that no head could find it.
    #[error("example {}: no token covers entity {} ({})", brief(id), entity + 1, quoted(surface))]
    EntityWithoutTokens {
        /// Id of the example.
        id: String,
        /// 0 for the first entity, 1 for the second.
        entity: usize,
        /// The entity's surface form.
        surface: String,
    },
    /// An entity has a type that the markup was not built for.
    #[error(
        "example {}: entity {} has the type {}, expected one of {}",
        brief(id),
        entity + 1,
        quoted(found),
        expected.join(", ")
    )]
    UnknownEntityType {
        /// Id of the example.
        id: String,
        /// 0 for the first entity, 1 for the second.
        entity: usize,
        /// The type that was found.
        found: String,
        /// The types of the markup.
        expected: Vec<String>,
    },
}

/// The text of an error and of its causes, joined by colons: this project's errors do not repeat their cause's text.
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Self {
        Self::Changed(Box::new(mismatch))
    }
}

impl Error {
    /// Id of the example that this is about, where it is one row's fault and not that of a file, a setting or a model.
    pub fn example(&self) -> Option<&str> {
        match self {
            Self::EntitySpan { id, .. }
            | Self::UnknownLabel { id, .. }
            | Self::MissingLabel { id }
            | Self::LostEntity { id, .. }
            | Self::EntityWithoutTokens { id, .. }
            | Self::UnknownEntityType { id, .. } => Some(id),
            _ => None,
        }
    }

    /// An input/output error that names its file.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: when_complete(&path.into()), source }
    }
}

/// A file that is not what it was when its folder was saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {found}; where that is meant, remove {}", file.display(), manifest.display())]
pub struct Mismatch {
    /// The file.
    pub file: PathBuf,
    /// The manifest that says what it was.
    pub manifest: PathBuf,
    /// What has become of it.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_and_are_not_repeated() {
        let error = Error::io("a.tsv", std::io::Error::other("no space"));
        assert_eq!(error.to_string(), "a.tsv: access failed");
        assert_eq!(with_causes(&error), "a.tsv: access failed: no space");
    }
}
