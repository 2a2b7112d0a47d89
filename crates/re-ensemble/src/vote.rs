//! Soft and hard voting.

use std::slice::ChunksExact;
use std::sync::Arc;

use re_data::predict::argmax;
use re_data::{LabelSet, Probabilities};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::members::{Member, Members};

/// Lowest probability that [`Vote::LogMean`] believes a member.
///
/// About the rounding of single precision: below it a probability tells how the model's softmax was
/// computed or how many digits a file has, and a zero would let one member veto a class.
pub const PROBABILITY_FLOOR: f64 = 1e-7;

/// Vote shares, relative to all weights, closer than this are a tie: the sums of the weights
/// 0.1 + 0.2 and 0.3 differ only by rounding.
const TIED_SHARES: f64 = 1e-9;

/// Mean probabilities closer than this are equal.
const TIED_MEANS: f64 = 1e-12;

/// How the members' probabilities become one.
///
/// Every rule weighs members by [`Member::weight`], computes in double precision and adds in an order
/// that depends on the values alone: permuting the members changes no bit of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// Soft vote: the weighted arithmetic mean of the probabilities (the linear opinion pool; Kittler
    /// et al., "On combining classifiers", 1998).
    #[default]
    Mean,
    /// Soft vote: the weighted geometric mean, normalised (the logarithmic opinion pool; Hinton,
    /// "Products of experts", 1999). Probabilities below [`PROBABILITY_FLOOR`] count as that.
    LogMean,
    /// Hard vote: each member gives its weight to its most probable class; the result is the share of
    /// the weights that each class has got.
    ///
    /// A tie is won by the class with the higher weighted mean probability, then by the one that
    /// stands first in the label set. The winner of a tie gets the next larger single-precision
    /// number for its share (by less than 1e-7), so that it is the one most probable class of the row
    /// also after columns were reordered.
    Hard,
}

impl Members {
    /// Combines the members into one matrix of probabilities with their rows and classes.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) where the result is no matrix of probabilities; rows that
    /// [`Probabilities::new`] accepts do not lead to it.
    pub fn vote(&self, vote: Vote) -> Result<Probabilities> {
        let members: Vec<&Member> = self.members().iter().collect();
        let mut values = Vec::with_capacity(self.ids().len() * self.labels().len());
        let scores: Vec<Scores> = members.iter().map(|m| Scores::new(vote, m.probabilities())).collect();
        let weights: Vec<f64> = members.iter().map(|m| m.weight()).collect();
        Combiner::new(vote, &weights).cast(&scores.iter().collect::<Vec<_>>(), |row| {
            values.extend_from_slice(row);
        });
        probabilities(self.ids().to_vec(), self.labels(), values)
    }
}

/// A matrix of combined values, each brought back to at most 1: members may exceed it by rounding.
pub(crate) fn probabilities(
    ids: Vec<String>,
    labels: &Arc<LabelSet>,
    values: Vec<f32>,
) -> Result<Probabilities> {
    let values = values.into_iter().map(|value| value.min(1.0)).collect();
    Ok(Probabilities::new(ids, Arc::clone(labels), values)?)
}

/// A member's probabilities in the scale in which the vote averages them.
pub(crate) struct Scores {
    values: Vec<f64>,
    classes: usize,
}

impl Scores {
    pub(crate) fn new(vote: Vote, probabilities: &Probabilities) -> Self {
        let scale = |&value: &f32| match vote {
            Vote::LogMean => f64::from(value).max(PROBABILITY_FLOOR).ln(),
            Vote::Mean | Vote::Hard => f64::from(value),
        };
        let values = probabilities.values().iter().map(scale).collect();
        Self { values, classes: probabilities.labels().len() }
    }

    pub(crate) fn rows(&self) -> ChunksExact<'_, f64> {
        self.values.chunks_exact(self.classes)
    }
}

/// A vote with its weights and the buffers it needs.
pub(crate) struct Combiner<'a> {
    vote: Vote,
    weights: &'a [f64],
    total: f64,
    means: Vec<f64>,
    shares: Vec<f64>,
    out: Vec<f32>,
}

