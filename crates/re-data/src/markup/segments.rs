//! Markups that leave the sentence as it is.

use super::{MarkedText, Markup, known_type, known_types};
use crate::error::Result;
use crate::example::RelationExample;
use crate::korean::with_particle;

/// The sentence alone, for heads that use the spans of the entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain;

/// The sentence alone, as [`Plain`], with the types of the entities beside its tokens: a head that reads them, as one on
/// pairs of mentions does, knows the types, and all pairs of a sentence share an encoder pass all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainTyped {
    types: Vec<String>,
}

impl PlainTyped {
    /// The markup for all entity types that occur.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) where there is no type, an empty one, or a duplicated one.
    pub fn new<S: AsRef<str>>(types: &[S]) -> Result<Self> {
        Ok(Self { types: known_types(types)? })
    }
}

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

impl Markup for PlainTyped {
    fn name(&self) -> &'static str {
        "plain_typed"
    }

    fn write(&self, example: &RelationExample, _: &str) -> Result<MarkedText> {
        for entity in [0, 1] {
            known_type(&self.types, example, entity)?;
        }
        Ok(unmarked(example, None))
    }

    fn writes_types(&self) -> bool {
        true
    }

    fn entity_types(&self) -> &[String] {
        &self.types
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
