//! How much is wrong of what is told, for each share of answers that one may tell.

use serde::Serialize;

/// Risk against coverage (Geifman and El-Yaniv 2017, "Selective classification for deep neural networks"): answers are told
/// from the surest one on, and at each point the risk is the share of those told so far that are wrong.
///
/// ```
/// use re_data::metrics::RiskCoverage;
/// let curve = RiskCoverage::of([(0.9, true), (0.8, true), (0.7, false), (0.6, true)]);
/// let points: Vec<_> = curve.points.iter().map(|point| (point.coverage, point.risk)).collect();
/// assert_eq!(points, [(0.25, 0.0), (0.5, 0.0), (0.75, 1.0 / 3.0), (1.0, 0.25)]);
/// assert_eq!(curve.area, (1.0 / 3.0 + 0.25) / 4.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RiskCoverage {
    /// One point for each score that occurs, from the largest on.
    pub points: Vec<RiskPoint>,
    /// Area under the curve: the mean risk over all numbers of answers told. 0 without answers.
    pub area: f64,
    /// That area less the one of scores that rank every right answer before every wrong one, so that it measures the scores
    /// alone (Geifman, Uziel and El-Yaniv 2019, "Bias-reduced uncertainty estimation for deep neural classifiers").
    pub excess_area: f64,
    /// Number of answers.
    pub rows: usize,
}

/// A point of a [`RiskCoverage`] curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RiskPoint {
    /// Answers with this score, or a larger one, are told.
    pub threshold: f32,
    /// Their share of all answers.
    pub coverage: f64,
    /// The share of them that is wrong.
    pub risk: f64,
}

impl RiskCoverage {
    /// The curve of answers, each with its score and whether it is right. Answers of equal score are told together, so that
    /// their order does not matter.
    pub fn of(answers: impl IntoIterator<Item = (f32, bool)>) -> Self {
        let answers = by_score(answers.into_iter().collect());
        let rows = answers.len();
        let (mut told, mut wrong, mut sum) = (0usize, 0usize, 0.0);
        let mut points = Vec::new();
        for tied in answers.chunk_by(|(a, _), (b, _)| a == b) {
            told += tied.len();
            wrong += tied.iter().filter(|(_, right)| !right).count();
            let risk = wrong as f64 / told as f64;
            sum += risk * tied.len() as f64;
            if let Some(&(threshold, _)) = tied.first() {
                points.push(RiskPoint { threshold, coverage: told as f64 / rows as f64, risk });
            }
        }
        let right = rows - wrong;
        let best: f64 = (1..=wrong).map(|wrong| wrong as f64 / (right + wrong) as f64).sum();
        let mean = |sum: f64| if rows == 0 { 0.0 } else { sum / rows as f64 };
        Self { points, area: mean(sum), excess_area: mean(sum - best), rows }
    }

    /// The first point at which at least this share of the answers is told, 0 to 1; `None` without answers.
    pub fn at(&self, coverage: f64) -> Option<&RiskPoint> {
        // Shares are quotients, so that the last bit of one says nothing.
        self.points.iter().find(|point| point.coverage >= coverage - 1e-12).or(self.points.last())
    }
}

/// Scored answers, each with whether it is right, the largest score first.
pub fn by_score(mut rows: Vec<(f32, bool)>) -> Vec<(f32, bool)> {
    rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_equal_scores_does_not_matter() {
        let one = RiskCoverage::of([(0.5, true), (0.5, false), (0.9, false)]);
        assert_eq!(one, RiskCoverage::of([(0.9, false), (0.5, false), (0.5, true)]));
        // 1/1, then 2/3 twice; the best order has 0, 1/2, 2/3.
        assert!((one.area - (1.0 + 2.0 * 2.0 / 3.0) / 3.0).abs() < 1e-12);
        assert!((one.excess_area - (one.area - (0.5 + 2.0 / 3.0) / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn scores_that_rank_well_have_no_excess() {
        let curve = RiskCoverage::of([(0.2, false), (0.9, true), (0.8, true)]);
        assert!(curve.excess_area.abs() < 1e-12 && curve.area > 0.0);
        assert_eq!(curve.at(0.5).map(|point| point.threshold), Some(0.8));
        assert_eq!(curve.at(1.0).map(|point| point.coverage), Some(1.0));
        let nothing = RiskCoverage::of([]);
        assert_eq!(nothing.at(0.5), None);
        assert_eq!((nothing.area, nothing.excess_area, nothing.points.len()), (0.0, 0.0, 0));
    }
}
