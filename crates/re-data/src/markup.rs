//! How a pair of entities is written into the input of a model.
//!
//! A [`Markup`] turns an example into one text, or two, and says where the entities stand in it. The markups of
//! this crate are built from a [`MarkupConfig`], which is stored with a trained model; a user's own markup
//! implements the trait.

mod insert;
mod marked;
mod segments;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::example::RelationExample;
use crate::span::ByteSpan;

pub use insert::{Markers, insert_markers};
pub use marked::{EntityTokens, TypedPunct, TypedTokens};
pub use segments::unmarked;
pub use segments::{Pair, Plain, Query};

/// An example as a tokenizer reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedText {
    /// A segment before the sentence, if the markup writes one. Truncation to a window never cuts it.
    pub first: Option<String>,
    /// The segment that holds the sentence and both entities.
    pub sentence: String,
    /// Each entity's surface form, in bytes of `sentence`.
    pub entities: [ByteSpan; 2],
    /// Each entity with the markers around it; equal to `entities` where there are none.
    pub marked: [ByteSpan; 2],
}

/// Writes the two entities of an example into the text that a model reads.
///
/// ```
/// use re_data::markup::{MarkedText, Markup};
/// use re_data::{RelationExample, Result};
///
/// /// The sentence after its entities, separated as the tokenizer separates segments.
/// #[derive(Debug)]
/// struct ObjectFirst;
///
/// impl Markup for ObjectFirst {
///     fn name(&self) -> &'static str {
///         "object_first"
///     }
///     fn write(&self, example: &RelationExample, separator: &str) -> Result<MarkedText> {
///         let spans = [0, 1].map(|e: usize| example.entities()[e].span());
///         Ok(MarkedText {
///             first: Some(format!("{}{separator}{}", example.surface(1), example.surface(0))),
///             sentence: example.text().to_owned(),
///             entities: spans,
///             marked: spans,
///         })
///     }
/// }
/// ```
pub trait Markup: fmt::Debug + Send + Sync {
    /// Name for messages.
    fn name(&self) -> &'static str;

    /// Writes one example. `separator` is the tokenizer's own separator token as it is spelled in text: where it
    /// is written, the tokenizer reads that one special token.
    ///
    /// # Errors
    /// Where the example lacks what the markup needs, such as [`UnknownEntityType`](crate::Error::UnknownEntityType).
    fn write(&self, example: &RelationExample, separator: &str) -> Result<MarkedText>;

    /// Tokens that the markup writes and that have to be in the vocabulary as special tokens.
    fn tokens(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether [`write`](Self::write) gives a first segment.
    fn writes_pair(&self) -> bool {
        false
    }

    /// Whether [`write`](Self::write) writes the entities' types.
    fn writes_types(&self) -> bool {
        false
    }

    /// Whether 1 is added to the token type ids of the entities' tokens.
    fn entity_embedding(&self) -> bool {
        false
    }
}

/// The markups of this crate by name, as they stand in configurations and in trained folders.
///
/// ```
/// use re_data::MarkupConfig;
/// let config: MarkupConfig = serde_json::from_str(r#"{"name": "entity_tokens", "entity_embedding": true}"#)?;
/// assert_eq!(config.build()?.tokens(), ["[ENT]", "[/ENT]"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum MarkupConfig {
    /// [`Plain`]: the sentence alone.
    Plain {},
    /// [`Pair`]: both surface forms as first segment.
    Pair {},
    /// [`EntityTokens`]: `[ENT]` and `[/ENT]` around both entities.
    EntityTokens {
        /// Whether 1 is added to the token type ids of the entities' tokens.
        #[serde(default)]
        entity_embedding: bool,
        /// Whether both surface forms also stand in a first segment, as in [`Pair`].
        #[serde(default)]
        pair: bool,
    },
    /// [`TypedPunct`]: the type between punctuation around each entity; [`UNTYPED`] for an entity without one.
    TypedPunct {},
    /// [`TypedTokens`]: a token for each role and type around each entity; [`UNTYPED`] for an entity without one.
    TypedTokens {
        /// All entity types that occur.
        types: Vec<String>,
    },
    /// [`Query`]: a Korean question as first segment.
    Query {},
}

impl MarkupConfig {
    /// The markup.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) where the types of [`TypedTokens`] are none, empty or repeated.
    pub fn build(&self) -> Result<Box<dyn Markup>> {
        Ok(match self {
            Self::Plain {} => Box::new(Plain),
            Self::Pair {} => Box::new(Pair),
            Self::EntityTokens { entity_embedding, pair } => {
                Box::new(EntityTokens { entity_embedding: *entity_embedding, pair: *pair })
            }
            Self::TypedPunct {} => Box::new(TypedPunct),
            Self::TypedTokens { types } => Box::new(TypedTokens::new(types)?),
            Self::Query {} => Box::new(Query),
        })
    }
}

/// What stands in place of the type of an entity that has none, as taggers write it.
pub const UNTYPED: &str = "O";

fn entity_type(example: &RelationExample, entity: usize) -> &str {
    example.entities().get(entity).and_then(|e| e.kind()).unwrap_or(UNTYPED)
}
