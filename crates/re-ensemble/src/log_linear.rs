//! Stacking by a logistic regression over the members' log-probabilities.

use std::collections::VecDeque;

use crate::part::Part;
use crate::vote::{PROBABILITY_FLOOR, softmax_into};

/// Length of the gradient below which the fit has converged.
const CONVERGED: f64 = 1e-6;
/// The same where rounding keeps the loss from falling any further.
const ROUNDED: f64 = 1e-4;
/// Steps after which the fit stops in any case.
const MAX_STEPS: usize = 400;
/// Steps from which the curvature is told.
const REMEMBERED: usize = 10;
/// Share of the predicted decrease that a step must bring (Armijo, 1966).
const SUFFICIENT: f64 = 1e-4;

/// `p(c) ~ exp(offset(c) + sum over members m of coefficient(m) ln p_m(c))`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogLinear {
    pub(crate) coefficients: Vec<f64>,
    pub(crate) offsets: Vec<f64>,
}

impl LogLinear {
    /// Minimises the mean negative log-likelihood plus `l2 / 2` times the squared distance to the
    /// geometric mean, by L-BFGS (Nocedal, 1980) with backtracking: the objective is convex, but offsets
    /// of rare classes are far flatter than coefficients. Also says whether it got there.
    pub(crate) fn fit(part: &Part<'_>, l2: f64) -> (Self, bool) {
        let objective = Objective::new(part, l2);
        let mut model = objective.mean.clone();
        let mut remembered: VecDeque<(Self, Self)> = VecDeque::with_capacity(REMEMBERED + 1);
        let (mut loss, mut gradient) = objective.at(&model);
        for _ in 0..MAX_STEPS {
            if gradient.length() < CONVERGED {
                break;
            }
            let direction = descent(&gradient, &remembered);
            let slope = gradient.dot(&direction);
            let mut step = 1.0;
            let (next, next_loss, next_gradient) = loop {
                let next = model.plus(&direction, step);
                let (next_loss, next_gradient) = objective.at(&next);
                if next_loss <= loss + SUFFICIENT * step * slope {
                    break (next, next_loss, next_gradient);
                }
                step /= 2.0;
                // Below this rounding decides.
                if step < 1e-12 {
                    let converged = gradient.length() < ROUNDED;
                    return (model, converged);
                }
            };
            let (moved, change) = (next.plus(&model, -1.0), next_gradient.plus(&gradient, -1.0));
            if moved.dot(&change) > 0.0 {
                remembered.push_back((moved, change));
            }
            if remembered.len() > REMEMBERED {
                remembered.pop_front();
            }
            (model, loss, gradient) = (next, next_loss, next_gradient);
        }
        (model, gradient.length() < CONVERGED)
    }

    /// Appends the combined probabilities of one row.
    pub(crate) fn row(&self, row: &[&[f64]], out: &mut Vec<f32>) {
        softmax_into(&self.logits(&logs(row)), out);
    }

    fn logits(&self, row: &[Vec<f64>]) -> Vec<f64> {
        let mut logits = self.offsets.clone();
        for (logs, coefficient) in row.iter().zip(&self.coefficients) {
            logits.iter_mut().zip(logs).for_each(|(logit, log)| *logit += coefficient * log);
        }
        logits
    }

    /// `self + factor * other`.
    fn plus(&self, other: &Self, factor: f64) -> Self {
        let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + factor * b).collect();
        Self {
            coefficients: sum(&self.coefficients, &other.coefficients),
            offsets: sum(&self.offsets, &other.offsets),
        }
    }

    fn scaled(&self, factor: f64) -> Self {
        let scaled = |values: &[f64]| values.iter().map(|value| factor * value).collect();
        Self { coefficients: scaled(&self.coefficients), offsets: scaled(&self.offsets) }
    }

    fn dot(&self, other: &Self) -> f64 {
        self.parameters().zip(other.parameters()).map(|(a, b)| a * b).sum()
    }

    fn length(&self) -> f64 {
        self.dot(self).sqrt()
    }

    fn parameters(&self) -> impl Iterator<Item = f64> {
        self.coefficients.iter().chain(&self.offsets).copied()
    }
}

