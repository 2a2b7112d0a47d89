//! How far the graphs of a run agree with the truth.

use serde::Deserialize;

/// What the file of a run says of the graphs that it has extracted: what [`re_extract::Scores`] holds, in short.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct GraphScores {
    /// Number of documents.
    pub documents: usize,
    /// Mentions with span and type right.
    pub mentions: GraphAgreement,
    /// Relations with the label and both spans right.
    pub relations: GraphAgreement,
    /// Relations with the label, both spans and both types right.
    pub strict_relations: GraphAgreement,
}

/// Agreement of what was found with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct GraphAgreement {
    /// Elements of the truth.
    pub gold: usize,
    /// Elements that were found.
    pub predicted: usize,
    /// Elements of both.
    pub correct: usize,
    /// Over all elements.
    pub micro: GraphShares,
    /// Means over the labels.
    pub macro_average: GraphShares,
}

/// Fractions from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct GraphShares {
    /// Share of what was found that is right.
    pub precision: f64,
    /// Share of the truth that was found.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}
