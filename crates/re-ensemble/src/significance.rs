//! How sure one can be that one predictor is better than another on the same rows.

use rand::RngExt;
use rayon::prelude::*;
use re_data::random::stream;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::error::{Error, Result};
use crate::gold::{Gold, Groups};
use crate::members::{Member, Members};

/// Most series that are resampled at once, which bounds the memory that a bootstrap of many subsets needs.
const AT_ONCE: usize = 4096;

/// Where each of two predictors is right.
pub(crate) type Paired<'a> = (&'a [bool], &'a [bool]);

/// A figure with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure as measured.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// For people: a share in percent, with its interval.
    pub fn percent(&self) -> String {
        self.text(|share| format!("{:.2}", 100.0 * share))
    }

    /// For people: a difference of shares in percentage points, with its interval; all but zero with a sign.
    ///
    /// ```
    /// # use re_ensemble::Estimate;
    /// let gain = Estimate { value: 0.0125, low: -0.00001, high: 0.02 };
    /// assert_eq!(gain.points(), "+1.25 [0.00, +2.00]");
    /// ```
    pub fn points(&self) -> String {
        self.text(|difference| {
            let text = format!("{:+.2}", 100.0 * difference);
            if text == "+0.00" || text == "-0.00" { "0.00".to_owned() } else { text }
        })
    }

    fn text(&self, number: impl Fn(f64) -> String) -> String {
        format!("{} [{}, {}]", number(self.value), number(self.low), number(self.high))
    }
}

/// Settings of a bootstrap over rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// Number of resamples; at least 1, some thousands for a steady interval.
    pub resamples: u32,
    /// Coverage of the intervals, between 0 and 1, both excluded.
    pub level: f64,
    /// Seed of the resampling.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 2,000 resamples, 95 %, seed 7.
    fn default() -> Self {
        Self { resamples: 2_000, level: 0.95, seed: 7 }
    }
}

impl Bootstrap {
    /// Checks that both settings are in their ranges.
    ///
    /// # Errors
    /// [`Error::Argument`] with the first one that is not.
    pub fn check(&self) -> Result<()> {
        if self.resamples == 0 {
            let found = self.resamples.to_string();
            return Err(Error::Argument { name: "resamples", found, expected: "at least 1" });
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            let found = self.level.to_string();
            return Err(Error::Argument { name: "level", found, expected: "a number between 0 and 1" });
        }
        Ok(())
    }

