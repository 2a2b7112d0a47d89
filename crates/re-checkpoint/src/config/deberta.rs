//! What the `config.json` of a DeBERTa says beyond that of a BERT.

use serde_json::Value;

use super::fields::Fields;
use super::{Activation, Convolution, MOST_ROWS};
use crate::attention::DisentangledAttention;
use crate::error::Result;

/// Longest kernel of a convolution: no row is longer.
const LONGEST_KERNEL: i64 = 1 << 12;

/// What these fields say; the default is what all other architectures have.
pub(super) struct Deberta {
    pub position_embeddings: bool,
    pub attention: Option<DisentangledAttention>,
    pub score_terms: i64,
    pub convolution: Option<Convolution>,
    pub pooler: (Activation, f64),
}

impl Default for Deberta {
    fn default() -> Self {
        Self {
            position_embeddings: true,
            attention: None,
            score_terms: 1,
            convolution: None,
            pooler: (Activation::Gelu, 0.0),
        }
    }
}

impl Deberta {
    pub fn read(fields: &Fields<'_>, hidden_size: i64, heads: i64, longest: i64) -> Result<Self> {
        for (field, default) in
            [("attention_head_size", hidden_size / heads), ("pooler_hidden_size", hidden_size)]
        {
            if let Some(size) = fields.get(field).filter(|size| **size != default) {
                let expected = format!("{default}, as hidden_size and num_attention_heads give it");
                return Err(fields.fault(field, size, expected));
            }
        }
        let [content_to_position, position_to_content] = terms(fields)?;
        let mut attention = None;
        if fields.flag("relative_attention", false)? {
            let (span, buckets, max_distance) = ranges(fields, longest)?;
            attention = Some(DisentangledAttention {
                span,
                buckets,
                max_distance,
                content_to_position,
                position_to_content,
                shared_projections: fields.flag("share_att_key", false)?,
                normalized: normalized(fields)?,
            });
        }
        Ok(Self {
            position_embeddings: fields.flag("position_biased_input", true)?,
            attention,
            // They count even where there is no table that they could be computed from, as in `transformers`.
            score_terms: 1 + i64::from(content_to_position) + i64::from(position_to_content),
            convolution: convolution(fields, hidden_size)?,
            pooler: (fields.activation("pooler_hidden_act", "gelu")?, fields.rate("pooler_dropout", 0.0)?),
        })
    }
}

/// Whether scores have a term of content and position, and one of position and content.
fn terms(fields: &Fields<'_>) -> Result<[bool; 2]> {
    const FIELD: &str = "pos_att_type";
    let expected = "\"c2p\", \"p2c\" or \"c2p|p2c\", or a list of these";
    let Some(value) = fields.get(FIELD) else { return Ok([false; 2]) };
    let names: Option<Vec<String>> = match value {
        Value::String(names) => {
            Some(names.to_lowercase().split('|').map(|name| name.trim().to_owned()).collect())
        }
        Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let names = names.ok_or_else(|| fields.fault(FIELD, value, expected))?;
    if names.iter().any(|name| !["c2p", "p2c", "none", ""].contains(&name.as_str())) {
        return Err(fields.fault(FIELD, value, expected));
    }
    Ok(["c2p", "p2c"].map(|term| names.iter().any(|name| name == term)))
}

/// Whether the table of positions goes through a LayerNorm.
fn normalized(fields: &Fields<'_>) -> Result<bool> {
    const FIELD: &str = "norm_rel_ebd";
    let expected = "\"layer_norm\" or \"none\"";
    let Some(value) = fields.get(FIELD) else { return Ok(false) };
    let names = value.as_str().ok_or_else(|| fields.fault(FIELD, value, expected))?.to_lowercase();
    let mut normalized = false;
    for name in names.split('|').map(str::trim) {
        match name {
            "layer_norm" => normalized = true,
            "none" | "" => {}
            _ => return Err(fields.fault(FIELD, value, expected)),
        }
    }
    Ok(normalized)
}

/// The span of the table of positions, the number of ranges of distances, and the largest distance.
fn ranges(fields: &Fields<'_>, longest: i64) -> Result<(i64, Option<i64>, i64)> {
    let whole = |field| fields.whole(field, -1, -1..=MOST_ROWS);
    let max_distance = match whole("max_relative_positions")? {
        ..1 => longest,
        distance => distance,
    };
    let buckets = match whole("position_buckets")? {
        ..1 => return Ok((max_distance, None, max_distance)),
        buckets => buckets,
    };
    // Distances up to half their number have a range each, and those behind share ranges up to the largest distance.
    if buckets < 2 || max_distance - 1 <= buckets / 2 {
        let expected = format!("2 or more, and half of it below the largest distance {}", max_distance - 1);
        return Err(fields.fault("position_buckets", buckets, expected));
    }
    Ok((buckets, Some(buckets), max_distance))
}

fn convolution(fields: &Fields<'_>, hidden_size: i64) -> Result<Option<Convolution>> {
    let kernel_size = match fields.whole("conv_kernel_size", 0, -1..=LONGEST_KERNEL)? {
        ..1 => return Ok(None),
        size => size,
    };
    if kernel_size % 2 == 0 {
        return Err(fields.fault("conv_kernel_size", kernel_size, "an odd number: a result for each token"));
    }
    let groups = fields.size("conv_groups", 1, hidden_size)?;
    if hidden_size % groups != 0 {
        return Err(fields.fault("conv_groups", groups, format!("a divisor of hidden_size {hidden_size}")));
    }
    Ok(Some(Convolution { kernel_size, groups, activation: fields.activation("conv_act", "tanh")? }))
}
