//! Class priors: probabilities for data whose classes are distributed otherwise than the training data's.

use std::sync::Arc;

use re_data::{LabelSet, Probabilities, RelationExample};

use crate::error::{Error, Result};
use crate::vote::{probabilities, softmax_into};

/// Change of a class's share below which the estimate of [`estimate_prior`] has settled.
const SETTLED: f64 = 1e-8;
/// Steps after which [`estimate_prior`] gives up waiting for that.
const MAX_STEPS: usize = 2_000;

/// The share of each class in some data, summing to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    labels: Arc<LabelSet>,
    shares: Vec<f64>,
}

impl Prior {
    /// A prior from counts or shares, one for each class in label order; they are normalised.
    ///
    /// # Errors
    /// [`Error::Argument`] where their number is not that of the classes or they sum to 0,
    /// [`Error::Prior`] where one is negative or not finite.
    pub fn new(labels: Arc<LabelSet>, counts: &[f64]) -> Result<Self> {
        let total: f64 = counts.iter().sum();
        for (label, &found) in labels.names().iter().zip(counts) {
            if !(found >= 0.0 && found.is_finite()) {
                return Err(Error::Prior { label: label.clone(), found });
            }
        }
        if counts.len() != labels.len() || total <= 0.0 {
            return Err(Error::Argument {
                name: "counts",
                found: format!("{} counts with sum {total} for {} classes", counts.len(), labels.len()),
                expected: "one count for each class, not all zero",
            });
        }
        Ok(Self { labels, shares: counts.iter().map(|count| count / total).collect() })
    }

    /// Equal shares.
    pub fn uniform(labels: Arc<LabelSet>) -> Self {
        let shares = vec![1.0 / labels.len() as f64; labels.len()];
        Self { labels, shares }
    }

    /// The prior of labelled examples: `(count + smoothing) / (rows + smoothing * classes)`. A smoothing
    /// above 0 keeps classes that the examples lack from having a share of 0; 1 is Laplace's.
    ///
    /// # Errors
    /// [`Error::Unlabelled`] where an example has no label, [`Error::Data`] where its label is unknown,
    /// and as [`Prior::new`].
    pub fn from_examples<'a>(
        labels: Arc<LabelSet>,
        examples: impl IntoIterator<Item = &'a RelationExample>,
        smoothing: f64,
    ) -> Result<Self> {
        let mut counts = vec![smoothing; labels.len()];
        for example in examples {
            let class =
                labels.class_of(example)?.ok_or_else(|| Error::Unlabelled { id: example.id().to_owned() })?;
            if let Some(count) = counts.get_mut(class) {
                *count += 1.0;
            }
        }
        Self::new(labels, &counts)
    }

    /// The classes.
    pub fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// Share of each class, 0 to 1.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// What logit adjustment adds to the logit of each class: `-tau ln(share)` (Menon et al., "Long-tail learning via
    /// logit adjustment", 2021). To adjust probabilities instead, [`shift_prior`] to [`Prior::uniform`].
    ///
    /// # Errors
    /// [`Error::Prior`] where a class has share 0, [`Error::Argument`] where `tau` is no finite number >= 0.
    pub fn logit_adjustment(&self, tau: f64) -> Result<Vec<f64>> {
        check_tau(tau)?;
        Ok(self.divisor(&self.labels)?.into_iter().map(|share| -tau * share.ln()).collect())
    }

    /// The shares in the class order of `labels`.
    fn in_order_of(&self, name: &str, labels: &LabelSet) -> Result<Vec<f64>> {
        if let Some(label) = self.labels.names().iter().find(|label| labels.id(label).is_none()) {
            let (member, label) = (name.to_owned(), label.clone());
            return Err(Error::UnexpectedLabel { member, label, reference: "probabilities".into() });
        }
        let share = |label: &String| {
            self.labels.id(label).and_then(|class| self.shares.get(class)).copied().ok_or_else(|| {
                let (member, label) = (name.to_owned(), label.clone());
                Error::MissingLabel { member, label, reference: "probabilities".into() }
            })
        };
        labels.names().iter().map(share).collect()
    }

    /// As [`Prior::in_order_of`], for shares that will be divided by.
    fn divisor(&self, labels: &LabelSet) -> Result<Vec<f64>> {
        let shares = self.in_order_of("training prior", labels)?;
        match labels.names().iter().zip(&shares).find(|(_, share)| **share <= 0.0) {
            Some((label, &found)) => Err(Error::Prior { label: label.clone(), found }),
            None => Ok(shares),
        }
    }
}

