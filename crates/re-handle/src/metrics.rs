//! What a handle has done so far, as numbers.

use std::time::Duration;

/// Numbers of requests or of their rows, by what became of them. Those that are on their way are in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Answered. A row that could not be answered by itself is among the failed ones.
    pub answered: u64,
    /// The predictor failed or panicked.
    pub failed: u64,
    /// The deadline came first.
    pub expired: u64,
    /// The one who asked did not wait: the future was dropped.
    pub cancelled: u64,
    /// Refused: there was no room, or the handle was shut down.
    pub rejected: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.answered + self.failed + self.expired + self.cancelled + self.rejected
    }
}

/// Numbers of buckets of a [`Distribution`].
const BUCKETS: usize = 40;

/// Whole numbers that were measured: how many, their sum, the largest, and how they are distributed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    count: u64,
    sum: u64,
    max: u64,
    buckets: [u64; BUCKETS],
}

impl Default for Distribution {
    fn default() -> Self {
        Self { count: 0, sum: 0, max: 0, buckets: [0; BUCKETS] }
    }
}

impl Distribution {
    pub(crate) fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
        // The last bucket holds all that is larger.
        let bucket = (u64::BITS - value.leading_zeros()) as usize;
        if let Some(count) = self.buckets.get_mut(bucket.min(BUCKETS - 1)) {
            *count += 1;
        }
    }

    /// How many were measured.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The largest, 0 where there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Their mean, 0 where there is none.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// Buckets up to that of the largest: the largest number that belongs to it, and how many do. The first holds the zeros,
    /// the next 1, then 2 and 3, 4 to 7, and so on.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let used = self.buckets.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        let bound = |bucket: usize| if bucket + 1 == BUCKETS { u64::MAX } else { (1 << bucket) - 1 };
        self.buckets.iter().take(used).enumerate().map(move |(bucket, &count)| (bound(bucket), count))
    }
}

/// What a [`Handle`](crate::Handle) and all of its clones have done so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Requests with rows that no batch holds yet.
    pub queued_requests: usize,
    /// Their rows that no batch holds yet.
    pub queued_rows: usize,
    /// Requests that wait for room. They are not among the queued ones.
    pub waiting_requests: usize,
    /// Rows that take up room: queued, being computed, or computed while others of their request are not.
    pub unanswered_rows: usize,
    /// Requests by what became of them.
    pub requests: Counts,
    /// Rows by what became of them or of their request.
    pub rows: Counts,
    /// Microseconds from a request to the first batch with a row of it.
    pub wait: Distribution,
    /// Rows of batches.
    pub batch_rows: Distribution,
    /// Tokens of batches, as the predictor counts them.
    pub batch_tokens: Distribution,
}

/// Whole microseconds.
pub(crate) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fall_into_buckets_by_powers_of_two() {
        let mut numbers = Distribution::default();
        assert_eq!((numbers.mean(), numbers.buckets().count()), (0.0, 0));
        for value in [0, 1, 2, 3, 4, 7, 8] {
            numbers.add(value);
        }
        assert_eq!((numbers.count(), numbers.sum(), numbers.max()), (7, 25, 8));
        assert_eq!(numbers.buckets().collect::<Vec<_>>(), [(0, 1), (1, 1), (3, 2), (7, 2), (15, 1)]);
        numbers.add(u64::MAX);
        assert_eq!(numbers.buckets().last(), Some((u64::MAX, 1)));
        assert_eq!(numbers.sum(), u64::MAX);
    }
}
