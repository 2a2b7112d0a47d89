//! Stacking by a logistic regression over the members' log-probabilities.

use crate::tune::Part;
use crate::vote::{PROBABILITY_FLOOR, softmax_into};

/// Length of the gradient below which the fit has settled.
const SETTLED: f64 = 1e-6;
/// Steps after which the fit stops in any case.
const MAX_STEPS: usize = 400;
/// Share of the predicted decrease that a step must bring (Armijo, 1966).
const SUFFICIENT: f64 = 0.5;

/// `p(c) ~ exp(offset(c) + sum over members m of coefficient(m) ln p_m(c))`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogLinear {
    pub(crate) coefficients: Vec<f64>,
    pub(crate) offsets: Vec<f64>,
}

impl LogLinear {
    /// Minimises the mean negative log-likelihood plus `l2 / 2` times the squared distance to the
    /// geometric mean, by gradient descent with backtracking: the objective is convex.
    pub(crate) fn fit(part: &Part<'_>, l2: f64) -> Self {
        let members = part.rows.first().map_or(0, Vec::len);
        let classes = part.rows.first().and_then(|row| row.first()).map_or(0, |row| row.len());
        let mean = Self { coefficients: vec![1.0 / members as f64; members], offsets: vec![0.0; classes] };
        let logs: Vec<Vec<Vec<f64>>> = part
            .rows
            .iter()
            .map(|row| row.iter().map(|values| values.iter().copied().map(log).collect()).collect())
            .collect();
        let mut model = mean.clone();
        let mut step = 1.0;
        let (mut loss, mut gradient) = model.loss(&mean, &logs, &part.gold, l2);
        for _ in 0..MAX_STEPS {
            let length = gradient.parameters().map(|g| g * g).sum::<f64>();
            if length.sqrt() < SETTLED {
                break;
            }
            let next = loop {
                let candidate = model.minus(&gradient, step);
                let (found, slope) = candidate.loss(&mean, &logs, &part.gold, l2);
                if found <= loss - SUFFICIENT * step * length {
                    break Some((candidate, found, slope));
                }
                step /= 2.0;
                // Below this rounding decides, so the present model is as good as any.
                if step < 1e-12 {
                    break None;
                }
            };
            let Some(next) = next else { break };
            (model, loss, gradient) = next;
            step *= 2.0;
        }
        model
    }

    /// Appends the combined probabilities of one row.
    pub(crate) fn row(&self, row: &[&[f64]], out: &mut Vec<f32>) {
        let logs: Vec<Vec<f64>> =
            row.iter().map(|values| values.iter().copied().map(log).collect()).collect();
        softmax_into(&self.logits(&logs), out);
    }

    fn logits(&self, row: &[Vec<f64>]) -> Vec<f64> {
        let mut logits = self.offsets.clone();
        for (logs, coefficient) in row.iter().zip(&self.coefficients) {
            logits.iter_mut().zip(logs).for_each(|(logit, log)| *logit += coefficient * log);
        }
        logits
    }

    /// The objective and its gradient.
    fn loss(&self, mean: &Self, logs: &[Vec<Vec<f64>>], gold: &[usize], l2: f64) -> (f64, Self) {
        let pull: Vec<f64> = self.parameters().zip(mean.parameters()).map(|(a, b)| a - b).collect();
        let mut loss = 0.0;
        let mut gradient =
            Self { coefficients: vec![0.0; self.coefficients.len()], offsets: vec![0.0; self.offsets.len()] };
        for (row, &gold) in logs.iter().zip(gold) {
            let logits = self.logits(row);
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
        let rows = logs.len() as f64;
        let parameters = gradient.coefficients.iter_mut().chain(&mut gradient.offsets);
        parameters.zip(&pull).for_each(|(slope, pull)| *slope = *slope / rows + l2 * pull);
        (loss / rows + 0.5 * l2 * pull.iter().map(|pull| pull * pull).sum::<f64>(), gradient)
    }

    fn minus(&self, gradient: &Self, step: f64) -> Self {
        let moved = |from: &[f64], slope: &[f64]| {
            from.iter().zip(slope).map(|(value, slope)| value - step * slope).collect()
        };
        Self {
            coefficients: moved(&self.coefficients, &gradient.coefficients),
            offsets: moved(&self.offsets, &gradient.offsets),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = f64> {
        self.coefficients.iter().chain(&self.offsets).copied()
    }
}

fn log(probability: f64) -> f64 {
    probability.max(PROBABILITY_FLOOR).ln()
}
