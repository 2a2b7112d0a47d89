//! Weights of a vote, tuned on out-of-fold predictions and applied to other rows.

use std::collections::HashSet;
use std::sync::Arc;

use rand::seq::SliceRandom;
use re_data::random::stream;
use re_data::{LabelSet, Probabilities};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gold::{AlignedGold, Gold};
use crate::log_linear::LogLinear;
use crate::members::{Member, Members};
use crate::part::{Data, Part};
use crate::search::{greedy_weights, mixture_weights};
use crate::significance::{Bootstrap, Estimate, accuracy, hits};
use crate::vote::{Combiner, Scores, Vote, correct, probabilities};

/// How members are weighed. None has a random element.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tuning {
    /// Weights of a [`Vote::Mean`] under which the gold labels are most likely: the weights of a
    /// mixture, found by expectation maximisation (Dempster, Laird and Rubin, 1977). The likelihood
    /// is concave in the weights, so there is one optimum.
    Likelihood,
    /// Weights of a [`Vote::Mean`] found by forward selection with replacement for accuracy (Caruana
    /// et al., "Ensemble selection from libraries of models", 2004): at each round the member joins
    /// that leaves most rows right; a tie goes to the higher likelihood, then to the first name. The
    /// best round's counts are the weights.
    Greedy {
        /// Number of rounds; at least 1. Weights are multiples of one over that of the best round.
        rounds: usize,
    },
    /// Stacking (Wolpert, 1992) by a small logistic regression: the log-probabilities of a class are
    /// added, one coefficient for each member and an offset for each class (a logarithmic opinion
    /// pool with tuned temperatures). Coefficients may be negative.
    LogLinear {
        /// Strength of the pull to equal coefficients that sum to 1 and offsets 0; above 0. It stands
        /// beside the mean log-likelihood of a row in nats: 0.01 is mild.
        l2: f64,
    },
}

/// Predictions for rows that the members were not trained on, with the gold labels: the only thing
/// that weights can be tuned on.
///
/// Each row's prediction must come from a model that did not see the row: by cross-validation, or on a
/// held-out part. This type cannot check that. What it does see to is that tuned weights are never
/// measured on the rows they were tuned on: see [`OutOfFold::tune`] and [`Tuned::vote`].
#[derive(Debug, Clone)]
pub struct OutOfFold {
    members: Members,
    gold: AlignedGold,
}

/// Settings of the nested cross-validation that measures a tuning procedure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nested {
    /// Number of folds, at least 2 and at most the number of groups.
    pub folds: usize,
    /// Seed of the assignment of groups to folds.
    pub seed: u64,
    /// How intervals are found.
    pub bootstrap: Bootstrap,
}

impl Default for Nested {
    /// 10 folds, seed 7.
    fn default() -> Self {
        Self { folds: 10, seed: 7, bootstrap: Bootstrap::default() }
    }
}

impl OutOfFold {
    /// Pairs out-of-fold predictions with the gold labels of exactly the same rows. The members' own
    /// weights are ignored.
    ///
    /// # Errors
    /// A typed error that names the row where ids differ or a gold label is unknown, [`Error::NoRows`].
    pub fn new(members: Members, gold: &Gold) -> Result<Self> {
        let gold = gold.aligned(&members)?;
        Ok(Self { members: members.sorted_by_name(), gold })
    }

    /// Tunes weights on all rows, and measures the procedure by nested cross-validation: each fold is
    /// predicted with weights that were tuned on the other folds. Folds are stratified by class and
    /// keep groups together.
    ///
    /// # Errors
    /// [`Error::Argument`] where a setting is out of range.
    pub fn tune(&self, tuning: Tuning, nested: &Nested) -> Result<Tuned> {
        nested.bootstrap.check()?;
        let data = Data::new(&self.members, &self.gold.classes);
        let all = data.select(|_| true);
        let pool = Pool::fit(&all, tuning)?;
        let folds = self.folds(nested)?;
        let mut values = vec![0.0; self.gold.classes.len() * self.members.labels().len()];
        for fold in 0..nested.folds {
            let inside = |row: usize| folds.get(row) == Some(&fold);
            let fitted = Pool::fit(&data.select(|row| !inside(row)), tuning)?;
            let mut rows = values.chunks_exact_mut(self.members.labels().len()).enumerate();
            let held_out: Vec<&mut [f32]> =
                rows.by_ref().filter(|(row, _)| inside(*row)).map(|(_, slot)| slot).collect();
            let predicted = fitted.rows(&data.select(inside));
            for (slot, row) in held_out.into_iter().zip(predicted.chunks_exact(self.members.labels().len())) {
                slot.copy_from_slice(row);
            }
        }
        let predictions = probabilities(self.members.ids().to_vec(), self.members.labels(), values)?;
        self.report(pool, predictions, &nested.bootstrap)
    }

