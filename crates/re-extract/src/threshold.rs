//! From which score on a relation is told, so that enough of what is told holds.

use std::collections::BTreeMap;

use re_data::metrics::by_score;
use serde::{Deserialize, Serialize};

use crate::calibrate::Source;
use crate::error::{Error, Result};

/// A relation that was told on documents whose truth is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The relation.
    pub relation: String,
    /// Its score, 0 to 1.
    pub score: f32,
    /// Whether it holds.
    pub right: bool,
}

/// How [`Thresholds::choose`] works.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThresholdOptions {
    /// The precision that is wanted, above 0 and up to 1.
    pub precision: f64,
    /// Fewest answers of a relation that a threshold of its own is chosen on.
    pub min_rows: usize,
    /// Demands the precision of the lower end of Wilson's interval with this many standard errors, such as 1.645 for a
    /// chance of 95 %, and not of the share itself. A single threshold then holds by that chance; as it is chosen among
    /// many, a little less.
    pub lower_bound: Option<f64>,
}

impl Default for ThresholdOptions {
    fn default() -> Self {
        Self { precision: 0.9, min_rows: 30, lower_bound: None }
    }
}

/// The smallest score of a relation that is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The score, 0 to 1; `null` where no score reached the precision, so that the relation is never told.
    pub value: Option<f32>,
    /// Answers that it was chosen on.
    #[serde(default)]
    pub rows: usize,
    /// How many of them have the score, or a larger one.
    #[serde(default)]
    pub kept: usize,
    /// How many of those hold.
    #[serde(default)]
    pub right: usize,
}

impl Threshold {
    /// A threshold that somebody has decided on.
    pub fn declared(value: f32) -> Self {
        Self { value: Some(value), rows: 0, kept: 0, right: 0 }
    }

    /// Whether a score is enough.
    pub fn passes(&self, score: f32) -> bool {
        self.value.is_some_and(|value| score >= value)
    }
}

/// A threshold for each relation, and one for those that have none of their own.
///
/// ```
/// use re_extract::{Answer, ThresholdOptions, Thresholds};
/// let answer = |score, right| Answer { relation: "spouse".to_owned(), score, right };
/// let answers = [answer(0.9, true), answer(0.8, true), answer(0.7, false), answer(0.6, true)];
/// let options = ThresholdOptions { precision: 1.0, min_rows: 3, lower_bound: None };
/// let thresholds = Thresholds::choose(&answers, options)?;
/// assert!(thresholds.passes("spouse", 0.8) && !thresholds.passes("spouse", 0.79));
/// # Ok::<(), re_extract::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Thresholds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pooled: Option<Threshold>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    relations: BTreeMap<String, Threshold>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    pooled: Option<Threshold>,
    #[serde(default)]
    relations: BTreeMap<String, Threshold>,
}

impl TryFrom<Raw> for Thresholds {
    type Error = Error;

    fn try_from(Raw { pooled, relations }: Raw) -> Result<Self> {
        Self::declare(relations, pooled)
    }
}

