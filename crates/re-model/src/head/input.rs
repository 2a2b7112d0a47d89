//! What a head gets: the states of a batch, and the ways to pool them.

use std::collections::HashMap;
use std::ops::Range;

use re_data::TokenSpan;
use tch::Tensor;

#[cfg(doc)]
use super::Head;
use super::first_tokens;
use crate::batch::{TokenBatch, averaging_matrix};
use crate::error::{Error, Result};

/// Hidden states of a batch, and the ways heads look at them.
///
/// An entity that truncation removed contributes zeros.
#[derive(Debug)]
pub struct HeadInput<'a> {
    /// Hidden states of all tokens, `[T, hidden_size]`, or of those that [`Head::tokens`] named.
    pub states: &'a Tensor,
    /// The batch they belong to.
    pub batch: &'a TokenBatch,
    /// Flat positions of the tokens that the states belong to, where those are not all.
    pub tokens: Option<&'a [i64]>,
}

impl HeadInput<'_> {
    /// States of each row's first token, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where [`Head::tokens`] did not name the tokens.
    pub fn first_token(&self) -> Result<Tensor> {
        let starts: Vec<i64> = first_tokens(self.batch)
            .map(|first| Ok(self.columns(first)?.start as i64))
            .collect::<Result<_>>()?;
        let index = Tensor::f_from_slice(&starts)?.f_to_device(self.batch.device())?;
        Ok(self.states.f_index_select(0, &index)?)
    }

    /// Mean of the states over the tokens of entity 0 or 1, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where [`Head::tokens`] did not name the tokens.
    pub fn entity_mean(&self, entity: usize) -> Result<Tensor> {
        self.mean(self.batch.entity(entity).map(|span| span.map(|s| s.range())).collect())
    }

    /// States at the first token of entity 0 or 1: its opening marker where the markup writes one,
    /// `[B, hidden_size]` (Baldini Soares et al. 2019).
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where [`Head::tokens`] did not name the tokens.
    pub fn entity_start(&self, entity: usize) -> Result<Tensor> {
        let first = |span: TokenSpan| span.start()..span.start() + 1;
        self.mean(self.batch.marked_entity(entity).map(|span| span.map(first)).collect())
    }

    /// Mean of the states over all tokens of each row, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where [`Head::tokens`] did not name the tokens.
    pub fn sentence_mean(&self) -> Result<Tensor> {
        self.mean(self.batch.row_ranges().map(Some).collect())
    }

    /// Maximum of the states over the tokens of entity 0 or 1, value by value, `[B, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`]; [`Error::Data`] where [`Head::tokens`] did not name the tokens.
    pub fn entity_max(&self, entity: usize) -> Result<Tensor> {
        self.max(self.batch.entity(entity).map(|span| span.map(|s| s.range())).collect())
    }

    pub(super) fn mean(&self, spans: Vec<Option<Range<usize>>>) -> Result<Tensor> {
        let columns = self.tokens.map_or(self.batch.tokens(), <[i64]>::len);
        self.pooled(spans, |spans| {
            let matrix = averaging_matrix(spans.into_iter(), columns, self.batch.device())?;
            Ok(matrix.f_to_kind(self.states.kind())?.f_matmul(self.states)?)
        })
    }

    pub(super) fn max(&self, spans: Vec<Option<Range<usize>>>) -> Result<Tensor> {
        self.pooled(spans, |spans| {
            // Spans of similar length are taken together: what is repeated to fill them up changes no maximum.
            let mut order: Vec<usize> = (0..spans.len()).collect();
            let length = |span: &Option<Range<usize>>| span.as_ref().map_or(0, Range::len);
            order.sort_by_key(|&number| spans.get(number).map(length));
            let mut maxima = Vec::new();
            let class = |number: &usize| spans.get(*number).map_or(0, length).next_power_of_two();
            for group in order.chunk_by(|one, other| class(one) == class(other)) {
                let group: Vec<&Option<Range<usize>>> = group.iter().filter_map(|&n| spans.get(n)).collect();
                maxima.push(self.group_max(&group)?);
            }
            let mut place = vec![0i64; order.len()];
            for (at, number) in order.iter().enumerate() {
                if let Some(place) = place.get_mut(*number) {
                    *place = at as i64;
                }
            }
            let place = Tensor::f_from_slice(&place)?.f_to_device(self.batch.device())?;
            Ok(Tensor::f_cat(&maxima, 0)?.f_index_select(0, &place)?)
        })
    }

    /// Maxima over spans of similar length; zeros for those that are none.
    fn group_max(&self, spans: &[&Option<Range<usize>>]) -> Result<Tensor> {
        let longest = spans.iter().filter_map(|span| span.as_ref().map(Range::len)).max().unwrap_or(1);
        let rows = spans.len();
        let mut tokens = Vec::with_capacity(rows * longest);
        let mut absent = Vec::with_capacity(rows);
        for span in spans {
            let (start, length) = span.as_ref().map_or((0, 1), |span| (span.start, span.len()));
            tokens.extend((0..longest).map(|i| (start + i.min(length - 1)) as i64));
            absent.push(span.is_none());
        }
        let device = self.batch.device();
        let tokens = Tensor::f_from_slice(&tokens)?.f_to_device(device)?;
        let states = self.states.f_index_select(0, &tokens)?.f_view([rows as i64, longest as i64, -1])?;
        let maxima = states.f_amax([1], false)?;
        if !absent.contains(&true) {
            return Ok(maxima);
        }
        let absent = Tensor::f_from_slice(&absent)?.f_to_device(device)?.f_view([-1, 1])?;
        Ok(maxima.f_masked_fill(&absent, 0.0)?)
    }

    /// What `pool` makes of the spans, one row each. Rows of one sequence share their spans: each is pooled once.
    fn pooled(
        &self,
        spans: Vec<Option<Range<usize>>>,
        pool: impl FnOnce(Vec<Option<Range<usize>>>) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (mut known, mut different) = (HashMap::new(), Vec::new());
        let mut of_row = Vec::with_capacity(spans.len());
        for span in spans {
            of_row.push(*known.entry(span.clone()).or_insert_with(|| {
                different.push(span);
                different.len() as i64 - 1
            }));
        }
        let spans = different
            .into_iter()
            .map(|span| span.map(|span| self.columns(span)).transpose())
            .collect::<Result<Vec<_>>>()?;
        let all_differ = spans.len() == of_row.len();
        let pooled = pool(spans)?;
        if all_differ {
            return Ok(pooled);
        }
        Ok(pooled.f_index_select(0, &Tensor::f_from_slice(&of_row)?.f_to_device(self.batch.device())?)?)
    }

    /// Rows of `states` that are those of the tokens in `span`.
    fn columns(&self, span: Range<usize>) -> Result<Range<usize>> {
        let Some(tokens) = self.tokens else { return Ok(span) };
        let start = tokens.partition_point(|&token| token < span.start as i64);
        let columns = start..start + span.len();
        // Positions follow each other strictly, so that equal ends say that all between are there.
        let found = tokens.get(columns.clone()).and_then(|found| Some((*found.first()?, *found.last()?)));
        if found == Some((span.start as i64, span.end as i64 - 1)) {
            return Ok(columns);
        }
        Err(Error::Data(re_data::Error::Argument {
            name: "Head::tokens",
            found: format!("not all tokens of {span:?}"),
            expected: "every token that the head looks at",
        }))
    }
}