/// Minus the gradient times the inverse curvature that remembered steps and changes of the gradient tell.
fn descent(gradient: &LogLinear, remembered: &VecDeque<(LogLinear, LogLinear)>) -> LogLinear {
    let mut direction = gradient.scaled(-1.0);
    let mut shares = Vec::with_capacity(remembered.len());
    for (moved, change) in remembered.iter().rev() {
        let share = moved.dot(&direction) / moved.dot(change);
        direction = direction.plus(change, -share);
        shares.push(share);
    }
    if let Some((moved, change)) = remembered.back() {
        direction = direction.scaled(moved.dot(change) / change.dot(change));
    }
    for ((moved, change), share) in remembered.iter().zip(shares.into_iter().rev()) {
        let back = change.dot(&direction) / moved.dot(change);
        direction = direction.plus(moved, share - back);
    }
    direction
}

/// What a fit minimises.
struct Objective<'a> {
    /// The geometric mean, to which parameters are pulled.
    mean: LogLinear,
    logs: Vec<Vec<Vec<f64>>>,
    gold: &'a [usize],
    l2: f64,
}

impl<'a> Objective<'a> {
    fn new(part: &'a Part<'_>, l2: f64) -> Self {
        let members = part.rows.first().map_or(0, Vec::len);
        let classes = part.rows.first().and_then(|row| row.first()).map_or(0, |row| row.len());
        let coefficients = vec![1.0 / members as f64; members];
        Self {
            mean: LogLinear { coefficients, offsets: vec![0.0; classes] },
            logs: part.rows.iter().map(|row| logs(row)).collect(),
            gold: &part.gold,
            l2,
        }
    }

    /// Its value and its gradient.
    fn at(&self, model: &LogLinear) -> (f64, LogLinear) {
        let pull = model.plus(&self.mean, -1.0);
        let mut loss = 0.0;
        let mut gradient = pull.scaled(0.0);
        for (row, &gold) in self.logs.iter().zip(self.gold) {
            let logits = model.logits(row);
            let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut errors: Vec<f64> = logits.iter().map(|logit| (logit - highest).exp()).collect();
            let total: f64 = errors.iter().sum();
            loss += total.ln() + highest - logits.get(gold).copied().unwrap_or_default();
            errors.iter_mut().for_each(|error| *error /= total);
            if let Some(error) = errors.get_mut(gold) {
                *error -= 1.0;
            }
            gradient.offsets.iter_mut().zip(&errors).for_each(|(slope, error)| *slope += error);
            for (slope, logs) in gradient.coefficients.iter_mut().zip(row) {
                *slope += errors.iter().zip(logs).map(|(error, log)| error * log).sum::<f64>();
            }
        }
        let rows = self.logs.len() as f64;
        let loss = loss / rows + 0.5 * self.l2 * pull.dot(&pull);
        (loss, gradient.scaled(1.0 / rows).plus(&pull, self.l2))
    }
}

fn logs(row: &[&[f64]]) -> Vec<Vec<f64>> {
    row.iter().map(|values| values.iter().copied().map(log).collect()).collect()
}

fn log(probability: f64) -> f64 {
    probability.max(PROBABILITY_FLOOR).ln()
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use re_data::random::stream;

    use super::*;

    #[test]
    fn the_gradient_vanishes_with_many_classes() {
        let classes = 30;
        let mut random = stream(7, "test log-linear", 0);
        let gold: Vec<usize> = (0..400).map(|_| random.random_range(0..classes)).collect();
        let mut answer = |gold: usize| -> Vec<f64> {
            let known = random.random_range(0.0..1.0_f64) < 0.6;
            let top = if known { gold } else { random.random_range(0..classes) };
            (0..classes).map(|class| if class == top { 0.971 } else { 0.001 }).collect()
        };
        let answers: Vec<[Vec<f64>; 2]> = gold.iter().map(|&gold| [answer(gold), answer(gold)]).collect();
        let rows = answers.iter().map(|row| row.iter().map(Vec::as_slice).collect()).collect();
        let part = Part { rows, gold };
        for l2 in [0.1, 0.001] {
            let (model, converged) = LogLinear::fit(&part, l2);
            let (_, gradient) = Objective::new(&part, l2).at(&model);
            assert!(converged && gradient.length() < CONVERGED, "{l2}: {}", gradient.length());
        }
    }
}
