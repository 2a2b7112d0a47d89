//! A text with any number of mentions, and the relations between them.

mod pairs;

pub use pairs::{Pair, PairRule};

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::example::{Entity, RelationExample};
use crate::span::{ByteSpan, CharSpan};
use crate::text::trim_invisible;

/// A stretch of a document's text that names an entity.
///
/// Mentions may touch, nest, overlap and repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    span: CharSpan,
    kind: Option<Arc<str>>,
    score: Option<f32>,
    entity: Option<Arc<str>>,
}

impl Mention {
    /// A mention of the code points `span` of a text, without type, score or entity.
    pub fn new(span: CharSpan) -> Self {
        Self { span, kind: None, score: None, entity: None }
    }

    /// The same mention with a type, such as `PERSON`, without what is invisible at its edges ([`trim_invisible`]).
    #[must_use]
    pub fn with_kind(mut self, kind: impl AsRef<str>) -> Self {
        self.kind = Some(trim_invisible(kind.as_ref()).into());
        self
    }

    /// The same mention with the probability, 0 to 1, that it is one.
    #[must_use]
    pub fn with_score(mut self, score: f32) -> Self {
        self.score = Some(score);
        self
    }

    /// The same mention with the id of the entity that it names: mentions of one entity have the same.
    #[must_use]
    pub fn with_entity(mut self, id: impl Into<Arc<str>>) -> Self {
        self.entity = Some(id.into());
        self
    }

    /// Where it stands in the document's text, in code points.
    pub fn span(&self) -> CharSpan {
        self.span
    }

    /// Its type, such as `PERSON`.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The probability that it is a mention, 0 to 1.
    pub fn score(&self) -> Option<f32> {
        self.score
    }

    /// Id of the entity that it names.
    pub fn entity(&self) -> Option<&str> {
        self.entity.as_deref()
    }
}

/// A relation between two mentions of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    pair: Pair,
    label: Arc<str>,
    score: Option<f32>,
}

impl Relation {
    /// The relation `label` from the subject of `pair` to its object. What is invisible at the label's edges goes
    /// ([`trim_invisible`]).
    pub fn new(pair: Pair, label: impl AsRef<str>) -> Self {
        Self { pair, label: trim_invisible(label.as_ref()).into(), score: None }
    }

    /// The same relation with the probability, 0 to 1, that it holds.
    #[must_use]
    pub fn with_score(mut self, score: f32) -> Self {
        self.score = Some(score);
        self
    }

    /// Subject and object, by their numbers among the document's mentions.
    pub fn pair(&self) -> Pair {
        self.pair
    }

    /// Name of the relation.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The probability that it holds, 0 to 1.
    pub fn score(&self) -> Option<f32> {
        self.score
    }
}

/// A text, what it mentions and how that is related.
///
/// ```
/// use re_data::{CharSpan, Document, Mention, Pair, PairRule, Relation};
///
/// let mentions = [(0, 5), (12, 6), (23, 5)].map(|(start, len)| Mention::new(CharSpan::with_len(start, len)));
/// let document = Document::new("1", "Marie loves Pierre and Irène.", mentions.into())?
///     .with_relations(vec![Relation::new(Pair { subject: 0, object: 1 }, "spouse")])?;
///
/// let pairs: Vec<Pair> = document.pairs(&PairRule::default()).collect();
/// assert_eq!(pairs.len(), 6);
/// let example = document.example(pairs[0])?;
/// assert_eq!((example.surface(0), example.surface(1), example.label()), ("Marie", "Pierre", Some("spouse")));
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    id: Arc<str>,
    text: Arc<str>,
    mentions: Vec<Mention>,
    /// The mentions' spans in bytes.
    bytes: Vec<ByteSpan>,
    relations: Vec<Relation>,
    source: Option<Arc<str>>,
}