impl Thresholds {
    /// Thresholds as declared; `pooled` is for the relations that are not named. Without it they are told with any score.
    ///
    /// # Errors
    /// [`Error::Setting`] where a value is not from 0 to 1.
    pub fn declare(relations: BTreeMap<String, Threshold>, pooled: Option<Threshold>) -> Result<Self> {
        for value in relations.values().chain(&pooled).filter_map(|threshold| threshold.value) {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::setting("thresholds", value, "a score from 0 to 1, or null"));
            }
        }
        Ok(Self { pooled, relations })
    }

    /// Chooses thresholds on answers that were given without any: for each relation the smallest score such that of the
    /// answers with it, or with a larger one, the wanted share holds. All answers together give the threshold for
    /// relations with fewer than `min_rows`.
    ///
    /// A relation that reaches the share with no score is never told: there is nothing that would keep the promise.
    ///
    /// # Errors
    /// [`Error::NoRows`], and [`Error::Setting`] where a score is no number or an option is outside its range.
    pub fn choose(answers: &[Answer], options: ThresholdOptions) -> Result<Self> {
        if !(options.precision > 0.0 && options.precision <= 1.0) {
            return Err(Error::setting("precision", options.precision, "a number above 0 and up to 1"));
        }
        if let Some(bound) = options.lower_bound.filter(|bound| !(*bound >= 0.0 && bound.is_finite())) {
            return Err(Error::setting("lower_bound", bound, "a number of standard errors, at least 0"));
        }
        if let Some(answer) = answers.iter().find(|answer| !(0.0..=1.0).contains(&answer.score)) {
            return Err(Error::setting("score", answer.score, "a number from 0 to 1"));
        }
        if answers.is_empty() {
            return Err(Error::NoRows { what: "thresholds" });
        }
        let mut of_relations: BTreeMap<&str, Vec<(f32, bool)>> = BTreeMap::new();
        for Answer { relation, score, right } in answers {
            of_relations.entry(relation).or_default().push((*score, *right));
        }
        let all = answers.iter().map(|answer| (answer.score, answer.right)).collect();
        let enough = of_relations.into_iter().filter(|(_, rows)| rows.len() >= options.min_rows);
        let relations = enough.map(|(name, rows)| (name.to_owned(), smallest(rows, options))).collect();
        Ok(Self { pooled: Some(smallest(all, options)), relations })
    }

    /// The threshold of a relation, and where it comes from.
    pub fn of(&self, relation: &str) -> (Option<&Threshold>, Source) {
        match (self.relations.get(relation), &self.pooled) {
            (Some(own), _) => (Some(own), Source::Own),
            (None, Some(pooled)) => (Some(pooled), Source::Pooled),
            (None, None) => (None, Source::Nothing),
        }
    }

    /// Whether a relation with this score is told.
    pub fn passes(&self, relation: &str, score: f32) -> bool {
        self.of(relation).0.is_none_or(|threshold| threshold.passes(score))
    }

    /// The relations that have a threshold of their own.
    pub fn relations(&self) -> impl Iterator<Item = (&str, &Threshold)> {
        self.relations.iter().map(|(name, threshold)| (name.as_str(), threshold))
    }
}

fn smallest(rows: Vec<(f32, bool)>, options: ThresholdOptions) -> Threshold {
    let mut best = Threshold { value: None, rows: rows.len(), kept: 0, right: 0 };
    let (mut kept, mut right) = (0, 0);
    for tied in by_score(rows).chunk_by(|(a, _), (b, _)| a == b) {
        kept += tied.len();
        right += tied.iter().filter(|(_, right)| *right).count();
        let share = match options.lower_bound {
            None => right as f64 / kept as f64,
            Some(errors) => wilson_lower_bound(right, kept, errors),
        };
        // A share that was computed falls short of its own decimal by a bit.
        if share >= options.precision - 1e-12 {
            best = Threshold { value: tied.first().map(|(score, _)| *score), kept, right, ..best };
        }
    }
    best
}