    fn report(&self, pool: Pool, predictions: Probabilities, bootstrap: &Bootstrap) -> Result<Tuned> {
        let gold = &self.gold.classes;
        let scores: Vec<Scores> =
            self.members.members().iter().map(|m| Scores::new(Vote::Mean, m.probabilities())).collect();
        let equal = vec![1.0; scores.len()];
        let equal = correct(Vote::Mean, &equal, &scores.iter().collect::<Vec<_>>(), gold);
        let tuned = hits(&Member::new("tuned", predictions.clone()), gold);
        let gain = bootstrap.means(&self.gold.groups, &[(tuned.as_slice(), equal.as_slice())]);
        Ok(Tuned {
            names: self.members.names().into_iter().map(str::to_owned).collect(),
            labels: Arc::clone(self.members.labels()),
            pool,
            rows: self.members.ids().iter().cloned().collect(),
            accuracy: accuracy(&tuned, bootstrap.level)?,
            gain_over_equal: gain.first().copied().ok_or(Error::NoRows)?,
            predictions,
        })
    }

    /// The fold of each row.
    fn folds(&self, nested: &Nested) -> Result<Vec<usize>> {
        let groups = &self.gold.groups;
        if !(2..=groups.count).contains(&nested.folds) {
            return Err(Error::Argument {
                name: "folds",
                found: format!("{} for {} groups of rows", nested.folds, groups.count),
                expected: "at least 2, at most the number of groups",
            });
        }
        // The order of the rows must not matter, so groups are shuffled in the order of their least id.
        let mut firsts: Vec<Option<(&String, usize)>> = vec![None; groups.count];
        for ((id, &class), &group) in self.members.ids().iter().zip(&self.gold.classes).zip(&groups.of_row) {
            if let Some(first) = firsts.get_mut(group)
                && first.is_none_or(|(least, _)| id < least)
            {
                *first = Some((id, class));
            }
        }
        let mut order: Vec<(usize, (&String, usize))> =
            firsts.into_iter().enumerate().filter_map(|(group, first)| Some((group, first?))).collect();
        order.sort_by_key(|(_, (id, _))| *id);
        order.shuffle(&mut stream(nested.seed, "nested folds", 0));
        order.sort_by_key(|(_, (_, class))| *class);
        let mut of_group = vec![0; groups.count];
        for (position, (group, _)) in order.into_iter().enumerate() {
            if let Some(fold) = of_group.get_mut(group) {
                *fold = position % nested.folds;
            }
        }
        Ok(groups.of_row.iter().filter_map(|&group| of_group.get(group).copied()).collect())
    }
}

/// Tuned weights, and how well the procedure that found them does.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    names: Vec<String>,
    labels: Arc<LabelSet>,
    pool: Pool,
    rows: HashSet<String>,
    predictions: Probabilities,
    accuracy: Estimate,
    gain_over_equal: Estimate,
}

impl Tuned {
    /// Each member's name with its weight, in the order of the names. Weights of a mean sum to 1;
    /// coefficients of [`Tuning::LogLinear`] need not.
    pub fn weights(&self) -> impl Iterator<Item = (&str, f64)> {
        let weights = match &self.pool {
            Pool::Mean(weights) => weights,
            Pool::LogLinear { model, .. } => &model.coefficients,
        };
        self.names.iter().map(String::as_str).zip(weights.iter().copied())
    }

