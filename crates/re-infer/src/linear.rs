//! Linear layers and LayerNorm on rows that lie end to end.

use rayon::prelude::*;

use crate::computing::NumberFormat;
use crate::kernel::packed::{Bf16x2, Int8x4, Pack, Packed, RowScale, Scales};
use crate::kernel::panels::{self, Out, Product, Rows};
use crate::kernel::values::{Curve, Normalize};
use crate::kernel::{Kernel, Task};

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
    weights: Stored,
    /// `b`, with zeros up to the end of the last panel.
    bias: Vec<f32>,
}

/// Weights in panels.
#[derive(Debug)]
enum Stored {
    Fp32(Vec<f32>),
    Bf16(Vec<Bf16x2>),
    /// With the scale of each result, up to the end of the last panel.
    Int8(Vec<Int8x4>, Vec<f32>),
}

impl Default for Stored {
    fn default() -> Self {
        Self::Fp32(Vec::new())
    }
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

/// Values of four bytes that packed rows are filled up to: what tiles of registers take at a time.
const DEPTH: usize = 16;

/// Depth of packed rows of `values` values, `each` of which take four bytes.
fn depth(values: usize, each: usize) -> usize {
    values.div_ceil(each).next_multiple_of(DEPTH)
}

impl Linear {
    /// Lays out weights, of which each of `rows` gives one result, times `factor`. `value` reads a number of a row.
    pub fn new<R: Copy + Sync>(
        kernel: Kernel,
        format: NumberFormat,
        from: usize,
        rows: &[R],
        bias: &[f32],
        factor: f32,
        value: impl Fn(R, usize) -> f32 + Sync,
    ) -> Self {
        let (to, panel) = (rows.len(), kernel.panel());
        let value = |row: R, i: usize| value(row, i) * factor;
        let weights = match format {
            NumberFormat::Fp32 => {
                let mut weights = vec![0.0; panels::size(kernel, from, to)];
                weights.par_chunks_exact_mut((panel * from).max(1)).zip(rows.par_chunks(panel)).for_each(
                    |(out, rows)| {
                        let value = |i: usize, row: usize| rows.get(row).map_or(0.0, |row| value(*row, i));
                        panels::fill(panel, from, rows.len(), 0.0, out, value);
                    },
                );
                Stored::Fp32(weights)
            }
            NumberFormat::Bf16 => {
                let pack = |row: &[f32], out: &mut [Bf16x2]| Bf16x2::pack(row, out);
                let none = Bf16x2::default();
                Stored::Bf16(packed(kernel, depth(from, 2), from, rows, none, value, pack).0)
            }
            NumberFormat::Int8 => {
                let pack = |row: &[f32], out: &mut [Int8x4]| {
                    let RowScale { scale, .. } = Int8x4::pack(row, out);
                    out.iter_mut().for_each(|four| *four = four.right());
                    scale
                };
                let (weights, mut scales) =
                    packed(kernel, depth(from, 4), from, rows, Int8x4::ZERO, value, pack);
                scales.resize(to.next_multiple_of(panel), 0.0);
                Stored::Int8(weights, scales)
            }
        };
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
    pub fn forward(&self, x: &[f32], rows: usize, curve: Option<Curve>, out: &mut [f32], pass: Pass) {
        match &self.weights {
            Stored::Fp32(weights) => {
                let left = Rows { values: x, stride: self.from, count: rows };
                self.product(left, self.from, weights, None, curve, out, pass);
            }
            Stored::Bf16(weights) => {
                let (depth, mut scales) = (depth(self.from, 2), Vec::new());
                let values = self.pack::<Bf16x2>(x, rows, depth, &mut scales, pass);
                let left = Rows { values: &values, stride: depth, count: rows };
                self.product(left, depth, weights, None, curve, out, pass);
            }
            Stored::Int8(weights, columns) => {
                let (depth, mut scales) = (depth(self.from, 4), vec![RowScale::default(); rows]);
                let values = self.pack::<Int8x4>(x, rows, depth, &mut scales, pass);
                let left = Rows { values: &values, stride: depth, count: rows };
                let scales = Scales { columns, rows: &scales };
                self.product(left, depth, weights, Some(scales), curve, out, pass);
            }
        }
    }

    /// Rows in another number format.
    fn pack<P: Packed + Default + Send>(
        &self,
        x: &[f32],
        rows: usize,
        depth: usize,
        scales: &mut [RowScale],
        pass: Pass,
    ) -> Vec<P>
    where
        for<'a> Pack<'a, P>: Task<Output = ()>,
    {
        let mut out = vec![P::default(); panels::filled(rows) * depth];
        let width = self.from;
        let pack = |rows: &[f32], out: &mut [P], scales: &mut [RowScale]| {
            pass.kernel.run(Pack { rows, width, out, depth, scales });
        };
        if !pass.divided || rows * width < DIVIDED_VALUES || scales.len() < rows {
            pack(x.get(..rows * width).unwrap_or_default(), &mut out, scales);
            return out;
        }
        let part = rows.div_ceil(PARTS * rayon::current_num_threads());
        let parts = out.par_chunks_mut((part * depth).max(1)).zip(x.par_chunks(part * width));
        parts.zip(scales.par_chunks_mut(part)).for_each(|((out, rows), scales)| pack(rows, out, scales));
        out
    }

    /// The layer's results for each row of `left`.
    #[allow(unsafe_code, clippy::too_many_arguments)]
    fn product<P: Packed>(
        &self,
        left: Rows<'_, P>,
        depth: usize,
        weights: &[P],
        scales: Option<Scales<'_>>,
        curve: Option<Curve>,
        out: &mut [f32],
        pass: Pass,
    ) {
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
                left,
                depth,
                panels: weights.get(first * depth..).unwrap_or_default(),
                columns: end.min(self.to) - first,
                bias: self.bias.get(first..),
                scales: scales.map(|scales| Scales {
                    columns: scales.columns.get(first..).unwrap_or_default(),
                    ..scales
                }),
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

/// Lays out rows that are packed by `pack`, which gives what belongs to each one.
fn packed<R: Copy + Sync, P: Copy + Send + Sync, S: Send>(
    kernel: Kernel,
    depth: usize,
    from: usize,
    rows: &[R],
    none: P,
    value: impl Fn(R, usize) -> f32 + Sync,
    pack: impl Fn(&[f32], &mut [P]) -> S + Sync,
) -> (Vec<P>, Vec<S>) {
    let panel = kernel.panel();
    let mut weights = vec![none; panels::size(kernel, depth, rows.len())];
    let parts = weights.par_chunks_exact_mut((panel * depth).max(1)).zip(rows.par_chunks(panel));
    let scales: Vec<Vec<S>> = parts
        .map(|(out, rows)| {
            let (mut values, mut packed) = (vec![0.0; from], vec![none; depth]);
            let one = |(column, row): (usize, &R)| {
                values.iter_mut().enumerate().for_each(|(i, slot)| *slot = value(*row, i));
                let scale = pack(&values, &mut packed);
                out.iter_mut().skip(column).step_by(panel).zip(&packed).for_each(|(slot, x)| *slot = *x);
                scale
            };
            rows.iter().enumerate().map(one).collect()
        })
        .collect();
    (weights, scales.into_iter().flatten().collect())
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
