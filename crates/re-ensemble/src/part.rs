//! Rows that weights are tuned on or applied to.

use crate::members::Members;
use crate::vote::{Scores, Vote};

/// Members' probabilities row by row: for each row one slice for each member.
pub(crate) struct Data<'a> {
    scores: Vec<Scores>,
    classes: &'a [usize],
}

/// Some rows of a [`Data`].
pub(crate) struct Part<'a> {
    /// For each row one slice of class probabilities for each member.
    pub(crate) rows: Vec<Vec<&'a [f64]>>,
    /// Gold class of each row.
    pub(crate) gold: Vec<usize>,
}

impl<'a> Data<'a> {
    pub(crate) fn new(members: &Members, classes: &'a [usize]) -> Self {
        let scores = members.members().iter().map(|m| Scores::new(Vote::Mean, m.probabilities())).collect();
        Self { scores, classes }
    }

    /// The rows with the numbers that are to be kept.
    pub(crate) fn select(&self, keep: impl Fn(usize) -> bool) -> Part<'_> {
        let mut iterators: Vec<_> = self.scores.iter().map(Scores::rows).collect();
        let count = iterators.first().map_or(0, ExactSizeIterator::len);
        let mut part = Part { rows: Vec::new(), gold: Vec::new() };
        for at in 0..count {
            let row: Vec<&[f64]> = iterators.iter_mut().filter_map(Iterator::next).collect();
            if keep(at) {
                part.rows.push(row);
                part.gold.extend(self.classes.get(at));
            }
        }
        part
    }
}
