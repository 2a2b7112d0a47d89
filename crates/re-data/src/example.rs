//! A sentence with two entities and, where known, the relation between them.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::span::ByteSpan;
use crate::text::trim_invisible;

/// One of the two entities of an example: where it stands in the text and, where known, of which type it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entity {
    span: ByteSpan,
    kind: Option<Arc<str>>,
}

impl Entity {
    /// An entity without a type.
    pub fn new(span: ByteSpan) -> Self {
        Self { span, kind: None }
    }

    /// The same entity with a type, such as `PERSON`, without what is invisible at its edges ([`trim_invisible`]).
    #[must_use]
    pub fn with_kind(mut self, kind: impl AsRef<str>) -> Self {
        self.kind = Some(trim_invisible(kind.as_ref()).into());
        self
    }

    /// An entity whose type is shared with others.
    pub(crate) fn with_shared_kind(span: ByteSpan, kind: Option<Arc<str>>) -> Self {
        Self { span, kind }
    }

    /// Where it stands in the example's text, in bytes.
    pub fn span(&self) -> ByteSpan {
        self.span
    }

    /// Its type, such as `PERSON`.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }
}

/// A text, the two entities whose relation is in question and, for training and evaluation, its label.
///
/// The order of the entities is the direction of the relation: `entities()[0]` is the subject (the
/// competition's `entity1`, SemEval's `e1`), `entities()[1]` the object. Examples of one text can share it: pairs of a
/// [`Document`](crate::Document) do.
///
/// ```
/// use re_data::{ByteSpan, Entity, RelationExample};
/// let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
/// let example = RelationExample::new("1", "Marie loves Pierre.", [entity(0, 5), entity(12, 6)])?
///     .with_label("spouse");
/// assert_eq!(example.surface(1), "Pierre");
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelationExample {
    id: String,
    text: Arc<str>,
    entities: [Entity; 2],
    label: Option<String>,
    source: Option<Arc<str>>,
}

impl RelationExample {
    /// An example without a label.
    ///
    /// # Errors
    /// [`Error::EntitySpan`] where an entity is empty, reaches behind the text or cuts a character.
    pub fn new(id: impl Into<String>, text: impl Into<Arc<str>>, entities: [Entity; 2]) -> Result<Self> {
        let (id, text) = (id.into(), text.into());
        for (entity, Entity { span, .. }) in entities.iter().enumerate() {
            if span.is_empty() || text.get(span.range()).is_none() {
                return Err(Error::EntitySpan { id, entity, span: *span, text_len: text.len() });
            }
        }
        Ok(Self { id, text, entities, label: None, source: None })
    }

    /// The same example with a label, without what is invisible at its edges ([`trim_invisible`]).
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(trim_invisible(&label.into()).to_owned());
        self
    }

    /// The same example without its label.
    #[must_use]
    pub fn without_label(mut self) -> Self {
        self.label = None;
        self
    }

    /// The same example with the name of the document or corpus that its text comes from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Arc<str>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same example with entity types.
    #[must_use]
    pub fn with_entity_types(mut self, kinds: [Option<String>; 2]) -> Self {
        for (entity, kind) in self.entities.iter_mut().zip(kinds) {
            entity.kind = kind.map(|kind| trim_invisible(&kind).into());
        }
        self
    }

    /// The same example in another text, where its entities stand at `spans`.
    ///
    /// # Errors
    /// As [`RelationExample::new`].
    pub fn in_text(&self, text: impl Into<Arc<str>>, spans: [ByteSpan; 2]) -> Result<Self> {
        let mut entities = self.entities.clone();
        for (entity, span) in entities.iter_mut().zip(spans) {
            entity.span = span;
        }
        let moved = Self::new(self.id.clone(), text, entities)?;
        Ok(Self { label: self.label.clone(), source: self.source.clone(), ..moved })
    }

    /// Identifier of the row in its source; what predictions are aligned by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The sentence or passage.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Subject and object.
    pub fn entities(&self) -> &[Entity; 2] {
        &self.entities
    }

    /// The relation, where known.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Document or corpus that the text comes from, where known (KLUE's `source`, TACRED's `docid`).
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// The text, to share it with another example.
    pub(crate) fn shared_text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// Surface form of entity 0 or 1; empty for any other number.
    pub fn surface(&self, entity: usize) -> &str {
        self.entities.get(entity).and_then(|e| self.text.get(e.span.range())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_another_text_an_example_is_the_same() {
        let entity = |start| Entity::new(ByteSpan::with_len(start, 1)).with_kind("P");
        let example = RelationExample::new("7", "a b", [entity(0), entity(2)]).unwrap();
        let example = example.with_label("x").with_source("s");
        let spans = |starts: [usize; 2]| starts.map(|start| ByteSpan::with_len(start, 1));
        let turned = example.in_text("b, a", spans([3, 0])).unwrap();
        assert_eq!((turned.surface(0), turned.surface(1)), ("a", "b"));
        assert_eq!(turned.in_text(example.text(), spans([0, 2])).unwrap(), example);
    }

    #[test]
    fn labels_and_types_have_no_invisible_edges() {
        let entity = || Entity::new(ByteSpan::with_len(0, 1)).with_kind("PER\r");
        let example = RelationExample::new("7", "a", [entity(), entity()]).unwrap().with_label("\u{feff}x ");
        assert_eq!((example.label(), example.entities()[0].kind()), (Some("x"), Some("PER")));
        let typed = example.with_entity_types([Some("\u{200b}ORG".to_owned()), None]);
        assert_eq!(typed.entities()[0].kind(), Some("ORG"));
    }

    #[test]
    fn entities_must_lie_in_the_text() {
        let entity = |start, end| Entity::new(ByteSpan::new(start, end).unwrap());
        let new = |a, b| RelationExample::new("7", "가나 다", [a, b]);
        assert_eq!(new(entity(0, 6), entity(7, 10)).unwrap().surface(1), "다");
        for bad in [entity(0, 0), entity(7, 11), entity(1, 3), entity(20, 21)] {
            let error = new(entity(0, 3), bad.clone()).unwrap_err();
            assert!(matches!(error, Error::EntitySpan { entity: 1, .. }), "{error}");
            let start = if bad.span().is_empty() {
                "example 7: entity 2 is empty, at byte 0"
            } else {
                "example 7: entity 2 at bytes"
            };
            assert!(error.to_string().starts_with(start), "{error}");
        }
    }
}