impl<'a> Combiner<'a> {
    /// One weight for each member.
    pub(crate) fn new(vote: Vote, weights: &'a [f64]) -> Self {
        let mut ascending = weights.to_vec();
        ascending.sort_unstable_by(f64::total_cmp);
        let total = ascending.iter().sum();
        Self { vote, weights, total, means: Vec::new(), shares: Vec::new(), out: Vec::new() }
    }

    /// Votes on each row in turn and hands the result to `receive`.
    pub(crate) fn cast(&mut self, scores: &[&Scores], mut receive: impl FnMut(&[f32])) {
        let mut iterators: Vec<_> = scores.iter().map(|s| s.rows()).collect();
        let mut rows: Vec<&[f64]> = Vec::with_capacity(scores.len());
        let count = iterators.first().map_or(0, ExactSizeIterator::len);
        for _ in 0..count {
            rows.clear();
            rows.extend(iterators.iter_mut().filter_map(Iterator::next));
            receive(self.row(&rows));
        }
    }

    /// The result for one row, given what each member says of it.
    pub(crate) fn row(&mut self, rows: &[&[f64]]) -> &[f32] {
        // The order of the sums' terms decides on their rounding, so it is taken from what the members
        // say. From this row alone: a row's result must not depend on the rows around it either.
        let mut members: Vec<(&[f64], f64)> =
            rows.iter().copied().zip(self.weights.iter().copied()).collect();
        members.sort_unstable_by(|(a, weight_a), (b, weight_b)| {
            let differing = a.iter().zip(*b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
            differing.unwrap_or_else(|| weight_a.total_cmp(weight_b))
        });
        let classes = rows.first().map_or(0, |row| row.len());
        self.means.clear();
        self.means.resize(classes, 0.0);
        for (row, weight) in &members {
            self.means.iter_mut().zip(*row).for_each(|(mean, value)| *mean += weight * value);
        }
        self.means.iter_mut().for_each(|mean| *mean /= self.total);
        self.out.clear();
        match self.vote {
            Vote::Mean => self.out.extend(self.means.iter().map(|&mean| mean as f32)),
            Vote::LogMean => softmax_into(&self.means, &mut self.out),
            Vote::Hard => self.count_votes(&members),
        }
        &self.out
    }

    fn count_votes(&mut self, members: &[(&[f64], f64)]) {
        self.shares.clear();
        self.shares.resize(self.means.len(), 0.0);
        for &(row, weight) in members {
            if let Some(share) = self.shares.get_mut(argmax(row)) {
                *share += weight;
            }
        }
        self.shares.iter_mut().for_each(|share| *share /= self.total);
        let most = self.shares.iter().copied().fold(0.0, f64::max);
        let tied = |share: f64| share >= most - TIED_SHARES;
        let candidates = || self.shares.iter().zip(&self.means).enumerate().filter(|(_, (s, _))| tied(**s));
        let highest = candidates().map(|(_, (_, &mean))| mean).fold(0.0, f64::max);
        let winner = candidates().find(|(_, (_, mean))| **mean >= highest - TIED_MEANS).map(|(c, _)| c);
        self.out.extend(self.shares.iter().map(|&share| share as f32));
        let others = self.out.iter().enumerate().filter(|(class, _)| Some(*class) != winner);
        let runner_up = others.map(|(_, &share)| share).fold(0.0, f32::max);
        if let Some(share) = winner.and_then(|class| self.out.get_mut(class)) {
            *share = share.max(runner_up.next_up());
        }
    }
}

/// Appends `exp(scores)`, normalised.
pub(crate) fn softmax_into(scores: &[f64], out: &mut Vec<f32>) {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|score| (score - highest).exp()).sum();
    out.extend(scores.iter().map(|score| ((score - highest).exp() / total) as f32));
}

/// Which rows a vote of `scores` gets right.
pub(crate) fn correct(vote: Vote, weights: &[f64], scores: &[&Scores], gold: &[usize]) -> Vec<bool> {
    let mut gold = gold.iter();
    let mut correct = Vec::with_capacity(gold.len());
    Combiner::new(vote, weights).cast(scores, |row| correct.push(gold.next() == Some(&argmax(row))));
    correct
}
