//! Probabilities that mean what they say: of the relations with a score of 0.8, eight in ten hold.

use std::collections::BTreeMap;

use re_data::metrics::{cross_entropy, expected_calibration_error};
use re_data::{LabelSet, Probabilities};
use serde::{Deserialize, Serialize};

use crate::decide::temper;
use crate::error::{Error, Result};

/// Largest temperature that is looked for; its inverse is the smallest. Beyond it, probabilities are all alike, or all 0
/// and 1, and the rows are too few or too easy to tell.
const MAX_TEMPERATURE: f64 = 20.0;
/// Halvings of the range in which the temperature lies: enough for the last bit.
const HALVINGS: usize = 64;
/// Steps of Newton's method; it needs about ten.
const STEPS: usize = 100;
/// Distance from 0 and 1 at which logits are cut off.
const EDGE: f64 = 1e-7;

/// A straight line in logits: the probability `p` becomes `sigmoid(slope logit(p) + intercept)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platt {
    /// Above 0, so that the order of scores stays.
    pub slope: f64,
    /// Above 0 where the predictor says too little.
    pub intercept: f64,
}

impl Platt {
    /// The probability that the line gives in the place of `probability`.
    pub fn apply(&self, probability: f64) -> f64 {
        sigmoid(self.slope * logit(probability) + self.intercept)
    }
}

/// How scores come from a predictor's probabilities.
///
/// One temperature for all classes (Guo et al. 2017, "On calibration of modern neural networks") changes how sure the
/// predictor is and never what it answers. On top of it each relation has a line in logits, fitted one against the rest
/// (Platt 1999, "Probabilistic outputs for support vector machines"): a rare relation is off in another way than a frequent
/// one. A relation with too few rows has the line of all relations together.
///
/// Platt's lines rather than a temperature for each relation, as most of what is wrong with one class against the rest is
/// its prior, which a temperature, that keeps a probability of a half where it is, cannot move.
///
/// ```
/// use re_extract::Calibration;
/// let none = Calibration::default();
/// assert_eq!(none.score("spouse", 0.8), 0.8);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Calibration {
    temperature: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pooled: Option<Platt>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    relations: BTreeMap<String, Platt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default = "one")]
    temperature: f64,
    #[serde(default)]
    pooled: Option<Platt>,
    #[serde(default)]
    relations: BTreeMap<String, Platt>,
}

fn one() -> f64 {
    1.0
}

impl TryFrom<Raw> for Calibration {
    type Error = Error;

    fn try_from(Raw { temperature, pooled, relations }: Raw) -> Result<Self> {
        check_temperature(temperature)?;
        for line in relations.values().chain(&pooled) {
            if !(line.slope > 0.0 && line.slope.is_finite() && line.intercept.is_finite()) {
                let found = format!("slope {} with intercept {}", line.slope, line.intercept);
                return Err(Error::setting("calibration", found, "a slope above 0 and a finite intercept"));
            }
        }
        Ok(Self { temperature, pooled, relations })
    }
}

fn check_temperature(temperature: f64) -> Result<()> {
    if temperature > 0.0 && temperature.is_finite() {
        return Ok(());
    }
    Err(Error::setting("temperature", temperature, "a finite number above 0"))
}

/// Probabilities as the predictor gives them.
impl Default for Calibration {
    fn default() -> Self {
        Self { temperature: 1.0, pooled: None, relations: BTreeMap::new() }
    }
}

/// How [`Calibration::fit`] works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CalibrationOptions {
    /// Whether relations have lines of their own, or the temperature is all.
    pub per_relation: bool,
    /// Fewest rows of a relation, and fewest of others, that a line of its own is fitted to.
    pub min_rows: usize,
    /// Bins of the calibration error in the report.
    pub bins: usize,
}

impl Default for CalibrationOptions {
    fn default() -> Self {
        Self { per_relation: true, min_rows: 30, bins: 15 }
    }
}

/// A calibration and what it changes, each number before and after. The numbers are of the rows that it was fitted to;
/// rows that were set aside have the last word ([`Calibration::measure`]).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fitted {
    /// What is stored with the model.
    pub calibration: Calibration,
    /// Whether the temperature is the largest or smallest that is looked for, as where every row is right.
    pub at_bound: bool,
    /// The fit on all rows.
    pub effect: Effect,
    /// For each relation, in class order, what its scores come from.
    pub relations: Vec<(String, Source)>,
}

