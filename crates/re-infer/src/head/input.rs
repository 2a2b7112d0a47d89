//! What a head gets: the states of a batch, and the ways to pool them.

use std::collections::HashMap;
use std::ops::Range;

use re_data::Batch;

/// Hidden states of a batch. An entity that truncation removed contributes zeros.
pub(crate) struct HeadInput<'a> {
    /// Of all tokens, or of those at `positions`: `[tokens, width]`.
    pub states: &'a [f32],
    pub width: usize,
    pub batch: &'a Batch,
    /// Flat positions of the tokens that the states belong to, ascending, where those are not all.
    pub positions: Option<&'a [usize]>,
}

/// Features of the rows of a batch side by side, `[rows, width]`, which are added one after the other.
pub(crate) struct Features {
    pub values: Vec<f32>,
    width: usize,
    added: usize,
}

/// The positions in all spans.
pub(super) fn flat(spans: impl Iterator<Item = Range<usize>>) -> Vec<usize> {
    spans.flatten().collect()
}

/// The flat positions of the sequence that each row reads.
pub(crate) fn row_ranges(batch: &Batch) -> impl Iterator<Item = Range<usize>> {
    batch.sequences.iter().map(|&sequence| match batch.offsets.get(sequence..sequence + 2) {
        Some([start, end]) => *start..*end,
        _ => 0..0,
    })
}

/// The first token of each row.
pub(super) fn first_tokens(batch: &Batch) -> impl Iterator<Item = Range<usize>> {
    row_ranges(batch).map(|row| row.start..row.start + 1)
}

impl HeadInput<'_> {
    /// The states of the tokens in a span.
    pub fn of(&self, span: Range<usize>) -> impl Iterator<Item = &[f32]> {
        let start = match self.positions {
            None => span.start,
            Some(positions) => positions.partition_point(|&position| position < span.start),
        };
        // Heads pool no tokens but those that they name, so that those of a span follow each other.
        let states = self.states.get(start * self.width..(start + span.len()) * self.width);
        states.unwrap_or_default().chunks_exact(self.width.max(1))
    }

    /// Room for features of all rows.
    pub fn features(&self, width: usize) -> Features {
        Features { values: vec![0.0; self.batch.len() * width], width, added: 0 }
    }

    /// States of each row's first token, `[rows, width]`.
    pub fn first_token(&self) -> Vec<f32> {
        first_tokens(self.batch).flat_map(|first| self.of(first)).flatten().copied().collect()
    }

    /// Mean of the states over the tokens of entity 0 or 1 of a row.
    pub fn entity_mean(&self, entity: usize, row: usize, out: &mut [f32]) {
        self.mean(self.entity(entity, row), out);
    }

    /// Maximum of the states over them, value by value.
    pub fn entity_max(&self, entity: usize, row: usize, out: &mut [f32]) {
        self.max(self.entity(entity, row), out);
    }

    /// The state at the first token of entity 0 or 1 of a row: its opening marker where the markup writes one.
    pub fn entity_start(&self, entity: usize, row: usize, out: &mut [f32]) {
        let marked = self.batch.marked.get(row).and_then(|marked| marked.get(entity).copied().flatten());
        self.mean(marked.map(|span| span.start()..span.start() + 1), out);
    }

    /// The tokens of entity 0 or 1 of a row.
    pub fn entity(&self, entity: usize, row: usize) -> Option<Range<usize>> {
        let entities = self.batch.entities.get(row)?;
        entities.get(entity).copied().flatten().map(|span| span.range())
    }

    /// Mean over a span; zeros where there is none.
    pub fn mean(&self, span: Option<Range<usize>>, out: &mut [f32]) {
        let Some(span) = span else { return };
        let share = 1.0 / span.len().max(1) as f32;
        for state in self.of(span) {
            out.iter_mut().zip(state).for_each(|(out, value)| *out += share * value);
        }
    }

    /// Maximum over a span; zeros where there is none.
    pub fn max(&self, span: Option<Range<usize>>, out: &mut [f32]) {
        let Some(span) = span else { return };
        let mut states = self.of(span);
        if let Some(first) = states.next() {
            out.copy_from_slice(first);
        }
        for state in states {
            out.iter_mut().zip(state).for_each(|(out, value)| *out = out.max(*value));
        }
    }
}

impl Features {
    /// Adds features of `width` values: `make` writes those of a row in the place of zeros.
    pub fn add(&mut self, width: usize, make: impl Fn(&mut [f32], usize)) {
        for (row, values) in self.values.chunks_exact_mut(self.width.max(1)).enumerate() {
            if let Some(out) = values.get_mut(self.added..self.added + width) {
                make(out, row);
            }
        }
        self.added += width;
    }

    /// Adds the products of the first `width` features with as many behind them.
    pub fn add_product(&mut self, width: usize) {
        for values in self.values.chunks_exact_mut(self.width.max(1)) {
            let (before, out) = values.split_at_mut(self.added);
            let (first, second) = before.split_at(width.min(before.len()));
            out.iter_mut().zip(first.iter().zip(second)).for_each(|(out, (one, other))| *out = one * other);
        }
        self.added += width;
    }

    /// Adds the mean over each row's sequence, made once where rows share one.
    pub fn add_means_of_rows(&mut self, input: &HeadInput<'_>) {
        let mut known = HashMap::new();
        for (row, range) in row_ranges(input.batch).enumerate() {
            let at = row * self.width + self.added;
            match known.get(&range.start) {
                Some(&from) => self.values.copy_within(from..from + input.width, at),
                None => {
                    known.insert(range.start, at);
                    if let Some(out) = self.values.get_mut(at..at + input.width) {
                        input.mean(Some(range), out);
                    }
                }
            }
        }
        self.added += input.width;
    }
}
