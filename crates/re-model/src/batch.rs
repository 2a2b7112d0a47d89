//! A batch of rows on the device, with what attention and heads need to find their way in it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use re_data::{Batch, TokenSpan};
use tch::{Device, Kind, Tensor};

use crate::config::EncoderConfig;
use crate::error::{Error, Result};
use crate::ops::Precision;

/// What a batch must know of the encoder that it is made for, see [`Encoder::batch_spec`](crate::Encoder::batch_spec).
#[derive(Debug, Clone, Copy)]
pub struct BatchSpec<'a> {
    /// The encoder's shape.
    pub config: &'a EncoderConfig,
    /// Row of the word embeddings for each token id, -1 for none, where the vocabulary is trimmed.
    pub(crate) word_rows: Option<&'a [i64]>,
    /// Device of the parameters.
    pub device: Device,
    /// Number format in which the encoder computes.
    pub precision: Precision,
}

impl BatchSpec<'_> {
    /// A number of tokens that repeats, at most a sixteenth larger, where products are compiled for each number and kept:
    /// with one for every batch, more would be compiled than computed, and memory would grow with each.
    pub(crate) fn even_tokens(&self, tokens: usize) -> usize {
        let packed = self.device == Device::Cpu && tokens >= re_native::PACKED_ROWS;
        let compiled = self.precision == Precision::Bf16 || packed;
        if compiled { even_size(tokens, 32) } else { tokens }
    }

    /// Rows of the word embeddings for token ids.
    fn word_rows<'i>(&self, ids: &'i [i64]) -> Result<Cow<'i, [i64]>> {
        let vocab_size = self.config.vocab_size;
        if let Some(&id) = ids.iter().find(|id| !(0..vocab_size).contains(*id)) {
            return Err(Error::TokenId { id, vocab_size });
        }
        let Some(rows) = self.word_rows else { return Ok(Cow::Borrowed(ids)) };
        let row = |&id: &i64| {
            let row = usize::try_from(id).ok().and_then(|id| rows.get(id).copied());
            row.filter(|row| *row >= 0).ok_or(Error::TrimmedToken { id })
        };
        ids.iter().map(row).collect::<Result<_>>().map(Cow::Owned)
    }
}

/// [`even_size`]'s `parts` for the length that rows are padded to.
const EVEN_LENGTHS: usize = 8;

/// The sequences of `B` rows laid end to end on a device: `T` tokens, no padding. Rows of equal input share a sequence.
///
/// A few filler tokens may follow the last one, so that sizes repeat; what the encoder returns has none of them.
#[derive(Debug)]
pub struct TokenBatch {
    /// Rows of the word embeddings, `[T]`.
    pub(crate) ids: Tensor,
    /// Token type ids, `[T]`.
    pub(crate) type_ids: Tensor,
    /// Position ids, `[T]`.
    pub(crate) positions: Tensor,
    /// First token of each sequence, and the end of the last one.
    pub(crate) starts: Vec<i64>,
    layout: OnceCell<Layout>,
    rows: Vec<RowSpans>,
    /// Id and type of each token, by which equal sequences are known.
    read: Vec<[i64; 2]>,
    classes: Tensor,
    device: Device,
}

/// How the flat tokens relate to the padded view that attention needs.
#[derive(Debug)]
pub(crate) enum Layout {
    /// All sequences have the same length: the padded view is the flat one in another shape.
    Equal { sequences: i64, length: i64 },
    /// Sequences of different lengths.
    Ragged {
        sequences: i64,
        length: i64,
        /// Flat position of every padded slot, `[S * L]`; padding points at the sequence's first token.
        to_padded: Tensor,
        /// Padded slot of every flat position, `[T]`.
        to_flat: Tensor,
        /// True where a key is real, `[S, 1, 1, L]`.
        mask: Tensor,
    },
}

#[derive(Debug, Clone, Copy)]
struct RowSpans {
    sequence: usize,
    entities: [Option<TokenSpan>; 2],
    marked: [Option<TokenSpan>; 2],
    kinds: [u32; 2],
}