/// Where the line, or the threshold, of a relation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Its own rows.
    Own,
    /// Too few rows of its own, or rows that say nothing: those of all relations.
    Pooled,
    /// Nothing: there are too few rows altogether.
    Nothing,
}

/// Numbers before and after calibration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// Rows that were looked at.
    pub rows: usize,
    /// Mean negative log-likelihood of the true class in nats, which the temperature alone changes.
    pub negative_log_likelihood: [f64; 2],
    /// Expected calibration error of the most probable class, which the temperature alone changes.
    pub calibration_error: [f64; 2],
    /// Expected calibration error of the scores of all relations, each against the rest.
    pub relation_calibration_error: [f64; 2],
}

impl Calibration {
    /// A temperature alone.
    ///
    /// # Errors
    /// [`Error::Setting`] where it is no finite number above 0.
    pub fn with_temperature(temperature: f64) -> Result<Self> {
        check_temperature(temperature)?;
        Ok(Self { temperature, ..Self::default() })
    }

    /// Learns from rows that the predictor was not trained on: its probabilities and the true classes.
    ///
    /// The temperature minimises the negative log-likelihood, which is convex in its inverse; its derivative is halved in
    /// `1/20..=20`.
    ///
    /// # Errors
    /// [`Error::NoRows`], and [`Error::Data`] where there are not as many classes as rows or one is unknown.
    pub fn fit(probabilities: &Probabilities, gold: &[usize], options: CalibrationOptions) -> Result<Fitted> {
        // This also checks the rows.
        cross_entropy(gold, probabilities)?;
        if gold.is_empty() {
            return Err(Error::NoRows { what: "calibration" });
        }
        let (temperature, at_bound) = fit_temperature(probabilities, gold);
        let mut calibration = Self { temperature, ..Self::default() };
        let labels = probabilities.labels();
        let mut sources = Vec::new();
        if options.per_relation {
            let rows = one_against_the_rest(&calibration.tempered(probabilities), gold, labels);
            let all: Vec<(f64, bool)> = rows.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
            calibration.pooled = fit_line(&all, options.min_rows);
            for (class, rows) in &rows {
                let name = labels.name(*class).unwrap_or_default();
                let line = fit_line(rows, options.min_rows);
                sources.push((
                    name.to_owned(),
                    match (line, calibration.pooled) {
                        (Some(_), _) => Source::Own,
                        (None, Some(_)) => Source::Pooled,
                        (None, None) => Source::Nothing,
                    },
                ));
                calibration.relations.extend(line.map(|line| (name.to_owned(), line)));
            }
        }
        let effect = calibration.measure(probabilities, gold, options.bins)?;
        Ok(Fitted { calibration, at_bound, effect, relations: sources })
    }

    /// What this calibration changes on other rows.
    ///
    /// # Errors
    /// As [`Calibration::fit`], and [`Error::Data`] where there is no bin.
    pub fn measure(&self, probabilities: &Probabilities, gold: &[usize], bins: usize) -> Result<Effect> {
        let before = cross_entropy(gold, probabilities)?;
        if gold.is_empty() {
            return Err(Error::NoRows { what: "calibration" });
        }
        let labels = probabilities.labels();
        let raw = Self::default().tempered(probabilities);
        let tempered = self.tempered(probabilities);
        let likelihood = |row: &Vec<f64>, class: &usize| {
            -row.get(*class).copied().unwrap_or_default().max(f64::from(f32::MIN_POSITIVE)).ln()
        };
        let after = tempered.iter().zip(gold).map(|(row, class)| likelihood(row, class)).sum::<f64>();
        let top = |rows: &[Vec<f64>]| {
            let answers = rows.iter().zip(gold).map(|(row, &gold)| {
                let class = re_data::predict::argmax(row);
                (row.get(class).copied().unwrap_or_default(), class == gold)
            });
            expected_calibration_error(answers, bins)
        };
        let against_rest = |rows: &[Vec<f64>], scored: bool| {
            let rows = one_against_the_rest(rows, gold, labels);
            let scores = rows.iter().flat_map(|(class, rows)| {
                let name = labels.name(*class).unwrap_or_default();
                rows.iter().map(move |&(p, is)| (if scored { self.score(name, p) } else { p }, is))
            });
            expected_calibration_error(scores, bins)
        };
        Ok(Effect {
            rows: gold.len(),
            negative_log_likelihood: [before, after / gold.len() as f64],
            calibration_error: [top(&raw)?, top(&tempered)?],
            relation_calibration_error: [against_rest(&raw, false)?, against_rest(&tempered, true)?],
        })
    }

