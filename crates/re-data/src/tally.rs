//! Counts of events of which the first are kept.

use serde::Serialize;

/// Counts events and keeps the first of them, so that a report of a file of any size stays small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally<T> {
    /// How often it happened.
    pub count: usize,
    /// The first [`Tally::KEPT`] of them.
    pub first: Vec<T>,
}

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T> Tally<T> {
    /// How many events are kept.
    pub const KEPT: usize = 1000;

    /// Counts an event, and makes and keeps it if it is one of the first.
    pub fn add(&mut self, event: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(event());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_on_when_it_is_full() {
        let mut tally = Tally::default();
        for i in 0..Tally::<usize>::KEPT + 5 {
            tally.add(|| i);
        }
        assert_eq!((tally.count, tally.first.len()), (1005, 1000));
    }
}