impl TokenBatch {
    /// Checks `batch` against the tables of an encoder and moves it to its device.
    ///
    /// # Errors
    /// [`Error::TokenId`], [`Error::TrimmedToken`], [`Error::TokenType`] or [`Error::TooLong`] where an id lies
    /// outside the tables.
    pub fn new(batch: &Batch, spec: &BatchSpec<'_>) -> Result<Self> {
        let BatchSpec { config, device, .. } = *spec;
        let ids = spec.word_rows(&batch.ids)?;
        let types = 0..config.token_types() as i64;
        if let Some(&id) = batch.type_ids.iter().find(|id| !types.contains(*id)) {
            return Err(Error::TokenType { id, type_vocab_size: config.type_vocab_size });
        }
        let longest = batch.lengths().max().unwrap_or(0);
        if longest > config.max_length() {
            return Err(Error::TooLong { tokens: longest, max: config.max_length() });
        }
        let positions = config.positions(batch);
        let tokens = match device == Device::Cpu || batch.lengths().any(|n| n != longest) {
            true => spec.even_tokens(batch.tokens()),
            false => batch.tokens(),
        };
        let put = |values: &[i64]| Ok::<_, Error>(Tensor::f_from_slice(values)?.f_to_device(device)?);
        let filled = |values: &[i64]| {
            let first = values.first().copied().unwrap_or_default();
            put(&[values, &vec![first; tokens - values.len()]].concat())
        };
        Ok(Self {
            ids: filled(&ids)?,
            type_ids: filled(&batch.type_ids)?,
            positions: filled(&positions)?,
            starts: batch.offsets.iter().map(|&offset| offset as i64).collect(),
            layout: OnceCell::new(),
            rows: batch
                .sequences
                .iter()
                .zip(batch.entities.iter().zip(&batch.marked).zip(&batch.kinds))
                .map(|(&sequence, ((&entities, &marked), &kinds))| RowSpans {
                    sequence,
                    entities,
                    marked,
                    kinds,
                })
                .collect(),
            read: batch.ids.iter().zip(&batch.type_ids).map(|(&id, &kind)| [id, kind]).collect(),
            classes: put(&batch.classes)?,
            device,
        })
    }

    /// At least the length of the longest row, with the padding that attention may see behind it.
    pub(crate) fn reach(&self) -> i64 {
        even_size(self.longest().max(1), EVEN_LENGTHS) as i64
    }

    fn longest(&self) -> usize {
        self.sequences().map(|sequence| sequence.len()).max().unwrap_or(0)
    }

    /// How the flat tokens relate to the padded view; made when it is first asked for.
    pub(crate) fn layout(&self) -> Result<&Layout> {
        if let Some(layout) = self.layout.get() {
            return Ok(layout);
        }
        let layout = Layout::new(self)?;
        Ok(self.layout.get_or_init(|| layout))
    }

    /// Number of rows, `B`.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Number of tokens of all sequences together, `T`.
    pub fn tokens(&self) -> usize {
        self.starts.last().map_or(0, |&end| end as usize)
    }

    /// Class of each row, `[B]`; empty where the batch has no labels.
    pub fn classes(&self) -> &Tensor {
        &self.classes
    }

    /// Device that holds the batch.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Values of the tokens, `[T]`, as rows of equal length: `[B, L]` with `fill` where a row has no token.
    ///
    /// # Errors
    /// [`Error::Torch`] where the number of values is not that of the tokens.
    pub fn pad(&self, values: &Tensor, fill: f64) -> Result<Tensor> {
        let padded = self.layout()?.pad(values, fill)?;
        if self.rows() == self.sequences().len() {
            return Ok(padded);
        }
        let sequences: Vec<i64> = self.rows.iter().map(|row| row.sequence as i64).collect();
        Ok(padded.f_index_select(0, &Tensor::f_from_slice(&sequences)?.f_to_device(self.device)?)?)
    }

