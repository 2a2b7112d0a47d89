//! Linear layers and LayerNorm on rows that lie end to end.

use rayon::prelude::*;

use crate::kernel::Kernel;
use crate::kernel::panels::{self, Out, Product, Rows};
use crate::kernel::values::{Curve, Normalize};

/// How one pass through a model computes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    pub kernel: Kernel,
    /// Whether each step is divided between threads. Where several passes run at the same time, none is.
    pub divided: bool,
}

/// A linear layer `x Wᵀ + b`.
///
/// It alone knows how its weights lie in memory and are multiplied with: another number format is another `weights` and another
/// product, and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Linear {
    from: usize,
    to: usize,
    /// `Wᵀ` in panels, see [`panels`].
    weights: Vec<f32>,
    /// `b`, with zeros up to the end of the last panel.
    bias: Vec<f32>,
}

/// LayerNorm over rows (Ba et al. 2016).
#[derive(Debug, Default)]
pub(crate) struct Norm {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub eps: f64,
}

/// Values that make it worth while to divide a step between threads.
const DIVIDED_VALUES: usize = 1 << 15;
/// Parts for each thread that a product is divided into, so that one who is held up is no hindrance.
const PARTS: usize = 2;

impl Linear {
    /// Lays out weights, of which each of `rows` gives one result, times `factor`. `value` reads a number of a row.
    pub fn new<R: Copy + Sync>(
        kernel: Kernel,
        from: usize,
        rows: &[R],
        bias: &[f32],
        factor: f32,
        value: impl Fn(R, usize) -> f32 + Sync,
    ) -> Self {
        let (to, panel) = (rows.len(), kernel.panel());
        let mut weights = vec![0.0; panels::size(kernel, from, to)];
        weights.par_chunks_exact_mut((panel * from).max(1)).zip(rows.par_chunks(panel)).for_each(
            |(out, rows)| {
                let value = |i: usize, row: usize| rows.get(row).map_or(0.0, |row| value(*row, i) * factor);
                panels::fill(panel, from, rows.len(), out, value);
            },
        );
        let mut padded = bias.to_vec();
        padded.resize(to.next_multiple_of(panel), 0.0);
        Self { from, to, weights, bias: padded }
    }

    /// Number of results of a row.
    pub fn to(&self) -> usize {
        self.to
    }

    /// The layer's results for each row of `x`, with `curve` made of each.
    ///
    /// # Shapes
    /// `[rows, from]` to `[rows, to]`, the first values of `out`.
    #[allow(unsafe_code)]
    pub fn forward(&self, x: &[f32], rows: usize, curve: Option<Curve>, out: &mut [f32], pass: Pass) {
        let panel = pass.kernel.panel();
        let panels = self.to.div_ceil(panel);
        let parts = match pass.divided {
            true => panels.min(PARTS * rayon::current_num_threads()),
            false => 1,
        };
        let out = Out::new(out, self.to);
        let part = |number: usize| {
            let (first, end) = (panel * (number * panels / parts), panel * ((number + 1) * panels / parts));
            let product = Product {
                left: Rows { values: x, stride: self.from, count: rows },
                depth: self.from,
                panels: self.weights.get(first * self.from..).unwrap_or_default(),
                columns: end.min(self.to) - first,
                bias: self.bias.get(first..),
                curve,
            };
            // SAFETY: each part writes columns of its own, and `out` is borrowed until all are done.
            unsafe { product.run(pass.kernel, out.from(0, first)) };
        };
        match parts {
            0 => {}
            1 => part(0),
            _ => (0..parts).into_par_iter().with_max_len(1).for_each(part),
        }
    }
}

impl Norm {
    /// Normalizes each of `rows` after adding the row of `residual` in its place, if there are any.
    pub fn forward(&self, rows: &mut [f32], residual: &[f32], pass: Pass) {
        let width = self.weight.len();
        if width == 0 {
            return;
        }
        let normalize = |rows: &mut [f32], residual: &[f32]| {
            let Self { weight, bias, eps } = self;
            pass.kernel.run(Normalize { rows, residual, weight, bias, eps: *eps });
        };
        if !pass.divided || rows.len() < DIVIDED_VALUES {
            return normalize(rows, residual);
        }
        let part = width * (rows.len() / width).div_ceil(PARTS * rayon::current_num_threads());
        rows.par_chunks_mut(part).enumerate().for_each(|(number, rows)| {
            normalize(rows, residual.get(number * part..).unwrap_or_default());
        });
    }
}
