//! How far the graphs of a run agree with the truth.

use re_extract::score::Agreement;
use serde::Deserialize;

/// What the file of a run says of the graphs that it has extracted: what [`re_extract::Scores`] holds, in short.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct GraphScores {
    /// Number of documents.
    pub documents: usize,
    /// Mentions with span and type right.
    pub mentions: Agreement,
    /// Relations with the label and both spans right.
    pub relations: Agreement,
    /// Relations with the label, both spans and both types right.
    pub strict_relations: Agreement,
}