    /// Flat positions that each sequence covers.
    pub fn sequences(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        self.starts.windows(2).map(|pair| match pair {
            [start, end] => *start as usize..*end as usize,
            _ => 0..0,
        })
    }

    /// All that an encoder sees of each sequence: ids and types of its tokens.
    pub(crate) fn read(&self) -> impl Iterator<Item = &[[i64; 2]]> {
        self.sequences().map(|range| self.read.get(range).unwrap_or_default())
    }

    /// Flat positions of the sequence that each row reads.
    pub fn row_ranges(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        self.rows.iter().map(|row| match self.starts.get(row.sequence..row.sequence + 2) {
            Some([start, end]) => *start as usize..*end as usize,
            _ => 0..0,
        })
    }

    /// Flat tokens of one entity (0 or 1) in each row, without its markers; `None` where truncation removed it.
    pub fn entity(&self, entity: usize) -> impl Iterator<Item = Option<TokenSpan>> {
        self.rows.iter().map(move |row| row.entities.get(entity).copied().flatten())
    }

    /// Types of both entities of each row, as [`Encoded::kinds`](re_data::Encoded::kinds) has them.
    pub fn kinds(&self) -> impl Iterator<Item = [u32; 2]> {
        self.rows.iter().map(|row| row.kinds)
    }

    /// Flat tokens of one entity (0 or 1) in each row with the markers around it.
    pub fn marked_entity(&self, entity: usize) -> impl Iterator<Item = Option<TokenSpan>> {
        self.rows.iter().map(move |row| row.marked.get(entity).copied().flatten())
    }
}

impl Layout {
    fn new(batch: &TokenBatch) -> Result<Self> {
        let filled = batch.ids.size().first().map_or(0, |&tokens| tokens as usize);
        let mut longest = batch.longest();
        let sequences = batch.sequences().len();
        if filled == batch.tokens() && batch.sequences().all(|sequence| sequence.len() == longest) {
            return Ok(Self::Equal { sequences: sequences as i64, length: longest as i64 });
        }
        if filled > batch.tokens() {
            longest = even_size(longest, EVEN_LENGTHS);
        }
        let slots = sequences * longest;
        let (mut to_padded, mut mask) = (Vec::with_capacity(slots), Vec::with_capacity(slots));
        let mut to_flat = Vec::with_capacity(filled);
        for (sequence, range) in batch.sequences().enumerate() {
            let n = range.len();
            to_flat.extend((0..n).map(|i| (sequence * longest + i) as i64));
            to_padded.extend((0..longest).map(|i| if i < n { range.start + i } else { range.start } as i64));
            mask.extend((0..longest).map(|i| i < n));
        }
        // Fillers take any state: nothing reads theirs.
        to_flat.resize(filled, 0);
        let (sequences, length, device) = (sequences as i64, longest as i64, batch.device());
        Ok(Self::Ragged {
            sequences,
            length,
            to_padded: Tensor::f_from_slice(&to_padded)?.f_to_device(device)?,
            to_flat: Tensor::f_from_slice(&to_flat)?.f_to_device(device)?,
            mask: Tensor::f_from_slice(&mask)?.f_view([sequences, 1, 1, length])?.f_to_device(device)?,
        })
    }

    /// Flat queries, keys and values, side by side, as attention heads of a padded batch.
    ///
    /// # Shapes
    /// `[T, 3 H]` to three of `[S, heads, L, H / heads]`.
    pub(crate) fn split(&self, x: &Tensor, heads: i64) -> Result<[Tensor; 3]> {
        let (sequences, length) = self.size();
        let width = x.size().last().copied().unwrap_or(0) / 3;
        let padded = match self {
            Self::Equal { .. } => x.shallow_clone(),
            Self::Ragged { to_padded, .. } => x.f_index_select(0, to_padded)?,
        };
        let parts =
            padded.f_view([sequences, length, 3, heads, width / heads])?.f_permute([2, 0, 3, 1, 4])?;
        Ok([parts.f_select(0, 0)?, parts.f_select(0, 1)?, parts.f_select(0, 2)?])
    }

