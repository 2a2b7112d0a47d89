//! Searches for the weights of a mean of probabilities.

use re_data::predict::argmax;

use crate::part::Part;
use crate::vote::PROBABILITY_FLOOR;

/// Gain in mean log-likelihood below which [`mixture_weights`] has settled.
const SETTLED: f64 = 1e-10;
/// Steps after which [`mixture_weights`] stops in any case.
const MAX_STEPS: usize = 2_000;

/// Weights of the mixture under which the gold classes are most likely; they sum to 1.
pub(crate) fn mixture_weights(part: &Part<'_>) -> Vec<f64> {
    let members = part.rows.first().map_or(0, Vec::len);
    let likelihoods: Vec<Vec<f64>> = part
        .rows
        .iter()
        .zip(&part.gold)
        .map(|(row, &gold)| {
            let of = |member: &&[f64]| member.get(gold).copied().unwrap_or_default().max(PROBABILITY_FLOOR);
            row.iter().map(of).collect()
        })
        .collect();
    let mut weights = vec![1.0 / members as f64; members];
    let mut before = f64::NEG_INFINITY;
    for _ in 0..MAX_STEPS {
        let mut shares = vec![0.0; members];
        let mut log_likelihood = 0.0;
        for row in &likelihoods {
            let joint = || row.iter().zip(&weights).map(|(likelihood, weight)| likelihood * weight);
            let total: f64 = joint().sum();
            shares.iter_mut().zip(joint()).for_each(|(share, value)| *share += value / total);
            log_likelihood += total.ln();
        }
        weights = shares.iter().map(|share| share / likelihoods.len() as f64).collect();
        let mean = log_likelihood / likelihoods.len() as f64;
        if mean - before < SETTLED {
            break;
        }
        before = mean;
    }
    weights
}

/// Weights found by forward selection with replacement for accuracy; they sum to 1.
pub(crate) fn greedy_weights(part: &Part<'_>, rounds: usize) -> Vec<f64> {
    let members = part.rows.first().map_or(0, Vec::len);
    let classes = part.rows.first().and_then(|row| row.first()).map_or(0, |row| row.len());
    let mut sums = vec![0.0; part.rows.len() * classes];
    let mut counts = vec![0_usize; members];
    let mut best: Option<(Score, Vec<usize>)> = None;
    for _ in 0..rounds {
        let mut chosen: Option<(Score, usize)> = None;
        for member in 0..members {
            let score = Score::with(part, &sums, classes, member);
            if chosen.as_ref().is_none_or(|(highest, _)| score.beats(highest)) {
                chosen = Some((score, member));
            }
        }
        let Some((score, member)) = chosen else { break };
        for (sum, row) in sums.chunks_exact_mut(classes).zip(&part.rows) {
            let values = row.get(member).copied().unwrap_or_default();
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        if let Some(count) = counts.get_mut(member) {
            *count += 1;
        }
        // Each round adds one vote, so the likelihoods of rounds compare by their means.
        let score = score.averaged_over(counts.iter().sum(), part.rows.len());
        if best.as_ref().is_none_or(|(highest, _)| score.beats(highest)) {
            best = Some((score, counts.clone()));
        }
    }
    let counts = best.map_or(counts, |(_, counts)| counts);
    let total: usize = counts.iter().sum();
    counts.into_iter().map(|count| count as f64 / total as f64).collect()
}

/// What a candidate of the greedy search is worth.
struct Score {
    correct: usize,
    log_likelihood: f64,
}

impl Score {
    /// The score of the votes so far together with one more of `member`.
    fn with(part: &Part<'_>, sums: &[f64], classes: usize, member: usize) -> Self {
        let mut score = Self { correct: 0, log_likelihood: 0.0 };
        let mut totals: Vec<f64> = Vec::with_capacity(classes);
        for ((sum, row), &gold) in sums.chunks_exact(classes).zip(&part.rows).zip(&part.gold) {
            let values = row.get(member).copied().unwrap_or_default();
            totals.clear();
            totals.extend(sum.iter().zip(values).map(|(sum, value)| sum + value));
            score.correct += usize::from(argmax(&totals) == gold);
            let likelihood = totals.get(gold).copied().unwrap_or_default();
            score.log_likelihood += likelihood.max(PROBABILITY_FLOOR).ln();
        }
        score
    }

    fn averaged_over(self, votes: usize, rows: usize) -> Self {
        Self { log_likelihood: self.log_likelihood - rows as f64 * (votes as f64).ln(), ..self }
    }

    fn beats(&self, other: &Self) -> bool {
        self.correct > other.correct
            || (self.correct == other.correct && self.log_likelihood > other.log_likelihood)
    }
}
