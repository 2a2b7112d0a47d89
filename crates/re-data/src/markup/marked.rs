//! Markups that write markers around the entities.

use super::segments::surfaces;
use super::{MarkedText, Markers, Markup, entity_type, insert_markers, known_type, known_types};
use crate::error::Result;
use crate::example::RelationExample;

const OPEN: &str = "[ENT]";
const CLOSE: &str = "[/ENT]";

/// `[ENT]` and `[/ENT]`, two new tokens, around both entities alike: `[ENT]이순신[/ENT]은`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntityTokens {
    /// Whether 1 is added to the token type ids of the entities' tokens, markers not counted.
    pub entity_embedding: bool,
    /// Whether both surface forms also stand in a first segment, as in [`Pair`](super::Pair).
    pub pair: bool,
}

impl Markup for EntityTokens {
    fn name(&self) -> &'static str {
        "entity_tokens"
    }

    fn write(&self, example: &RelationExample, separator: &str) -> Result<MarkedText> {
        let markers = || Markers { open: OPEN.into(), close: CLOSE.into() };
        let first = self.pair.then(|| surfaces(example, separator));
        Ok(MarkedText { first, ..insert_markers(example, &[markers(), markers()]) })
    }

    fn tokens(&self) -> Vec<String> {
        vec![OPEN.into(), CLOSE.into()]
    }

    fn writes_pair(&self) -> bool {
        self.pair
    }

    fn entity_embedding(&self) -> bool {
        self.entity_embedding
    }
}

/// The type between punctuation, `@ * PER * 이순신 @` around the subject and `# ^ ORG ^ 조선 #` around the
/// object; no new tokens.
///
/// Zhou and Chen, "An Improved Baseline for Sentence-level Relation Extraction" (2022).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypedPunct;

impl Markup for TypedPunct {
    fn name(&self) -> &'static str {
        "typed_punct"
    }

    fn write(&self, example: &RelationExample, _: &str) -> Result<MarkedText> {
        let [subject, object] = [0, 1].map(|entity| entity_type(example, entity));
        let markers = [
            Markers { open: format!("@ * {subject} * "), close: " @".into() },
            Markers { open: format!("# ^ {object} ^ "), close: " #".into() },
        ];
        Ok(insert_markers(example, &markers))
    }

    fn writes_types(&self) -> bool {
        true
    }
}

/// New tokens for each role and type: `[S:PER]이순신[/S:PER]` for the subject, `[O:ORG]조선[/O:ORG]` for the object.
///
/// Zhong and Chen, "A Frustratingly Easy Approach for Entity and Relation Extraction" (2021).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedTokens {
    types: Vec<String>,
}

impl TypedTokens {
    /// The markup for all entity types that occur.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) where there is no type, an empty one, or a duplicated one.
    pub fn new<S: AsRef<str>>(types: &[S]) -> Result<Self> {
        Ok(Self { types: known_types(types)? })
    }

    fn markers(&self, example: &RelationExample, entity: usize, role: char) -> Result<Markers> {
        let [open, close] = tokens(role, known_type(&self.types, example, entity)?);
        Ok(Markers { open, close })
    }
}

impl Markup for TypedTokens {
    fn name(&self) -> &'static str {
        "typed_tokens"
    }

    fn write(&self, example: &RelationExample, _: &str) -> Result<MarkedText> {
        let markers = [self.markers(example, 0, 'S')?, self.markers(example, 1, 'O')?];
        Ok(insert_markers(example, &markers))
    }

    fn tokens(&self) -> Vec<String> {
        let of_role = |role| self.types.iter().flat_map(move |kind| tokens(role, kind));
        of_role('S').chain(of_role('O')).collect()
    }

    fn writes_types(&self) -> bool {
        true
    }
}

/// Opening and closing token of a role and type.
fn tokens(role: char, kind: &str) -> [String; 2] {
    [format!("[{role}:{kind}]"), format!("[/{role}:{kind}]")]
}
