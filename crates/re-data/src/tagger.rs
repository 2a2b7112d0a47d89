//! What all taggers have in common: they find the mentions of texts.

use std::sync::Arc;

use crate::document::{Document, Mention};
use crate::outcomes::RowError;
use crate::predictor::PredictError;

/// Anything that finds mentions: a token classifier, a list of names, a vote of several.
///
/// As a [`Predictor`](crate::Predictor), it belongs to one thread at a time.
///
/// ```
/// use std::sync::Arc;
/// use re_data::{CharSpan, Document, Mention, PredictError, RowError, Tagger};
///
/// /// Finds the texts that begin with a name it knows.
/// struct Names(Vec<Arc<str>>);
///
/// impl Tagger for Names {
///     fn kinds(&self) -> &[Arc<str>] {
///         &self.0
///     }
///
///     fn tag(&self, documents: &[Document]) -> Result<Vec<Result<Vec<Mention>, RowError>>, PredictError> {
///         let tag = |document: &Document| {
///             let found = document.text().starts_with("Marie");
///             let mention = Mention::new(CharSpan::with_len(0, 5)).with_kind("PERSON").with_score(1.0);
///             Ok(if found { vec![mention] } else { Vec::new() })
///         };
///         Ok(documents.iter().map(tag).collect())
///     }
/// }
///
/// let tagger = Names(vec!["PERSON".into()]);
/// let mentions = tagger.tag(&[Document::new("1", "Marie loves Pierre.", Vec::new())?])?;
/// assert_eq!(mentions.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Tagger: Send {
    /// The types of mentions that it finds.
    fn kinds(&self) -> &[Arc<str>];

    /// The mentions of each document, in the order of their starts, with type and score; or why a document has none. The
    /// documents' own mentions are not looked at. A document that cannot be read fails alone.
    ///
    /// # Errors
    /// [`PredictError`] where the model failed or was stopped, and with it all documents.
    fn tag(&self, documents: &[Document]) -> Result<Vec<Result<Vec<Mention>, RowError>>, PredictError>;
}