impl Document {
    /// A document without relations.
    ///
    /// # Errors
    /// [`Error::Document`] where a mention is empty, reaches behind the text, has an empty type or entity id, or a score
    /// outside 0..=1.
    pub fn new(id: impl Into<Arc<str>>, text: impl Into<Arc<str>>, mentions: Vec<Mention>) -> Result<Self> {
        let (id, text) = (id.into(), text.into());
        let bytes = to_bytes(&id, &text, &mentions)?;
        for (number, mention) in mentions.iter().enumerate() {
            let fault = |field, found: String, expected| {
                fault(&id, format!("mention {number}"), field, found, expected)
            };
            if mention.kind() == Some("") {
                return Err(fault("type", "an empty one".to_owned(), "a name, or no type"));
            }
            if mention.entity() == Some("") {
                return Err(fault("entity", "an empty id".to_owned(), "an id, or none"));
            }
            check_score(mention.score).map_err(|found| fault("score", found, PROBABILITY))?;
        }
        Ok(Self { id, text, mentions, bytes, relations: Vec::new(), source: None })
    }

    /// The same document with these mentions in the place of those it had, and without relations.
    ///
    /// # Errors
    /// As [`Document::new`].
    pub fn with_mentions(self, mentions: Vec<Mention>) -> Result<Self> {
        Ok(Self { source: self.source, ..Self::new(self.id, self.text, mentions)? })
    }

    /// The same document with these relations, in the place of those it had.
    ///
    /// # Errors
    /// [`Error::Document`] where a relation names a mention that the document has not, relates a mention to itself, has
    /// an empty label or a score outside 0..=1, or is duplicated.
    pub fn with_relations(mut self, relations: Vec<Relation>) -> Result<Self> {
        let mut seen = std::collections::HashSet::new();
        for (number, relation) in relations.iter().enumerate() {
            let fault = |field, found: String, expected| {
                fault(&self.id, format!("relation {number}"), field, found, expected)
            };
            let Pair { subject, object } = relation.pair;
            let count = self.mentions.len();
            for (field, mention) in [("subject", subject), ("object", object)] {
                if mention >= count {
                    return Err(fault(
                        field,
                        mention.to_string(),
                        match count {
                            0 => "no relation, as the document has no mentions".to_owned(),
                            _ => format!("the number of a mention, 0 to {}", count - 1),
                        },
                    ));
                }
            }
            if subject == object {
                return Err(fault(
                    "object",
                    object.to_string(),
                    "another mention than the subject".to_owned(),
                ));
            }
            if relation.label().is_empty() {
                return Err(fault("label", "an empty one".to_owned(), "a name".to_owned()));
            }
            check_score(relation.score).map_err(|found| fault("score", found, PROBABILITY.to_owned()))?;
            if !seen.insert((relation.pair, relation.label())) {
                let found = format!("{} from mention {subject} to mention {object} twice", relation.label());
                return Err(fault("label", found, "each relation once".to_owned()));
            }
        }
        self.relations = relations;
        Ok(self)
    }

    /// The same document with the name of the corpus or file that it comes from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Arc<str>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What results are aligned by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the text mentions, in the order in which it was given.
    pub fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// How the mentions are related, as far as known.
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// Corpus or file that the document comes from, where known.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// The spans of the mentions in bytes of the text, one for each of [`mentions`](Self::mentions).
    pub fn byte_spans(&self) -> &[ByteSpan] {
        &self.bytes
    }

    /// Surface form of a mention; empty for a number that no mention has.
    pub fn surface(&self, mention: usize) -> &str {
        self.bytes.get(mention).and_then(|span| self.text.get(span.range())).unwrap_or_default()
    }

    /// The ordered pairs of mentions that `rule` lets pass, in the order in which the mentions stand in the text: of two
    /// mentions, first the pair whose subject stands first. Pairs are made one by one, so that a long document costs no
    /// memory.
    pub fn pairs<'a>(&'a self, rule: &'a PairRule) -> impl Iterator<Item = Pair> + 'a {
        pairs::pairs(self, rule)
    }

