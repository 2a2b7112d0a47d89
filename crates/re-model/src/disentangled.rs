//! Attention that scores content and position apart (He et al. 2021): what it knows of positions is the distance of query
//! and key.

pub use re_checkpoint::attention::DisentangledAttention;
use tch::Tensor;

use crate::config::EncoderConfig;
use crate::error::{Error, Result};
use crate::ops::{LayerNorm, Linear, Mode, dropout};
use crate::parameters::{Builder, Init};

/// The table of distances, which all layers share, `[2 * span, hidden_size]`.
#[derive(Debug)]
pub(crate) struct DistanceTable {
    shape: DisentangledAttention,
    weight: Tensor,
    norm: Option<LayerNorm>,
}

/// The part of the table that rows of some length need.
#[derive(Debug)]
pub(crate) struct DistanceRows {
    /// Some rows of the table, in its order: `[rows, hidden_size]`.
    pub rows: Tensor,
    /// The one of each distance, key minus query, with that of distance 0 in the middle.
    pub row_of: Vec<i64>,
}

impl DistanceTable {
    pub fn new(
        shape: DisentangledAttention,
        prefix: &str,
        config: &EncoderConfig,
        builder: &mut Builder<'_>,
    ) -> Result<Self> {
        let (width, name) = (config.hidden_size, format!("{prefix}.encoder.rel_embeddings.weight"));
        let norm = format!("{prefix}.encoder.LayerNorm");
        Ok(Self {
            shape,
            weight: builder.parameter(
                &name,
                &[2 * shape.span, width],
                Init::Normal(config.initializer_range),
            )?,
            norm: match shape.normalized {
                true => Some(builder.layer_norm(&norm, width, config.layer_norm_eps)?),
                false => None,
            },
        })
    }

    /// What rows of up to `reach` tokens need; nothing where no score has a term with a distance.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn within(&self, reach: i64) -> Result<Option<DistanceRows>> {
        if !self.shape.content_to_position && !self.shape.position_to_content {
            return Ok(None);
        }
        let (first, last) = (self.shape.row(1 - reach), self.shape.row(reach - 1));
        let rows = self.weight.f_narrow(0, first, last - first + 1)?;
        Ok(Some(DistanceRows {
            rows: self.norm.as_ref().map_or_else(|| Ok(rows.shallow_clone()), |norm| norm.forward(&rows))?,
            row_of: (1 - reach..reach).map(|distance| self.shape.row(-distance) - first).collect(),
        }))
    }
}

/// What distances are to the queries and keys of one layer.
#[derive(Debug)]
pub(crate) struct DistanceProjections {
    /// As keys, for the scores of content with position.
    key: Option<Linear>,
    /// As queries, for the scores of position with content.
    query: Option<Linear>,
}

/// The rows of a [`DistanceRows`] as a layer's keys and queries, `[rows, hidden_size]` each.
#[derive(Debug)]
pub(crate) struct ProjectedDistances<'a> {
    pub keys: Option<Tensor>,
    pub queries: Option<Tensor>,
    pub row_of: &'a [i64],
}

impl DistanceProjections {
    pub fn new(
        shape: DisentangledAttention,
        layer: &str,
        config: &EncoderConfig,
        [query, key]: [&Linear; 2],
        builder: &mut Builder<'_>,
    ) -> Result<Self> {
        let mut projection = |wanted: bool, name: &str, shared: &Linear| {
            let width = config.hidden_size;
            Ok::<_, Error>(match (wanted, shape.shared_projections) {
                (false, _) => None,
                (true, true) => Some(shared.shallow_clone()),
                (true, false) => {
                    let name = format!("{layer}.attention.self.{name}");
                    Some(builder.linear(&name, width, width, config.initializer_range)?)
                }
            })
        };
        Ok(Self {
            key: projection(shape.content_to_position, "pos_key_proj", key)?,
            query: projection(shape.position_to_content, "pos_query_proj", query)?,
        })
    }

    /// The rows as this layer's keys and queries, computed in `x`'s number format, with a dropout of their own.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn forward<'a>(
        &self,
        distances: &'a DistanceRows,
        x: &Tensor,
        rate: f64,
        mode: Mode<'_>,
    ) -> Result<ProjectedDistances<'a>> {
        let rows = dropout(&distances.rows, rate, mode)?.f_to_kind(x.kind())?;
        let project =
            |projection: &Option<Linear>| projection.as_ref().map(|linear| linear.forward(&rows)).transpose();
        Ok(ProjectedDistances {
            keys: project(&self.key)?,
            queries: project(&self.query)?,
            row_of: &distances.row_of,
        })
    }
}

impl ProjectedDistances<'_> {
    /// What they add to the scores of padded rows, before these are scaled.
    ///
    /// # Shapes
    /// Two of `[B, heads, L, width]` to `[B, heads, L, L]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn scores(&self, query: &Tensor, key: &Tensor) -> Result<Option<Tensor>> {
        let [_, heads, length, width] = *query.size() else { return Ok(None) };
        let row_of = Tensor::f_from_slice(self.row_of)?.f_to_device(query.device())?.f_unsqueeze(0)?;
        let index = crate::relative::of_pairs(&row_of, length)?;
        // [heads, width, rows]
        let columns = |rows: &Tensor| rows.f_view([-1, heads, width])?.f_permute([1, 2, 0]);
        let gathered = |content: &Tensor, rows: &Tensor, index: &Tensor| {
            let all = content.f_matmul(&columns(rows)?)?;
            let index =
                index.f_expand([all.size().first().copied().unwrap_or(0), heads, length, length], false)?;
            all.f_gather(-1, &index, false)
        };
        let of_queries = self.keys.as_ref().map(|keys| gathered(query, keys, &index)).transpose()?;
        let of_keys = match &self.queries {
            None => None,
            Some(queries) => Some(gathered(key, queries, &index.f_transpose(-2, -1)?)?.f_transpose(-2, -1)?),
        };
        Ok(match (of_queries, of_keys) {
            (Some(of_queries), Some(of_keys)) => Some(of_queries.f_add(&of_keys)?),
            (one, other) => one.or(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fixtures/golden/make.py` wrote the ranges.
    #[test]
    fn distances_fall_into_the_rows_of_transformers() {
        let path = "../../fixtures/golden/distance_buckets/expected.safetensors";
        let golden = Tensor::read_safetensors(path).unwrap();
        assert_eq!(golden.len(), 6);
        for (name, expected) in golden {
            let numbers: Vec<i64> = name.split('.').map(|number| number.parse().unwrap()).collect();
            let buckets = Some(numbers[0]).filter(|buckets| *buckets > 0);
            let shape = DisentangledAttention {
                span: buckets.unwrap_or(numbers[1]),
                buckets,
                max_distance: numbers[1],
                content_to_position: true,
                position_to_content: true,
                shared_projections: false,
                normalized: false,
            };
            let expected = Vec::<i64>::try_from(expected).unwrap();
            let reach = expected.len().div_ceil(2) as i64;
            let found: Vec<i64> = (1 - reach..reach).map(|distance| shape.row(distance)).collect();
            assert!(found.is_sorted(), "{name}");
            assert_eq!(found, expected, "{name}");
        }
    }
}