    /// What logits are divided by.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The line of a relation: its own, else that of all.
    pub fn line(&self, relation: &str) -> Option<Platt> {
        self.relations.get(relation).copied().or(self.pooled)
    }

    /// The score of a relation whose probability after the temperature is `probability`.
    pub fn score(&self, relation: &str, probability: f64) -> f64 {
        self.line(relation).map_or(probability, |line| line.apply(probability))
    }

    /// The relations that have a line of their own.
    pub fn relations(&self) -> impl Iterator<Item = &str> {
        self.relations.keys().map(String::as_str)
    }

    /// The class probabilities of each row after the temperature.
    pub fn tempered(&self, probabilities: &Probabilities) -> Vec<Vec<f64>> {
        let row = |row: &[f32]| {
            let mut row: Vec<f64> = row.iter().map(|&value| f64::from(value)).collect();
            if self.temperature != 1.0 {
                temper(&mut row, self.temperature);
            }
            row
        };
        probabilities.rows().map(row).collect()
    }
}

/// For each class that is a relation, its probabilities with whether the row belongs to it.
fn one_against_the_rest(
    rows: &[Vec<f64>],
    gold: &[usize],
    labels: &LabelSet,
) -> Vec<(usize, Vec<(f64, bool)>)> {
    let relations = (0..labels.len()).filter(|&class| labels.no_relation() != Some(class));
    let of = |class: usize| {
        let row =
            |(row, &gold): (&Vec<f64>, &usize)| (row.get(class).copied().unwrap_or_default(), gold == class);
        (class, rows.iter().zip(gold).map(row).collect())
    };
    relations.map(of).collect()
}

/// The temperature of least negative log-likelihood, and whether it lies at the end of the range.
fn fit_temperature(probabilities: &Probabilities, gold: &[usize]) -> (f64, bool) {
    let logit = |value: &f32| f64::from(value.max(f32::MIN_POSITIVE)).ln();
    let logits: Vec<Vec<f64>> = probabilities.rows().map(|row| row.iter().map(logit).collect()).collect();
    // The derivative in the inverse temperature: expected less true logit. It never falls, as the function is convex.
    let slope = |inverse: f64| -> f64 {
        let of_row = |(row, &class): (&Vec<f64>, &usize)| {
            let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let (mut sum, mut weighted) = (0.0, 0.0);
            for logit in row {
                let weight = (inverse * (logit - highest)).exp();
                sum += weight;
                weighted += weight * logit;
            }
            weighted / sum - row.get(class).copied().unwrap_or_default()
        };
        logits.iter().zip(gold).map(of_row).sum()
    };
    let (mut low, mut high) = (-MAX_TEMPERATURE.ln(), MAX_TEMPERATURE.ln());
    let flat = 1e-9 * gold.len() as f64;
    if slope(high.exp()).abs() < flat && slope(low.exp()).abs() < flat {
        // Every temperature is as good as any other: one class, or rows of equal probabilities.
        return (1.0, false);
    }
    // Rows that are all right want certainty without end, and rows that are right by chance want none.
    if slope(high.exp()) <= 0.0 {
        return (1.0 / MAX_TEMPERATURE, true);
    }
    if slope(low.exp()) >= 0.0 {
        return (MAX_TEMPERATURE, true);
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if slope(middle.exp()) < 0.0 { low = middle } else { high = middle }
    }
    ((-f64::midpoint(low, high)).exp(), false)
}