    /// One pair of mentions as an example, which shares the document's text. Its id is the document's with the numbers of
    /// subject and object behind it, `ID#0-1`. Its label is the relation of the pair where the document has exactly one.
    ///
    /// # Errors
    /// [`Error::Document`] where the document has not both mentions.
    pub fn example(&self, pair: Pair) -> Result<RelationExample> {
        let entity = |field, number: usize| match (self.mentions.get(number), self.bytes.get(number)) {
            (Some(mention), Some(&span)) => Ok(Entity::with_shared_kind(span, mention.kind.clone())),
            _ => {
                let expected = format!("the number of one of {} mentions", self.mentions.len());
                Err(fault(&self.id, "pair".to_owned(), field, number.to_string(), expected))
            }
        };
        let Pair { subject, object } = pair;
        let entities = [entity("subject", subject)?, entity("object", object)?];
        let id = format!("{}#{subject}-{object}", self.id);
        let mut example = RelationExample::new(id, Arc::clone(&self.text), entities)?;
        if let Some(source) = &self.source {
            example = example.with_source(Arc::clone(source));
        }
        let mut relations = self.relations.iter().filter(|relation| relation.pair == pair);
        match (relations.next(), relations.next()) {
            (Some(relation), None) => Ok(example.with_label(relation.label())),
            _ => Ok(example),
        }
    }
}

const PROBABILITY: &str = "a number from 0 to 1";

fn check_score(score: Option<f32>) -> Result<(), String> {
    match score.filter(|score| !(0.0..=1.0).contains(score)) {
        None => Ok(()),
        Some(score) => Err(score.to_string()),
    }
}

fn fault(id: &str, part: String, field: &'static str, found: String, expected: impl Into<String>) -> Error {
    Error::Document { id: id.to_owned(), part, field, found, expected: expected.into() }
}

