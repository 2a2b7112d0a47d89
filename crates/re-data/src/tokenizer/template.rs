//! Where a tokenizer puts special tokens around one or two segments.

use tokenizers::{Encoding, PostProcessor, Token};

use super::model::Inner;

use super::fault;
use crate::error::{Error, Result};

/// Stand-ins for the segments while a post-processor is probed; no vocabulary is that large.
const SEGMENTS: [u32; 2] = [u32::MAX - 1, u32::MAX];

/// One element of a [`Template`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A special token.
    Special {
        /// Its id.
        id: u32,
        /// Its token type id.
        type_id: u32,
    },
    /// The tokens of a segment.
    Segment {
        /// 0 for the first segment, 1 for the second.
        segment: usize,
        /// Token type id of all its tokens.
        type_id: u32,
    },
}

/// A row's special tokens and segments in their order, learned once from the tokenizer's post-processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Runs the post-processor on segments of one token and reads off what it did.
    pub(super) fn probe(tokenizer: &Inner, pair: bool) -> Result<Self> {
        let segment =
            |number: u32, id| Encoding::from_tokens(vec![Token::new(id, "x".into(), (0, 1))], number);
        let [first, second] = SEGMENTS;
        let second = pair.then(|| segment(1, second));
        let row = match tokenizer.get_post_processor() {
            Some(processor) => processor.process(segment(0, first), second, true),
            None => tokenizer.post_process(segment(0, first), second, true),
        }
        .map_err(|e| fault("the post-processor cannot be used", e))?;
        let parts: Vec<Part> = row
            .get_ids()
            .iter()
            .zip(row.get_type_ids())
            .map(|(&id, &type_id)| match SEGMENTS.iter().position(|&s| s == id) {
                Some(segment) => Part::Segment { segment, type_id },
                None => Part::Special { id, type_id },
            })
            .collect();
        let segments: Vec<usize> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Segment { segment, .. } => Some(*segment),
                Part::Special { .. } => None,
            })
            .collect();
        if segments != if pair { vec![0, 1] } else { vec![0] } {
            return Err(Error::Tokenizer {
                path: None,
                reason: format!(
                    "the post-processor writes the segments {segments:?}, expected each once, in order"
                ),
                source: None,
            });
        }
        Ok(Self { parts })
    }

    /// Special tokens and segments in their order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Number of special tokens.
    pub fn special_tokens(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, Part::Special { .. })).count()
    }

    /// Whether all token type ids are 0.
    pub fn is_untyped(&self) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Special { type_id, .. } | Part::Segment { type_id, .. } => *type_id == 0,
        })
    }

    /// The template for a model with so many token types: with 1, all ids are 0. Where the tokenizer has none for a pair,
    /// as XLM-R's, the second segment with the special tokens behind it gets 1.
    ///
    /// # Errors
    /// [`Error::Argument`] where there is no token type.
    pub(crate) fn for_types(&self, type_vocab_size: usize) -> Result<Self> {
        Ok(match type_vocab_size {
            0 => {
                return Err(Error::Argument {
                    name: "type_vocab_size",
                    found: "0".into(),
                    expected: "at least 1",
                });
            }
            1 => self.clone().with_types(|_, _| 0),
            _ if self.is_untyped() => self.clone().with_types(|_, number| number),
            _ => self.clone(),
        })
    }

    /// The template with other token type ids: that of each part is `choose(part, number)`, where `number` is
    /// 0 before the second segment and 1 from it on.
    #[must_use]
    fn with_types(mut self, choose: impl Fn(u32, u32) -> u32) -> Self {
        let mut number = 0;
        for part in &mut self.parts {
            if matches!(part, Part::Segment { segment: 1, .. }) {
                number = 1;
            }
            let (Part::Special { type_id, .. } | Part::Segment { type_id, .. }) = part;
            *type_id = choose(*type_id, number);
        }
        self
    }

    /// Writes a row: special tokens and the ids of the segments (`None` counts as empty). Returns where each
    /// segment begins.
    pub(crate) fn assemble(
        &self,
        segments: [Option<&[u32]>; 2],
        ids: &mut Vec<u32>,
        type_ids: &mut Vec<u32>,
    ) -> [usize; 2] {
        let mut starts = [0; 2];
        for part in &self.parts {
            match *part {
                Part::Special { id, type_id } => {
                    ids.push(id);
                    type_ids.push(type_id);
                }
                Part::Segment { segment, type_id } => {
                    if let Some(start) = starts.get_mut(segment) {
                        *start = ids.len();
                    }
                    ids.extend_from_slice(segments.get(segment).copied().flatten().unwrap_or_default());
                    type_ids.resize(ids.len(), type_id);
                }
            }
        }
        starts
    }

    /// The first and the last special token, where the row begins or ends with one.
    pub(super) fn outer_specials(&self) -> [Option<u32>; 2] {
        let id = |part: Option<&Part>| match part {
            Some(Part::Special { id, .. }) => Some(*id),
            _ => None,
        };
        [id(self.parts.first()), id(self.parts.last())]
    }
}
