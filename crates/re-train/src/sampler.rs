//! Which rows each step trains on.

use std::collections::HashMap;

use rand::seq::SliceRandom;
use re_data::random::stream;

/// Visits every row once per epoch, in an order keyed by seed and epoch, so that any step can be reached
/// without replaying the ones before it.
#[derive(Debug)]
pub struct Sampler {
    seed: u64,
    group: usize,
    epoch: u64,
    order: Vec<usize>,
    /// The text of each row, by a number, where rows of one text follow each other.
    texts: Option<Vec<usize>>,
}

impl Sampler {
    /// A sampler over `rows` rows, `group` of which make one step; the last step of an epoch takes what is left. With
    /// `texts`, one number for each row, rows of equal numbers follow each other.
    pub fn new(rows: usize, group: usize, seed: u64, texts: Option<Vec<usize>>) -> Self {
        let mut sampler = Self { seed, group: group.max(1), epoch: 0, order: (0..rows).collect(), texts };
        sampler.shuffle(0);
        sampler
    }

    fn shuffle(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.order.sort_unstable();
        self.order.shuffle(&mut stream(self.seed, "shuffle", epoch));
        if let Some(texts) = &self.texts {
            // A text stands where its first row does.
            let text = |row: usize| texts.get(row).copied().unwrap_or(usize::MAX);
            let mut places = HashMap::new();
            for (at, &row) in self.order.iter().enumerate() {
                places.entry(text(row)).or_insert(at);
            }
            self.order.sort_by_key(|&row| places.get(&text(row)).copied());
        }
    }

    /// Steps of one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.order.len().div_ceil(self.group).max(1) as u64
    }

    /// Epoch and rows of the step that follows `done` finished ones.
    pub fn rows(&mut self, done: u64) -> (u64, &[usize]) {
        let per_epoch = self.steps_per_epoch();
        let (epoch, at) = (done / per_epoch, (done % per_epoch) as usize);
        if epoch != self.epoch {
            self.shuffle(epoch);
        }
        (epoch, self.order.chunks(self.group).nth(at).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_visits_every_row_once_in_an_order_of_its_own() {
        let mut sampler = Sampler::new(10, 4, 7, None);
        let mut epochs = Vec::new();
        for epoch in 0..3 {
            let mut seen = Vec::new();
            for step in 0..3 {
                let (at, rows) = sampler.rows(epoch * 3 + step);
                assert_eq!(at, epoch);
                assert_eq!(rows.len(), [4, 4, 2][step as usize]);
                seen.extend_from_slice(rows);
            }
            let mut sorted = seen.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
            epochs.push(seen);
        }
        assert_ne!(epochs[0], epochs[1]);
        // A sampler that jumps straight to a step gives the same rows.
        assert_eq!(Sampler::new(10, 4, 7, None).rows(4).1, &epochs[1][4..8]);
    }
    #[test]
    fn rows_of_one_text_follow_each_other_in_an_order_of_their_own() {
        let texts = vec![0, 1, 2, 0, 1, 2, 0, 1, 2, 3];
        let mut sampler = Sampler::new(10, 10, 7, Some(texts.clone()));
        let epochs = [0, 1].map(|epoch| sampler.rows(epoch).1.to_vec());
        for order in &epochs {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
            let changes = order.windows(2).filter(|pair| texts[pair[0]] != texts[pair[1]]).count();
            assert_eq!(changes, 3, "{order:?}");
        }
        assert_ne!(epochs[0], epochs[1]);
    }
}