/// Platt's line by Newton's method with halved steps, as Lin, Lin and Weng (2007, "A note on Platt's probabilistic outputs
/// for support vector machines") do it. `None` where there are fewer than `min_rows` rows of either kind, or a larger
/// probability does not make the relation more likely.
fn fit_line(rows: &[(f64, bool)], min_rows: usize) -> Option<Platt> {
    let positive = rows.iter().filter(|(_, is)| *is).count();
    let negative = rows.len() - positive;
    if positive.min(negative) < min_rows.max(1) {
        return None;
    }
    // Platt's targets: certainty only as far as the number of rows allows.
    let targets = [1.0 / (negative as f64 + 2.0), (positive as f64 + 1.0) / (positive as f64 + 2.0)];
    let target = |is: bool| if is { targets[1] } else { targets[0] };
    let points: Vec<(f64, f64)> = rows.iter().map(|&(p, is)| (logit(p), target(is))).collect();
    let loss = |slope: f64, intercept: f64| -> f64 {
        let of_row = |&(x, target): &(f64, f64)| {
            let z = slope * x + intercept;
            // ln(1 + e^z) - target z, without overflow.
            z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z
        };
        points.iter().map(of_row).sum()
    };
    let mut line = (0.0, ((positive as f64 + 1.0) / (negative as f64 + 1.0)).ln());
    let mut now = loss(line.0, line.1);
    for _ in 0..STEPS {
        // A little on the diagonal, as the rows may all have one probability.
        let (mut xx, mut x1, mut one, mut gx, mut g1) = (1e-12, 0.0, 1e-12, 0.0, 0.0);
        for &(x, target) in &points {
            let p = sigmoid(line.0 * x + line.1);
            let weight = p * (1.0 - p);
            xx += weight * x * x;
            x1 += weight * x;
            one += weight;
            gx += (p - target) * x;
            g1 += p - target;
        }
        if gx.abs().max(g1.abs()) < 1e-9 * points.len() as f64 {
            break;
        }
        let determinant = xx * one - x1 * x1;
        let step = (-(one * gx - x1 * g1) / determinant, -(xx * g1 - x1 * gx) / determinant);
        let mut size = 1.0;
        let better = loop {
            let next = (line.0 + size * step.0, line.1 + size * step.1);
            let value = loss(next.0, next.1);
            if value < now {
                break Some((next, value));
            }
            size /= 2.0;
            if size < 1e-10 {
                break None;
            }
        };
        let Some((next, value)) = better else { break };
        (line, now) = (next, value);
    }
    let (slope, intercept) = line;
    (slope > 0.0 && slope.is_finite() && intercept.is_finite()).then_some(Platt { slope, intercept })
}