/// Moves probabilities from the training data's class prior to another: each is multiplied by
/// `(target / train)^tau` and the row normalised, which adds `tau (ln target - ln train)` to the logits.
///
/// `tau` 1 is Bayes' rule for a calibrated model, 0 only normalises. With a uniform target it is the
/// logit adjustment that favours rare classes (Menon et al., "Long-tail learning via logit
/// adjustment", 2021). A class with target share 0 gets probability 0 for any `tau > 0`; a row whose
/// classes all have target share 0 or probability 0 stays as it is.
///
/// # Errors
/// [`Error::Prior`] where a class has training share 0, [`Error::MissingLabel`] or
/// [`Error::UnexpectedLabel`] where the label sets differ, [`Error::Argument`] where `tau` is no finite number >= 0.
pub fn shift_prior(p: &Probabilities, train: &Prior, target: &Prior, tau: f64) -> Result<Probabilities> {
    check_tau(tau)?;
    let (from, to) = (train.divisor(p.labels())?, target.in_order_of("target prior", p.labels())?);
    // With tau 0 a share of 0 must change nothing, and 0 * ln 0 would be no number.
    let offsets: Vec<f64> =
        from.iter().zip(to).map(|(from, to)| if tau == 0.0 { 0.0 } else { tau * (to / from).ln() }).collect();
    let mut values = Vec::with_capacity(p.values().len());
    for row in p.rows() {
        let scores: Vec<f64> =
            row.iter().zip(&offsets).map(|(&value, offset)| f64::from(value).ln() + offset).collect();
        if scores.iter().any(|score| score.is_finite()) {
            softmax_into(&scores, &mut values);
        } else {
            values.extend_from_slice(row);
        }
    }
    probabilities(p.ids().to_vec(), p.labels(), values)
}

fn check_tau(tau: f64) -> Result<()> {
    if tau >= 0.0 && tau.is_finite() {
        return Ok(());
    }
    Err(Error::Argument { name: "tau", found: tau.to_string(), expected: "a finite number >= 0" })
}

/// What [`estimate_prior`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorEstimate {
    /// The prior of the data that the probabilities are for.
    pub prior: Prior,
    /// Steps that were made.
    pub steps: usize,
    /// Whether the last step changed no share by more than 1e-8.
    pub converged: bool,
}

/// Estimates the class prior of unlabelled data from a model's probabilities for it, by expectation
/// maximisation (Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a
/// priori probabilities", 2002). It starts at the training prior and assumes that the model is
/// calibrated and that nothing but the prior has changed; [`shift_prior`] then applies it.
///
/// # Errors
/// [`Error::NoRows`] where there is none; otherwise as [`shift_prior`].
pub fn estimate_prior(p: &Probabilities, train: &Prior) -> Result<PriorEstimate> {
    if p.is_empty() {
        return Err(Error::NoRows);
    }
    let from = train.divisor(p.labels())?;
    let mut shares = from.clone();
    let estimate = |step: usize, converged: bool, shares: &[f64]| -> Result<PriorEstimate> {
        Ok(PriorEstimate { prior: Prior::new(Arc::clone(p.labels()), shares)?, steps: step, converged })
    };
    for step in 1..=MAX_STEPS {
        let ratios: Vec<f64> = shares.iter().zip(&from).map(|(share, from)| share / from).collect();
        let mut sums = vec![0.0; shares.len()];
        for row in p.rows() {
            let joint = || row.iter().zip(&ratios).map(|(&value, ratio)| f64::from(value) * ratio);
            let total: f64 = joint().sum();
            // A row that contradicts the current prior carries no information about it.
            if total > 0.0 {
                sums.iter_mut().zip(joint()).for_each(|(sum, value)| *sum += value / total);
            }
        }
        let counted: f64 = sums.iter().sum();
        if counted <= 0.0 {
            return estimate(step, false, &shares);
        }
        sums.iter_mut().for_each(|sum| *sum /= counted);
        let change = sums.iter().zip(&shares).map(|(new, old)| (new - old).abs()).fold(0.0, f64::max);
        shares = sums;
        if change < SETTLED {
            return estimate(step, true, &shares);
        }
    }
    estimate(MAX_STEPS, false, &shares)
}
