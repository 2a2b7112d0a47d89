//! A convolution over the tokens of each row, beside the first layer, as DeBERTa's larger checkpoints have it.

use re_checkpoint::EncoderConfig;
use re_checkpoint::config::Convolution;

use crate::computing::NumberFormat;
use crate::error::Result;
use crate::kernel::values::Activate;
use crate::linear::{Linear, Norm, Pass};
use crate::weights::Weights;

/// What neighbouring tokens say, added to the states behind the first layer (He et al. 2021, as in their released models).
#[derive(Debug)]
pub(crate) struct ConvolutionLayer {
    shape: Convolution,
    /// For each group of columns, from those of all tokens in reach.
    groups: Vec<Linear>,
    norm: Norm,
}

impl ConvolutionLayer {
    pub fn new(
        weights: &mut Weights<'_>,
        name: &str,
        shape: Convolution,
        config: &EncoderConfig,
    ) -> Result<Self> {
        let size = |number: i64| usize::try_from(number).unwrap_or_default();
        let (hidden, reach) = (size(config.hidden_size), size(shape.kernel_size));
        let width = hidden / size(shape.groups).max(1);
        let values = weights.tensor(&format!("{name}.conv.weight"), &[hidden, width, reach])?;
        let bias = weights.vector(&format!("{name}.conv.bias"), hidden)?;
        let kernel = weights.kernel;
        let rows: Vec<&[f32]> = values.chunks_exact((width * reach).max(1)).collect();
        // In the file the values for a column's tokens lie side by side, here those for a token's columns.
        let value =
            |row: &[f32], i: usize| row.get(i % width * reach + i / width).copied().unwrap_or_default();
        let groups = rows.chunks(width.max(1)).zip(bias.chunks(width.max(1)));
        let groups = groups
            .map(|(rows, bias)| {
                Linear::new(kernel, NumberFormat::Fp32, width * reach, rows, bias, 1.0, value)
            })
            .collect();
        Ok(Self {
            shape,
            groups,
            norm: weights.norm(&format!("{name}.LayerNorm"), hidden, config.layer_norm_eps)?,
        })
    }

    /// Adds to `states`, of all tokens or of those at `positions`, the convolution of what entered the first layer.
    ///
    /// # Shapes
    /// `embedded`: `[tokens, hidden]`; `states`: `[positions, hidden]`.
    pub fn forward(
        &self,
        embedded: &[f32],
        states: &mut [f32],
        starts: &[usize],
        positions: Option<&[usize]>,
        pass: Pass,
    ) {
        let hidden: usize = self.groups.iter().map(Linear::to).sum();
        let count = states.len() / hidden.max(1);
        let mut mixed = vec![0.0; states.len()];
        let mut column = 0;
        for group in &self.groups {
            let width = group.to();
            let seen = self.seen(embedded, hidden, column..column + width, starts, positions, count);
            let mut results = vec![0.0; count * width];
            group.forward(&seen, count, None, &mut results, pass);
            for (to, from) in mixed.chunks_exact_mut(hidden).zip(results.chunks_exact(width)) {
                if let Some(to) = to.get_mut(column..column + width) {
                    to.copy_from_slice(from);
                }
            }
            column += width;
        }
        pass.kernel.run(Activate { values: &mut mixed, curve: self.shape.activation });
        self.norm.forward(states, &mixed, pass);
    }

    /// What each result is computed from: some columns of the token and its neighbours in the row, zeros beyond its ends.
    fn seen(
        &self,
        embedded: &[f32],
        hidden: usize,
        columns: std::ops::Range<usize>,
        starts: &[usize],
        positions: Option<&[usize]>,
        count: usize,
    ) -> Vec<f32> {
        let reach = usize::try_from(self.shape.kernel_size).unwrap_or_default();
        let mut seen = vec![0.0; count * reach * columns.len()];
        for (number, seen) in seen.chunks_exact_mut((reach * columns.len()).max(1)).enumerate() {
            let token = positions.map_or(Some(number), |positions| positions.get(number).copied());
            let token = token.unwrap_or_default();
            let behind = starts.partition_point(|&start| start <= token);
            let start = behind.checked_sub(1).and_then(|row| starts.get(row)).copied().unwrap_or_default();
            let end = starts.get(behind).copied().unwrap_or_default();
            for (step, seen) in seen.chunks_exact_mut(columns.len()).enumerate() {
                let Some(neighbour) = (token + step).checked_sub(reach / 2) else { continue };
                if !(start..end).contains(&neighbour) {
                    continue;
                }
                let at = neighbour * hidden;
                seen.copy_from_slice(embedded.get(at + columns.start..at + columns.end).unwrap_or_default());
            }
        }
        seen
    }
}