fn logit(probability: f64) -> f64 {
    let p = probability.clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn rows(values: &[[f32; 3]], gold: &[usize]) -> (Probabilities, Vec<usize>) {
        let labels = Arc::new(LabelSet::new(["no_relation", "a", "b"]).unwrap());
        let ids = (0..values.len()).map(|id| id.to_string()).collect();
        (Probabilities::new(ids, labels, values.concat()).unwrap(), gold.to_vec())
    }

    const LINES: CalibrationOptions = CalibrationOptions { per_relation: true, min_rows: 2, bins: 10 };
    const ALONE: CalibrationOptions = CalibrationOptions { per_relation: false, ..LINES };

    #[test]
    fn the_temperature_is_that_of_the_right_share() {
        // 0.9 against 0.1, right three times in four: logits of 3:1 want ln 3 = ln 9 / T, so that T is 2.
        let (probabilities, gold) = rows(&[[0.9, 0.1, 0.0]; 4], &[0, 0, 0, 1]);
        let fitted = Calibration::fit(&probabilities, &gold, ALONE).unwrap();
        assert!((fitted.calibration.temperature() - 2.0).abs() < 1e-5, "{fitted:?}");
        assert!(!fitted.at_bound);
        let effect = fitted.effect;
        // |0.75 - 0.9| before; nothing after.
        assert!((effect.calibration_error[0] - 0.15).abs() < 1e-6 && effect.calibration_error[1] < 1e-5);
        let entropy = -(0.75f64.ln() * 0.75 + 0.25f64.ln() * 0.25);
        assert!((effect.negative_log_likelihood[1] - entropy).abs() < 1e-6);
        assert!(effect.negative_log_likelihood[0] > effect.negative_log_likelihood[1]);
    }

    #[test]
    fn rows_that_are_all_right_or_tell_nothing_have_bounds() {
        let fit = |values: &[[f32; 3]], gold: &[usize]| {
            let (probabilities, gold) = rows(values, gold);
            let fitted = Calibration::fit(&probabilities, &gold, ALONE).unwrap();
            (fitted.calibration.temperature(), fitted.at_bound)
        };
        assert_eq!(fit(&[[0.9, 0.1, 0.0]; 3], &[0, 0, 0]), (0.05, true));
        assert_eq!(fit(&[[0.9, 0.1, 0.0]; 3], &[1, 1, 2]), (20.0, true));
        let third = 1.0 / 3.0;
        assert_eq!(fit(&[[third; 3]; 3], &[1, 1, 2]), (1.0, false));
        // Certain and wrong: finite all the same.
        let (temperature, _) = fit(&[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], &[0, 1]);
        assert!(temperature.is_finite());
        let (none, gold) = rows(&[], &[]);
        let error = Calibration::fit(&none, &gold, ALONE).unwrap_err();
        assert_eq!(error.to_string(), "calibration: found no row, expected at least one");
    }

    #[test]
    fn a_line_moves_scores_to_the_shares_that_hold() {
        // Two scores: 0.2 holds in 1 of 2 rows, 0.8 in 8 of 10. Targets are those of Platt: 10/11 for the 9 that hold, and
        // 1/5 for the 3 that do not.
        let mut scored = vec![(0.2, true), (0.2, false)];
        scored.extend((0..10).map(|row| (0.8, row < 8)));
        let line = fit_line(&scored, 2).unwrap();
        let (low, high) = ((10.0 / 11.0 + 0.2) / 2.0, (8.0 * 10.0 / 11.0 + 2.0 * 0.2) / 10.0);
        assert!((line.apply(0.2) - low).abs() < 1e-6 && (line.apply(0.8) - high).abs() < 1e-6, "{line:?}");
        assert_eq!(fit_line(&scored, 4), None);
        // Where larger probabilities are worse, there is nothing to calibrate.
        let wrong: Vec<(f64, bool)> = scored.iter().map(|&(p, is)| (1.0 - p, is)).collect();
        assert_eq!(fit_line(&wrong, 2), None);
        // One probability for all: the line is flat but for rounding, or none, and never a failure.
        let flat = vec![(0.5, true), (0.5, true), (0.5, false), (0.5, false)];
        assert!(fit_line(&flat, 2).is_none_or(|line| line.slope.is_finite()));
    }

    #[test]
    fn a_relation_with_few_rows_has_the_line_of_all() {
        let mut values = vec![[0.2, 0.8, 0.0]; 20];
        values.extend([[0.6, 0.4, 0.0]; 20]);
        values.push([0.4, 0.0, 0.6]);
        // Of those with 0.8 half are "a", of those with 0.4 a tenth.
        let gold: Vec<usize> = (0..41)
            .map(|row| match row {
                0..10 | 20..22 => 1,
                40 => 2,
                _ => 0,
            })
            .collect();
        let (probabilities, gold) = rows(&values, &gold);
        let fitted = Calibration::fit(&probabilities, &gold, LINES).unwrap();
        let sources = [("a".to_owned(), Source::Own), ("b".to_owned(), Source::Pooled)];
        assert_eq!(fitted.relations, sources);
        let [before, after] = fitted.effect.relation_calibration_error;
        assert!(after < before / 2.0, "{fitted:?}");
        assert_eq!(fitted.calibration.line("b"), fitted.calibration.line("c"));
        assert_ne!(fitted.calibration.line("b"), fitted.calibration.line("a"));

        let text = serde_json::to_string(&fitted.calibration).unwrap();
        assert_eq!(serde_json::from_str::<Calibration>(&text).unwrap(), fitted.calibration);
        let other = fitted.calibration.measure(&probabilities, &gold, 10).unwrap();
        assert_eq!(other, fitted.effect);
    }

    #[test]
    fn what_cannot_be_a_calibration_is_refused() {
        let message = |text| serde_json::from_str::<Calibration>(text).unwrap_err().to_string();
        assert!(message(r#"{"temperature":0}"#).starts_with("temperature: found 0"));
        let flat = message(r#"{"pooled":{"slope":0,"intercept":1}}"#);
        assert!(flat.contains("slope 0 with intercept 1, expected a slope above 0"), "{flat}");
        assert!(message(r#"{"temprature":1}"#).contains("temprature"));
        assert!(Calibration::with_temperature(f64::NAN).is_err());
    }
}