/// The lower end of Wilson's score interval for a share of `right` in `rows`, `errors` standard errors wide on this side
/// (Wilson 1927, "Probable inference, the law of succession, and statistical inference"). 0 without rows.
pub fn wilson_lower_bound(right: usize, rows: usize, errors: f64) -> f64 {
    if rows == 0 {
        return 0.0;
    }
    let (n, share, square) = (rows as f64, right as f64 / rows as f64, errors * errors);
    let centre = share + square / (2.0 * n);
    let half = errors * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
    ((centre - half) / (1.0 + square / n)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answers(relation: &str, rows: &[(f32, bool)]) -> Vec<Answer> {
        let answer = |&(score, right)| Answer { relation: relation.to_owned(), score, right };
        rows.iter().map(answer).collect()
    }

    const OPTIONS: ThresholdOptions = ThresholdOptions { precision: 0.75, min_rows: 4, lower_bound: None };

    #[test]
    fn the_smallest_score_that_keeps_the_precision_is_chosen() {
        // Shares from above: 1/1, 1/2, 2/3, 3/4, 3/5.
        let rows = [(0.9, true), (0.8, false), (0.7, true), (0.6, true), (0.5, false)];
        let chosen = Thresholds::choose(&answers("a", &rows), OPTIONS).unwrap();
        let (threshold, source) = chosen.of("a");
        assert_eq!(threshold, Some(&Threshold { value: Some(0.6), rows: 5, kept: 4, right: 3 }));
        assert_eq!(source, Source::Own);
        // Two of one score stand or fall together.
        let tied = [(0.9, true), (0.6, true), (0.6, false), (0.6, false)];
        let chosen = Thresholds::choose(&answers("a", &tied), OPTIONS).unwrap();
        assert_eq!(chosen.of("a").0.and_then(|threshold| threshold.value), Some(0.9));
    }

    #[test]
    fn few_rows_have_the_threshold_of_all_and_none_may_be_enough() {
        let mut all = answers("a", &[(0.9, true), (0.8, true), (0.7, true), (0.2, false)]);
        all.extend(answers("b", &[(0.95, false)]));
        all.extend(answers("c", &[(0.3, false); 4]));
        let chosen = Thresholds::choose(&all, OPTIONS).unwrap();
        // All together: 0/1, 1/2, 2/3, 3/4, 3/8, 3/9.
        assert_eq!(chosen.of("b").0, Some(&Threshold { value: Some(0.7), rows: 9, kept: 4, right: 3 }));
        assert_eq!(chosen.of("b").1, Source::Pooled);
        assert!(chosen.passes("b", 0.7) && !chosen.passes("b", 0.69));
        assert_eq!(chosen.of("c").0, Some(&Threshold { value: None, rows: 4, kept: 0, right: 0 }));
        assert!(!chosen.passes("c", 1.0));
        assert!(Thresholds::default().passes("c", 0.0));

        let text = serde_json::to_string(&chosen).unwrap();
        assert!(text.contains(r#""value":null"#), "{text}");
        assert_eq!(serde_json::from_str::<Thresholds>(&text).unwrap(), chosen);
    }

    #[test]
    fn a_lower_bound_asks_for_more_rows() {
        // Wilson's interval of 9 in 10 at 1.96 standard errors: 0.5958 to 0.9821.
        assert!((wilson_lower_bound(9, 10, 1.96) - 0.5958).abs() < 1e-4);
        assert_eq!((wilson_lower_bound(0, 10, 1.96), wilson_lower_bound(0, 0, 1.96)), (0.0, 0.0));
        assert_eq!(wilson_lower_bound(3, 4, 0.0), 0.75);
        let rows = vec![(0.9, true); 10];
        let bounded = ThresholdOptions { precision: 0.8, lower_bound: Some(1.645), ..OPTIONS };
        let few = Thresholds::choose(&answers("a", &rows), bounded).unwrap();
        // 10 / (10 + 1.645^2) is 0.787.
        assert_eq!(few.of("a").0.and_then(|threshold| threshold.value), None);
        let enough =
            Thresholds::choose(&answers("a", &[rows, vec![(0.9, true); 2]].concat()), bounded).unwrap();
        assert!(enough.passes("a", 0.9));
    }

    #[test]
    fn what_cannot_be_a_threshold_is_refused() {
        let message =
            |answers: &[Answer], options| Thresholds::choose(answers, options).unwrap_err().to_string();
        assert!(message(&[], OPTIONS).starts_with("thresholds: found no row"));
        let zero = ThresholdOptions { precision: 0.0, ..OPTIONS };
        assert!(message(&[], zero).starts_with("precision: found 0"));
        let nan = ThresholdOptions { lower_bound: Some(f64::NAN), ..OPTIONS };
        assert!(message(&[], nan).starts_with("lower_bound: found NaN"));
        assert!(message(&answers("a", &[(f32::NAN, true)]), OPTIONS).starts_with("score: found NaN"));
        let error =
            serde_json::from_str::<Thresholds>(r#"{"pooled":{"value":1.5}}"#).unwrap_err().to_string();
        assert!(error.starts_with("thresholds: found 1.5, expected a score from 0 to 1, or null"), "{error}");
    }

    proptest! {
        #[test]
        fn what_passes_has_the_precision_and_no_smaller_score_would_do(
            rows in prop::collection::vec((0u8..10, any::<bool>()), 1..40),
            precision in 0.1f64..1.0,
        ) {
            let rows: Vec<(f32, bool)> = rows.into_iter().map(|(s, right)| (f32::from(s) / 10.0, right)).collect();
            let options = ThresholdOptions { precision, min_rows: 1, lower_bound: None };
            let chosen = Thresholds::choose(&answers("a", &rows), options).unwrap();
            let share = |value: f32| {
                let kept: Vec<_> = rows.iter().filter(|(score, _)| *score >= value).collect();
                kept.iter().filter(|(_, right)| *right).count() as f64 / kept.len() as f64
            };
            let value = chosen.of("a").0.unwrap().value;
            prop_assert!(value.is_none_or(|value| share(value) >= precision));
            for (score, _) in &rows {
                if value.is_none_or(|value| *score < value) {
                    prop_assert!(share(*score) < precision);
                }
            }
        }
    }
}