    /// Percentile intervals of differences in accuracy, all from the same resamples of the groups
    /// (Efron, 1979; for paired predictions Koehn, 2004). A group's rows are drawn together.
    pub(crate) fn means(&self, groups: &Groups, series: &[Paired<'_>]) -> Vec<Estimate> {
        series.chunks(AT_ONCE).flat_map(|series| self.means_at_once(groups, series)).collect()
    }

    fn means_at_once(&self, groups: &Groups, series: &[Paired<'_>]) -> Vec<Estimate> {
        let mut sizes = vec![0.0; groups.count];
        add_by_group(groups, std::iter::repeat(1.0), &mut sizes);
        let rows: f64 = sizes.iter().sum();
        // Most rows are right or wrong under both predictors: only the others are kept.
        let sums: Vec<Vec<(usize, f64)>> = series
            .iter()
            .map(|(a, b)| {
                let mut sums = vec![0.0; groups.count];
                add_by_group(groups, difference(a, b), &mut sums);
                sums.into_iter().enumerate().filter(|(_, sum)| *sum != 0.0).collect()
            })
            .collect();
        let resampled: Vec<Vec<f64>> = (0..self.resamples)
            .into_par_iter()
            .map(|resample| {
                let mut random = stream(self.seed, "bootstrap", u64::from(resample));
                let mut times = vec![0.0; groups.count];
                for _ in 0..groups.count {
                    if let Some(count) = times.get_mut(random.random_range(0..groups.count)) {
                        *count += 1.0;
                    }
                }
                let drawn: f64 = times.iter().zip(&sizes).map(|(times, size)| times * size).sum();
                let times_of = |group: usize| times.get(group).copied().unwrap_or_default();
                sums.iter()
                    .map(|sums| sums.iter().map(|&(group, sum)| sum * times_of(group)).sum::<f64>() / drawn)
                    .collect()
            })
            .collect();
        sums.iter()
            .enumerate()
            .map(|(which, sums)| {
                let mut means: Vec<f64> =
                    resampled.iter().filter_map(|means| means.get(which).copied()).collect();
                means.sort_unstable_by(f64::total_cmp);
                let cut = ((1.0 - self.level) / 2.0 * means.len() as f64).floor() as usize;
                let at = |rank: usize| means.get(rank).copied().unwrap_or_default();
                Estimate {
                    value: sums.iter().map(|(_, sum)| sum).sum::<f64>() / rows,
                    low: at(cut),
                    high: at((means.len() - 1).saturating_sub(cut)),
                }
            })
            .collect()
    }
}

fn add_by_group(groups: &Groups, values: impl Iterator<Item = f64>, sums: &mut [f64]) {
    for (&group, value) in groups.of_row.iter().zip(values) {
        if let Some(sum) = sums.get_mut(group) {
            *sum += value;
        }
    }
}

/// Wilson's score interval of a share (Wilson, 1927): unlike the normal approximation it stays within
/// 0..=1 and has a width at 0 and 1. It takes rows as independent.
///
/// # Errors
/// [`Error::Argument`] where `successes > trials` or `level` is not between 0 and 1, [`Error::NoRows`]
/// where `trials` is 0.
pub fn wilson(successes: usize, trials: usize, level: f64) -> Result<Estimate> {
    Bootstrap { level, ..Bootstrap::default() }.check()?;
    if trials == 0 {
        return Err(Error::NoRows);
    }
    if successes > trials {
        let found = format!("{successes} of {trials}");
        return Err(Error::Argument { name: "successes", found, expected: "at most the number of trials" });
    }
    // A level that differs from 1 by rounding alone would be infinitely far out.
    let z = Normal::standard().inverse_cdf(0.5 + level / 2.0).min(40.0);
    let (n, p) = (trials as f64, successes as f64 / trials as f64);
    let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    Ok(Estimate { value: p, low: (centre - half).clamp(0.0, p), high: (centre + half).clamp(p, 1.0) })
}

/// Two-sided exact McNemar test (McNemar, 1947, with the binomial distribution in place of chi-square):
/// the probability of a split at least as uneven as this one, if both predictors were equally good.
///
/// `only_a` and `only_b` count the rows that only one of them gets right. 1 where there is none.
pub fn mcnemar(only_a: u64, only_b: u64) -> f64 {
    let (fewer, all) = (only_a.min(only_b), only_a + only_b);
    if only_a == only_b {
        return 1.0;
    }
    let mut log_term = -(all as f64) * std::f64::consts::LN_2;
    let mut sum = log_term.exp();
    for k in 1..=fewer {
        log_term += (((all - k + 1) as f64) / k as f64).ln();
        sum += log_term.exp();
    }
    (2.0 * sum).min(1.0)
}

/// A p value as it is told: with three decimals, and no more zeros than that.
///
/// ```
/// use re_ensemble::significance::p_text;
/// assert_eq!([0.0004, 0.0076].map(p_text), ["< 0.001", "0.008"]);
/// ```
pub fn p_text(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// Two predictors on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// Number of rows.
    pub rows: usize,
    /// Accuracy of the first one, 0 to 1, with Wilson's interval.
    pub accuracy_a: Estimate,
    /// Accuracy of the second one.
    pub accuracy_b: Estimate,
    /// Accuracy of the first one less that of the second one, with a paired bootstrap interval.
    pub difference: Estimate,
    /// Rows that only the first one gets right.
    pub only_a: u64,
    /// Rows that only the second one gets right.
    pub only_b: u64,
    /// [`mcnemar`] of these two counts. It takes rows as independent, the bootstrap only groups.
    pub mcnemar_p: f64,
}

/// Compares two predictors' most probable classes with the gold labels.
///
/// # Errors
/// As [`Members::align`], errors of the gold labels, [`Error::NoRows`], and [`Error::Argument`] where the
/// bootstrap's settings are out of range.
pub fn compare(a: Member, b: Member, gold: &Gold, bootstrap: &Bootstrap) -> Result<Comparison> {
    let members = Members::align([a, b])?;
    let gold = gold.aligned(&members)?;
    let right: Vec<Vec<bool>> = members.members().iter().map(|m| hits(m, &gold.classes)).collect();
    match right.as_slice() {
        [a, b] => compare_in_groups(a, b, &gold.groups, bootstrap),
        _ => Err(Error::NoMembers),
    }
}

/// As [`compare`], for predictors of which only is known on which rows each is right: answers without
/// probabilities. Rows are taken as independent.
///
/// # Errors
/// [`Error::NoRows`], and [`Error::Argument`] where the lengths differ or the bootstrap's settings are
/// out of range.
pub fn compare_outcomes(a: &[bool], b: &[bool], bootstrap: &Bootstrap) -> Result<Comparison> {
    compare_in_groups(a, b, &Groups::single(a.len()), bootstrap)
}

fn compare_in_groups(a: &[bool], b: &[bool], groups: &Groups, bootstrap: &Bootstrap) -> Result<Comparison> {
    bootstrap.check()?;
    if a.len() != b.len() {
        let found = format!("{} and {}", a.len(), b.len());
        return Err(Error::Argument { name: "rows", found, expected: "equal numbers of outcomes" });
    }
    if a.is_empty() {
        return Err(Error::NoRows);
    }
    let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count() as u64;
    let (only_a, only_b) = (only(a, b), only(b, a));
    let difference = bootstrap.means(groups, &[(a, b)]);
    Ok(Comparison {
        rows: a.len(),
        accuracy_a: accuracy(a, bootstrap.level)?,
        accuracy_b: accuracy(b, bootstrap.level)?,
        difference: difference.first().copied().ok_or(Error::NoRows)?,
        only_a,
        only_b,
        mcnemar_p: mcnemar(only_a, only_b),
    })
}

/// Where a member's most probable class is the gold class.
pub(crate) fn hits(member: &Member, gold: &[usize]) -> Vec<bool> {
    member.probabilities().classes().iter().zip(gold).map(|(class, gold)| class == gold).collect()
}

/// Share of the rows that are right, with Wilson's interval.
pub(crate) fn accuracy(right: &[bool], level: f64) -> Result<Estimate> {
    wilson(right.iter().filter(|right| **right).count(), right.len(), level)
}

/// 1 where only `a` is right, -1 where only `b` is, 0 elsewhere.
fn difference(a: &[bool], b: &[bool]) -> impl Iterator<Item = f64> {
    a.iter().zip(b).map(|(&a, &b)| f64::from(i8::from(a) - i8::from(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_the_same_interval_in_every_block() {
        let (a, b) = ([true, true, false, true], [false, true, true, false]);
        let bootstrap = Bootstrap { resamples: 20, ..Default::default() };
        let found = bootstrap.means(&Groups::single(4), &vec![(&a[..], &b[..]); AT_ONCE + 1]);
        assert_eq!(found.len(), AT_ONCE + 1);
        assert!(found.iter().all(|estimate| *estimate == found[0]) && found[0].low < found[0].high);
    }
}
