//! What a trimmed table holds besides the rows that are trained.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tch::Tensor;

use crate::error::Result;

/// The table that a trimmed parameter holds some rows of.
#[derive(Debug)]
pub(crate) struct Rest {
    /// All rows as they were before training.
    table: Tensor,
    /// Numbers of the rows that are held, ascending.
    held: Tensor,
    /// Bits of the product of all factors by which weight decay has multiplied the rows that are not held.
    keep: Arc<AtomicU64>,
}

impl Rest {
    /// What stands in `table` beside the rows `held`, before training.
    pub fn new(table: Tensor, held: Tensor) -> Self {
        Self { table, held, keep: Arc::new(AtomicU64::new(1f64.to_bits())) }
    }

    /// The same table, not a copy: it decays with this one.
    pub fn shallow_clone(&self) -> Self {
        let (table, held) = (self.table.shallow_clone(), self.held.shallow_clone());
        Self { table, held, keep: Arc::clone(&self.keep) }
    }

    fn keep(&self) -> f64 {
        f64::from_bits(self.keep.load(Ordering::Relaxed))
    }

    pub fn size(&self) -> Vec<i64> {
        self.table.size()
    }

    /// The held rows of a whole table.
    pub fn rows_of(&self, table: &Tensor) -> Result<Tensor> {
        Ok(table.f_to_device(self.held.device())?.f_index_select(0, &self.held)?)
    }

    /// The whole table with these values in the held rows.
    pub fn with(&self, held: &Tensor) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let mut table = self.table.f_mul_scalar(self.keep())?;
        Ok(table.f_index_copy_(0, &self.held, held)?)
    }

    pub fn decay(&self, keep: f64) {
        self.keep.store((self.keep() * keep).to_bits(), Ordering::Relaxed);
    }
}
