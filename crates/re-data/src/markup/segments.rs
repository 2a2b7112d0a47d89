//! Markups that leave the sentence as it is.

use super::{MarkedText, Markup};
use crate::error::Result;
use crate::example::RelationExample;
use crate::korean::with_particle;

/// The sentence alone, for heads that use the spans of the entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain;

/// Both surface forms with the tokenizer's separator between them as first segment, then the sentence.
///
/// The separator is written without spaces (`이순신[SEP]조선`): a tokenizer that marks word starts, such as
/// XLM-R's, would spell spaces beside it as tokens of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair;

/// A Korean question as first segment, `이순신과 조선의 관계는?`, then the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query;

impl Markup for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn write(&self, example: &RelationExample, _: &str) -> Result<MarkedText> {
        Ok(unmarked(example, None))
    }
}

impl Markup for Pair {
    fn name(&self) -> &'static str {
        "pair"
    }

    fn write(&self, example: &RelationExample, separator: &str) -> Result<MarkedText> {
        Ok(unmarked(example, Some(surfaces(example, separator))))
    }

    fn writes_pair(&self) -> bool {
        true
    }
}

impl Markup for Query {
    fn name(&self) -> &'static str {
        "query"
    }

    fn write(&self, example: &RelationExample, _: &str) -> Result<MarkedText> {
        let subject = with_particle(example.surface(0), "과", "와");
        Ok(unmarked(example, Some(format!("{subject} {}의 관계는?", example.surface(1)))))
    }

    fn writes_pair(&self) -> bool {
        true
    }
}

/// Both surface forms with the separator between them.
pub(super) fn surfaces(example: &RelationExample, separator: &str) -> String {
    [example.surface(0), separator, example.surface(1)].concat()
}

/// The sentence as it is, behind `first`.
pub fn unmarked(example: &RelationExample, first: Option<String>) -> MarkedText {
    let spans = example.entities().each_ref().map(|entity| entity.span());
    MarkedText { first, sentence: example.text().to_owned(), entities: spans, marked: spans }
}
