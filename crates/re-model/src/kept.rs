//! Hidden states that one head leaves for another one on the same encoder.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tch::Tensor;

use crate::batch::TokenBatch;
use crate::error::Result;
use crate::ops::Precision;

/// Most tokens whose states are kept: 96 MiB at a width of 768. What is more goes through the encoder again.
const MOST_TOKENS: usize = 1 << 15;

/// Says of which state of the encoder hidden states are: how often its parameters were written to, and its number format.
pub(crate) type Stamp = (i64, Precision);

/// Hidden states by what the encoder has read. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptStates(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    of: Option<Stamp>,
    tokens: usize,
    /// `[tokens, hidden_size]` of each sequence.
    states: HashMap<Vec<[i64; 2]>, Tensor>,
}

impl KeptStates {
    /// Drops all of them.
    pub fn clear(&self) {
        self.change(|kept| *kept = Kept::default());
    }

    /// Keeps the states of a batch, `[T, hidden_size]`, where there is room for them.
    pub fn keep(&self, batch: &TokenBatch, states: &Tensor, stamp: Stamp) -> Result<()> {
        self.change(|kept| {
            if kept.of != Some(stamp) {
                *kept = Kept { of: Some(stamp), ..Kept::default() };
            }
            if kept.tokens + batch.tokens() > MOST_TOKENS {
                return Ok(());
            }
            kept.tokens += batch.tokens();
            for (read, range) in batch.read().zip(batch.sequences()) {
                let part = states.f_narrow(0, range.start as i64, range.len() as i64)?;
                kept.states.insert(read.to_vec(), part);
            }
            Ok(())
        })
    }

    /// The states of a batch, `[T, hidden_size]`, where those of all its sequences are kept.
    pub fn of(&self, batch: &TokenBatch, stamp: Stamp) -> Result<Option<Tensor>> {
        self.change(|kept| {
            if kept.of != Some(stamp) {
                return Ok(None);
            }
            let parts: Option<Vec<&Tensor>> = batch.read().map(|read| kept.states.get(read)).collect();
            Ok(parts.map(|parts| Tensor::f_cat(&parts, 0)).transpose()?)
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