/// The spans of the mentions in bytes; the text is gone through once for all of them.
fn to_bytes(id: &str, text: &str, mentions: &[Mention]) -> Result<Vec<ByteSpan>> {
    let mut ends: Vec<usize> = mentions.iter().flat_map(|m| [m.span.start(), m.span.end()]).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut offsets =
        text.char_indices().map(|(byte, _)| byte).chain(std::iter::once(text.len())).enumerate();
    let mut places = Vec::with_capacity(ends.len());
    for &end in &ends {
        let Some((_, byte)) = offsets.by_ref().find(|(number, _)| *number == end) else { break };
        places.push(byte);
    }
    let byte = |position: usize| {
        let number = ends.binary_search(&position).ok()?;
        places.get(number).copied()
    };
    let span = |(number, mention): (usize, &Mention)| {
        let found = byte(mention.span.start()).zip(byte(mention.span.end()));
        let found = found.and_then(|(start, end)| ByteSpan::new(start, end)).filter(|span| !span.is_empty());
        found.ok_or_else(|| {
            let expected =
                format!("a stretch of the text of {} code points that is not empty", text.chars().count());
            fault(id, format!("mention {number}"), "span", mention.span.to_string(), expected)
        })
    };
    mentions.iter().enumerate().map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mention(start: usize, end: usize) -> Mention {
        Mention::new(CharSpan::new(start, end).unwrap())
    }

    #[test]
    fn an_example_shares_the_text_of_its_document() {
        let mentions = vec![mention(3, 5).with_kind("PER\r"), mention(0, 2), mention(0, 7)];
        let document = Document::new("d", "가나 다라 x", mentions).unwrap().with_source("corpus");
        let example = document.example(Pair { subject: 0, object: 2 }).unwrap();
        assert_eq!(example.text().as_ptr(), document.text().as_ptr());
        assert_eq!((example.id(), example.source()), ("d#0-2", Some("corpus")));
        assert_eq!((example.surface(0), example.surface(1)), ("다라", "가나 다라 x"));
        assert_eq!(example.entities()[0].kind(), Some("PER"));
        assert_eq!((document.surface(1), document.surface(3)), ("가나", ""));
        let error = document.example(Pair { subject: 3, object: 0 }).unwrap_err().to_string();
        assert_eq!(error, "document d: pair: subject: found 3, expected the number of one of 3 mentions");
    }

    #[test]
    fn other_mentions_take_the_place_of_mentions_and_relations() {
        let document = Document::new("d", "a b", vec![mention(0, 1), mention(2, 3)]).unwrap();
        let document = document.with_source("corpus");
        let relation = Relation::new(Pair { subject: 0, object: 1 }, "x");
        let related = document.clone().with_relations(vec![relation]).unwrap();
        let other = related.clone().with_mentions(vec![mention(0, 3)]).unwrap();
        assert_eq!(other.text().as_ptr(), related.text().as_ptr());
        assert_eq!((other.id(), other.surface(0), other.source()), ("d", "a b", Some("corpus")));
        assert!(other.relations().is_empty());
        assert_eq!(related.clone().with_mentions(related.mentions().to_vec()).unwrap(), document);
        assert!(related.with_mentions(vec![mention(3, 4)]).unwrap_err().to_string().contains("document d"));
    }

    #[test]
    fn a_pair_has_a_label_where_one_relation_says_so() {
        let related = |relations| {
            let document = Document::new("d", "a b", vec![mention(0, 1), mention(2, 3)]).unwrap();
            document.with_relations(relations)
        };
        let relation = |subject, object, label| Relation::new(Pair { subject, object }, label);
        let document = related(vec![relation(0, 1, "x "), relation(1, 0, "y"), relation(1, 0, "z")]).unwrap();
        let label =
            |subject, object| document.example(Pair { subject, object }).unwrap().label().map(str::to_owned);
        assert_eq!((label(0, 1).as_deref(), label(1, 0)), (Some("x"), None));

        let message = |relation| related(vec![relation]).unwrap_err().to_string();
        assert_eq!(
            message(relation(0, 2, "x")),
            "document d: relation 0: object: found 2, expected the number of a mention, 0 to 1"
        );
        assert_eq!(
            message(relation(1, 1, "x")),
            "document d: relation 0: object: found 1, expected another mention than the subject"
        );
        assert!(message(relation(0, 1, "\u{feff}")).contains("label: found an empty one"));
        assert!(
            message(relation(0, 1, "x").with_score(1.5))
                .contains("score: found 1.5, expected a number from 0 to 1")
        );
        let twice = related(vec![relation(0, 1, "x"), relation(0, 1, "x")]).unwrap_err().to_string();
        assert!(twice.contains("relation 1: label: found x from mention 0 to mention 1 twice"), "{twice}");
        let none = Document::new("d", "a", vec![]).unwrap().with_relations(vec![relation(0, 1, "x")]);
        assert!(
            none.unwrap_err().to_string().contains("expected no relation, as the document has no mentions")
        );
    }

    #[test]
    fn mentions_must_lie_in_the_text() {
        let message =
            |mention| Document::new("d", "가나", vec![self::mention(0, 1), mention]).unwrap_err().to_string();
        for (start, end) in [(1, 3), (5, 9), (1, 1), (2, 2)] {
            let expected = format!(
                "document d: mention 1: span: found {start}..{end}, expected a stretch of the text of 2 code points that is not empty"
            );
            assert_eq!(message(mention(start, end)), expected);
        }
        assert!(message(mention(0, 2).with_score(f32::NAN)).contains("score: found NaN"));
        assert!(message(mention(0, 2).with_kind(" ")).contains("type: found an empty one"));
        assert!(message(mention(0, 2).with_entity("")).contains("entity: found an empty id"));
        assert_eq!(Document::new("d", "가나", vec![mention(0, 2), mention(1, 2)]).unwrap().surface(1), "나");
    }
}