    /// Each label with the offset that is added to its logit, in label order; none for a mean.
    pub fn offsets(&self) -> impl Iterator<Item = (&str, f64)> {
        let offsets: &[f64] = match &self.pool {
            Pool::Mean(_) => &[],
            Pool::LogLinear { model, .. } => &model.offsets,
        };
        self.labels.names().iter().map(String::as_str).zip(offsets.iter().copied())
    }

    /// Whether the fit of [`Tuning::LogLinear`] has reached its optimum rather than run out of steps;
    /// `None` for a mean.
    pub fn converged(&self) -> Option<bool> {
        match self.pool {
            Pool::Mean(_) => None,
            Pool::LogLinear { converged, .. } => Some(converged),
        }
    }

    /// The nested predictions for the tuning rows: each row's weights were tuned without its fold.
    /// These, and never a vote of the tuning rows with the final weights, go into any metric.
    pub fn nested_predictions(&self) -> &Probabilities {
        &self.predictions
    }

    /// Accuracy of the nested predictions, 0 to 1, with Wilson's interval.
    pub fn nested_accuracy(&self) -> Estimate {
        self.accuracy
    }

    /// Accuracy of the nested predictions less that of the [`Vote::Mean`] with equal weights, which has
    /// nothing to tune, on the same rows, with a paired bootstrap interval.
    pub fn gain_over_equal(&self) -> Estimate {
        self.gain_over_equal
    }

    /// For predictions of other rows that have the same ids, as where each file numbers its rows from 0: no id counts as
    /// that of a row that the weights were tuned on any more.
    #[must_use]
    pub fn for_other_rows(mut self) -> Self {
        self.rows.clear();
        self
    }

    /// Combines the same members' predictions for other rows with the tuned weights.
    ///
    /// # Errors
    /// [`Error::TunedOn`] where a row has the id of one that the weights were tuned on, see [`Tuned::for_other_rows`];
    /// [`Error::MemberSet`] where the members are others, and as [`Members::align`] where the label sets differ.
    pub fn vote(&self, members: &Members) -> Result<Probabilities> {
        if let Some(id) = members.ids().iter().find(|id| self.rows.contains(*id)) {
            return Err(Error::TunedOn { id: id.clone() });
        }
        let members = Members::align_to(members.members().to_vec(), &self.labels, members.ids())?;
        let members = members.sorted_by_name();
        if members.names() != self.names {
            return Err(Error::MemberSet {
                found: members.names().into_iter().map(str::to_owned).collect(),
                expected: self.names.clone(),
            });
        }
        let data = Data::new(&members, &[]);
        let values = self.pool.rows(&data.select(|_| true));
        probabilities(members.ids().to_vec(), &self.labels, values)
    }
}

/// A fitted combination.
#[derive(Debug, Clone, PartialEq)]
enum Pool {
    Mean(Vec<f64>),
    LogLinear { model: LogLinear, converged: bool },
}

impl Pool {
    /// Combined rows, flat.
    fn rows(&self, part: &Part<'_>) -> Vec<f32> {
        let mut out = Vec::new();
        match self {
            Self::Mean(weights) => {
                let mut combiner = Combiner::new(Vote::Mean, weights);
                for row in &part.rows {
                    out.extend_from_slice(combiner.row(row));
                }
            }
            Self::LogLinear { model, .. } => part.rows.iter().for_each(|row| model.row(row, &mut out)),
        }
        out
    }
}

impl Pool {
    /// The combination that fits these rows best.
    fn fit(part: &Part<'_>, tuning: Tuning) -> Result<Self> {
        match tuning {
            Tuning::Likelihood => Ok(Self::Mean(mixture_weights(part))),
            Tuning::Greedy { rounds: 0 } => {
                Err(Error::Argument { name: "rounds", found: "0".into(), expected: "at least 1" })
            }
            Tuning::Greedy { rounds } => Ok(Self::Mean(greedy_weights(part, rounds))),
            Tuning::LogLinear { l2 } if l2 > 0.0 && l2.is_finite() => {
                let (model, converged) = LogLinear::fit(part, l2);
                Ok(Self::LogLinear { model, converged })
            }
            Tuning::LogLinear { l2 } => Err(Error::Argument {
                name: "l2",
                found: l2.to_string(),
                expected: "a finite number above 0",
            }),
        }
    }
}