    /// The inverse of [`Layout::split`]: drops the padding and joins the heads.
    pub(crate) fn join(&self, x: &Tensor) -> Result<Tensor> {
        self.flatten_states(&x.f_transpose(1, 2)?)
    }

    /// The states of tokens, `[T, W]`, as those of padded rows, `[S, L, W]`, with zeros for padding.
    pub(crate) fn pad_states(&self, x: &Tensor) -> Result<Tensor> {
        let (sequences, length) = self.size();
        Ok(match self {
            Self::Equal { .. } => x.f_view([sequences, length, -1])?,
            Self::Ragged { to_padded, mask, .. } => x
                .f_index_select(0, to_padded)?
                .f_view([sequences, length, -1])?
                .f_mul(&mask.f_view([sequences, length, 1])?.f_to_kind(x.kind())?)?,
        })
    }

    /// The inverse of [`Layout::pad_states`].
    pub(crate) fn flatten_states(&self, padded: &Tensor) -> Result<Tensor> {
        let (sequences, length) = self.size();
        let padded = padded.f_reshape([sequences * length, -1])?;
        Ok(match self {
            Self::Equal { .. } => padded,
            Self::Ragged { to_flat, .. } => padded.f_index_select(0, to_flat)?,
        })
    }

    /// `[T]` to `[S, L]`.
    fn pad(&self, values: &Tensor, fill: f64) -> Result<Tensor> {
        let (sequences, length) = self.size();
        Ok(match self {
            Self::Equal { .. } => values.f_view([sequences, length])?,
            Self::Ragged { to_padded, mask, .. } => values
                .f_index_select(0, to_padded)?
                .f_view([sequences, length])?
                .f_masked_fill(&mask.f_view([sequences, length])?.f_logical_not()?, fill)?,
        })
    }

    pub(crate) fn mask(&self) -> Option<&Tensor> {
        match self {
            Self::Equal { .. } => None,
            Self::Ragged { mask, .. } => Some(mask),
        }
    }

    /// Number of sequences, and tokens of each with its padding.
    pub(crate) fn size(&self) -> (i64, i64) {
        match self {
            Self::Equal { sequences, length } | Self::Ragged { sequences, length, .. } => {
                (*sequences, *length)
            }
        }
    }
}

/// The next size with few significant bits: at most `2 / parts` larger.
pub(crate) fn even_size(size: usize, parts: usize) -> usize {
    size.next_multiple_of((size / parts).next_power_of_two())
}

/// A `[B, T]` matrix whose product with the states `[T, H]` gives the mean over each row's span;
/// a row without a span gets zeros.
///
/// # Errors
/// [`Error::Torch`].
pub fn averaging_matrix(
    spans: impl ExactSizeIterator<Item = Option<Range<usize>>>,
    tokens: usize,
    device: Device,
) -> Result<Tensor> {
    let rows = spans.len();
    let mut matrix = vec![0f32; rows * tokens];
    for (row, span) in matrix.chunks_exact_mut(tokens.max(1)).zip(spans) {
        if let Some(cells) = span.and_then(|span| row.get_mut(span)) {
            let share = 1.0 / cells.len().max(1) as f32;
            cells.fill(share);
        }
    }
    Ok(Tensor::f_from_slice(&matrix)?
        .f_view([rows as i64, tokens as i64])?
        .f_to_kind(Kind::Float)?
        .f_to_device(device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_sizes_are_few_and_close() {
        let sizes: std::collections::BTreeSet<usize> = (500..2000).map(|size| even_size(size, 16)).collect();
        assert!(sizes.len() <= 40, "{sizes:?}");
        for size in 1..5000 {
            let even = even_size(size, 16);
            assert!(even >= size && even - size <= size.div_ceil(8), "{size}: {even}");
        }
    }
}
