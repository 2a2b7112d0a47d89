//! Whether a model is right as often as it says.

use crate::error::{Error, Result};

/// Rows by the probability of the predicted class.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Bins of equal width from probability 0 to 1.
    pub bins: Vec<ReliabilityBin>,
    /// Expected calibration error, 0 to 1: the mean distance of accuracy and mean probability of the bins,
    /// weighted by their rows (Guo et al. 2017, "On calibration of modern neural networks").
    pub error: f64,
    /// Mean probability of the predicted class.
    pub confidence: f64,
    /// Share of the rows that are right.
    pub accuracy: f64,
}

/// Rows whose predicted class has a probability in one range.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ReliabilityBin {
    /// Number of rows.
    pub rows: usize,
    /// How many of them are right.
    pub right: usize,
    /// Mean probability of the predicted class; 0 without rows.
    pub confidence: f64,
}

impl ReliabilityBin {
    /// Share of the rows that are right; 0 without rows.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.rows.max(1) as f64
    }
}

impl Reliability {
    /// Sorts rows, given as probability of the predicted class and whether it is right, into `bins` bins; the upper
    /// end of a range belongs to it. `None` without rows or bins.
    pub fn of(rows: impl IntoIterator<Item = (f64, bool)>, bins: usize) -> Option<Self> {
        let mut found = vec![ReliabilityBin::default(); bins];
        for (probability, right) in rows {
            let probability = probability.clamp(0.0, 1.0);
            let at = ((probability * bins as f64).ceil() as usize).clamp(1, bins.max(1)) - 1;
            let bin = found.get_mut(at)?;
            bin.rows += 1;
            bin.right += usize::from(right);
            bin.confidence += probability;
        }
        let rows: usize = found.iter().map(|bin| bin.rows).sum();
        if rows == 0 {
            return None;
        }
        let share = |sum: f64| sum / rows as f64;
        let confidence = share(found.iter().map(|bin| bin.confidence).sum());
        let accuracy = share(found.iter().map(|bin| bin.right as f64).sum());
        // Still sums: |right - sum of probabilities| is the bin's distance times its rows.
        let error = share(found.iter().map(|bin| (bin.right as f64 - bin.confidence).abs()).sum());
        for bin in &mut found {
            bin.confidence /= bin.rows.max(1) as f64;
        }
        Some(Self { bins: found, error, confidence, accuracy })
    }
}

/// Expected calibration error of rows, given as probability and whether it came true: [`Reliability::error`]; 0 without rows.
///
/// # Errors
/// [`Error::Argument`] where there is no bin.
pub fn expected_calibration_error(rows: impl IntoIterator<Item = (f64, bool)>, bins: usize) -> Result<f64> {
    if bins == 0 {
        return Err(Error::Argument { name: "bins", found: bins.to_string(), expected: "at least one" });
    }
    Ok(Reliability::of(rows, bins).map_or(0.0, |found| found.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_weighted_distance() {
        // 0.9 twice, right once: distance 0.4 in 2 of 4 rows. 0.5 twice, right twice: distance 0.5.
        let rows = [(0.9, true), (0.9, false), (0.5, true), (0.5, true)];
        let found = Reliability::of(rows, 10).unwrap();
        assert!((found.error - 0.45).abs() < 1e-6, "{found:?}");
        assert!((found.confidence - 0.7).abs() < 1e-6);
        assert_eq!(found.accuracy, 0.75);
        let counts: Vec<usize> = found.bins.iter().map(|bin| bin.rows).collect();
        assert_eq!(counts, [0, 0, 0, 0, 2, 0, 0, 0, 2, 0]);
    }

    #[test]
    fn the_ends_of_the_range_have_a_bin() {
        let found = Reliability::of([(0.0, false), (1.0, true), (1.0005, true)], 10).unwrap();
        assert_eq!((found.bins[0].rows, found.bins[9].rows), (1, 2));
        assert_eq!(found.error, 0.0);
        assert_eq!(Reliability::of([], 10), None);
        assert_eq!(Reliability::of([(0.5, true)], 0), None);
        assert_eq!(expected_calibration_error([], 10).unwrap(), 0.0);
        assert!(expected_calibration_error([(0.5, true)], 0).is_err());
    }
}
