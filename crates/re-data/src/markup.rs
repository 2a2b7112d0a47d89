//! How a pair of entities is written into the input of a model.
//!
//! A [`Markup`] turns an example into one text, or two, and says where the entities stand in it. The markups of
//! this crate are built from a [`MarkupConfig`], which is stored with a trained model; a user's own markup
//! implements the trait.

mod insert;
mod marked;
mod segments;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::example::RelationExample;
use crate::span::ByteSpan;

pub use insert::{Markers, insert_markers};
pub use marked::{EntityTokens, TypedPunct, TypedTokens};
pub use segments::unmarked;
pub use segments::{Pair, Plain, PlainTyped, Query};

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

    /// Entity types that rows carry beside their tokens, for heads that read them. Rows that differ in them alone share an
    /// encoder pass.
    fn entity_types(&self) -> &[String] {
        &[]
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
    /// [`PlainTyped`]: the sentence alone, and the entity types beside it.
    PlainTyped {
        /// All entity types that occur. An experiment takes those of its training rows where they are left out.
        #[serde(default)]
        types: Vec<String>,
    },
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
        /// All entity types that occur. An experiment takes those of its training rows where they are left out.
        #[serde(default)]
        types: Vec<String>,
    },
    /// [`Query`]: a Korean question as first segment.
    Query {},
}

impl MarkupConfig {
    /// The same markup for entities of these types, where it needs to know them and has none.
    #[must_use]
    pub fn or_types<'a>(mut self, known: impl IntoIterator<Item = &'a str>) -> Self {
        if let Self::TypedTokens { types } | Self::PlainTyped { types } = &mut self
            && types.is_empty()
        {
            let known: BTreeSet<&str> = known.into_iter().filter(|kind| *kind != UNTYPED).collect();
            types.extend(known.into_iter().map(str::to_owned));
        }
        self
    }

    /// The markup.
    ///
    /// # Errors
    /// [`Error::Argument`] where the types of [`TypedTokens`] or [`PlainTyped`] are none, empty or repeated.
    pub fn build(&self) -> Result<Box<dyn Markup>> {
        Ok(match self {
            Self::Plain {} => Box::new(Plain),
            Self::PlainTyped { types } => Box::new(PlainTyped::new(types)?),
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

pub(crate) fn entity_type(example: &RelationExample, entity: usize) -> &str {
    example.entities().get(entity).and_then(|e| e.kind()).unwrap_or(UNTYPED)
}

/// The types of a markup that has a list of them, with [`UNTYPED`] at the end unless it is among them.
///
/// # Errors
/// [`Error::Argument`] where there is no type, an empty one, or a duplicated one.
fn known_types<S: AsRef<str>>(types: &[S]) -> Result<Vec<String>> {
    let mut types: Vec<String> = types.iter().map(|kind| kind.as_ref().to_owned()).collect();
    let mut sorted: Vec<&String> = types.iter().collect();
    sorted.sort();
    sorted.dedup();
    if types.is_empty() || sorted.len() != types.len() || types.iter().any(String::is_empty) {
        return Err(Error::Argument {
            name: "types",
            found: format!("{types:?}"),
            expected: "at least one entity type, each once, none empty",
        });
    }
    if !types.iter().any(|kind| kind == UNTYPED) {
        types.push(UNTYPED.to_owned());
    }
    Ok(types)
}

/// The type of an entity, which has to be one of `types`.
///
/// # Errors
/// [`Error::UnknownEntityType`].
fn known_type<'a>(types: &[String], example: &'a RelationExample, entity: usize) -> Result<&'a str> {
    let kind = entity_type(example, entity);
    if types.iter().any(|known| known == kind) {
        return Ok(kind);
    }
    Err(Error::UnknownEntityType {
        id: example.id().to_owned(),
        entity,
        found: kind.to_owned(),
        expected: types.to_vec(),
    })
}
