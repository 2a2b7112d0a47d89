//! Which types of mentions a relation joins.

use std::collections::BTreeMap;

use re_data::Document;
use re_data::text::{quoted, trim_invisible};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::properties::RelationProperties;

/// A type of subject and a type of object that a relation joins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypePair {
    /// Type of the subject.
    pub subject: String,
    /// Type of the object.
    pub object: String,
    /// How often the training documents have it, where it was learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
}

/// For each relation the types of subject and object that it joins.
///
/// Only what is known forbids: a relation that is not listed joins any types, and a mention without a type may be of any.
///
/// ```
/// use re_extract::TypeConstraints;
/// let constraints = TypeConstraints::declare([("employer", "PERSON", "ORGANISATION")])?;
/// assert!(constraints.allows("employer", Some("PERSON"), Some("ORGANISATION")));
/// assert!(!constraints.allows("employer", Some("ORGANISATION"), Some("PERSON")));
/// assert!(constraints.allows("employer", None, Some("ORGANISATION")));
/// assert!(constraints.allows("spouse", Some("ORGANISATION"), Some("PERSON")));
/// # Ok::<(), re_extract::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Vec<TypePair>>", into = "BTreeMap<String, Vec<TypePair>>")]
pub struct TypeConstraints {
    relations: BTreeMap<String, Vec<TypePair>>,
}

impl TryFrom<BTreeMap<String, Vec<TypePair>>> for TypeConstraints {
    type Error = Error;

    fn try_from(relations: BTreeMap<String, Vec<TypePair>>) -> Result<Self> {
        for (name, pairs) in &relations {
            if pairs.is_empty() {
                let found = format!("no types for the relation {}", quoted(name));
                return Err(Error::setting("constraints", found, "at least one pair of types, or no entry"));
            }
        }
        let pairs = relations.into_iter().flat_map(|(name, pairs)| {
            pairs
                .into_iter()
                .map(move |TypePair { subject, object, count }| (name.clone(), subject, object, count))
        });
        Self::of(pairs)
    }
}

impl From<TypeConstraints> for BTreeMap<String, Vec<TypePair>> {
    fn from(constraints: TypeConstraints) -> Self {
        constraints.relations
    }
}

/// Constraints that training documents gave, and what was not learnt from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LearntConstraints {
    /// The constraints.
    pub constraints: TypeConstraints,
    /// What occurs, but too rarely, by relation.
    pub rare: BTreeMap<String, Vec<TypePair>>,
    /// Relations of which a mention has no type.
    pub untyped: usize,
}

impl TypeConstraints {
    /// Constraints as declared: relation, type of the subject, type of the object.
    ///
    /// # Errors
    /// [`Error::Setting`] where a name is empty or a triple stands twice.
    pub fn declare<S: AsRef<str>>(triples: impl IntoIterator<Item = (S, S, S)>) -> Result<Self> {
        let owned = |name: S| name.as_ref().to_owned();
        Self::of(
            triples
                .into_iter()
                .map(|(name, subject, object)| (owned(name), owned(subject), owned(object), None)),
        )
    }

    fn of(pairs: impl IntoIterator<Item = (String, String, String, Option<usize>)>) -> Result<Self> {
        let mut relations: BTreeMap<String, Vec<TypePair>> = BTreeMap::new();
        for (name, subject, object, count) in pairs {
            let [name, subject, object] =
                [name, subject, object].map(|name| trim_invisible(&name).to_owned());
            let said = || format!("{} from {} to {}", quoted(&name), quoted(&subject), quoted(&object));
            if [&name, &subject, &object].into_iter().any(String::is_empty) {
                return Err(Error::setting("constraints", said(), "three names"));
            }
            let known = relations.entry(name.clone()).or_default();
            if known.iter().any(|pair| pair.subject == subject && pair.object == object) {
                return Err(Error::setting("constraints", said() + " twice", "each pair of types once"));
            }
            known.push(TypePair { subject, object, count });
        }
        for pairs in relations.values_mut() {
            pairs.sort();
        }
        Ok(Self { relations })
    }

    /// What the relations of training documents join, at least `min_count` times.
    ///
    /// A relation of which no pair of types is that frequent keeps all of its pairs: a rare relation is no mistake, while a
    /// rare pair beside frequent ones may be one.
    pub fn learn<'a>(
        documents: impl IntoIterator<Item = &'a Document>,
        min_count: usize,
    ) -> LearntConstraints {
        let mut counts: BTreeMap<String, BTreeMap<(String, String), usize>> = BTreeMap::new();
        let mut learnt = LearntConstraints::default();
        for document in documents {
            let kind = |mention: usize| document.mentions().get(mention).and_then(|mention| mention.kind());
            for relation in document.relations() {
                match (kind(relation.pair().subject), kind(relation.pair().object)) {
                    (Some(subject), Some(object)) => {
                        let types = (subject.to_owned(), object.to_owned());
                        let known = counts.entry(relation.label().to_owned()).or_default();
                        *known.entry(types).or_default() += 1;
                    }
                    _ => learnt.untyped += 1,
                }
            }
        }
        for (name, types) in counts {
            let pair = |((subject, object), count)| TypePair { subject, object, count: Some(count) };
            let (frequent, rare): (Vec<_>, Vec<_>) =
                types.into_iter().map(pair).partition(|pair| pair.count >= Some(min_count));
            let (kept, rare) = if frequent.is_empty() { (rare, Vec::new()) } else { (frequent, rare) };
            if !rare.is_empty() {
                learnt.rare.insert(name.clone(), rare);
            }
            learnt.constraints.relations.insert(name, kept);
        }
        learnt
    }

    /// Whether a relation may join mentions of these types.
    pub fn allows(&self, relation: &str, subject: Option<&str>, object: Option<&str>) -> bool {
        let fits = |known: &str, found: Option<&str>| found.is_none_or(|found| found == known);
        self.relations.get(relation).is_none_or(|pairs| {
            pairs.iter().any(|pair| fits(&pair.subject, subject) && fits(&pair.object, object))
        })
    }

    /// The same constraints as seen from both ends: what a relation joins, its counterpart joins the other way round.
    ///
    /// Where only one of two inverse relations is listed, the other then is too.
    #[must_use]
    pub fn closed(&self, properties: &RelationProperties) -> Self {
        let mut closed = self.clone();
        for (name, pairs) in &self.relations {
            let Some(other) = properties.counterpart(name) else { continue };
            let known = closed.relations.entry(other.to_owned()).or_default();
            for TypePair { subject, object, count } in pairs {
                if !known.iter().any(|pair| pair.subject == *object && pair.object == *subject) {
                    known.push(TypePair { subject: object.clone(), object: subject.clone(), count: *count });
                }
            }
            known.sort();
        }
        closed
    }

    /// The relations that are listed, with what they join.
    pub fn relations(&self) -> impl Iterator<Item = (&str, &[TypePair])> {
        self.relations.iter().map(|(name, pairs)| (name.as_str(), pairs.as_slice()))
    }

    /// Whether nothing is forbidden.
    pub fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use re_data::{CharSpan, Mention, Pair, Relation};

    use super::*;

    fn pair(subject: &str, object: &str, count: usize) -> TypePair {
        TypePair { subject: subject.to_owned(), object: object.to_owned(), count: Some(count) }
    }

    #[test]
    fn what_occurs_often_enough_is_learnt() {
        let mention = |at, kind: &str| Mention::new(CharSpan::with_len(at, 1)).with_kind(kind);
        let relation = |subject, object, label| Relation::new(Pair { subject, object }, label);
        let mentions =
            vec![mention(0, "P"), mention(1, "O"), mention(2, "P"), Mention::new(CharSpan::with_len(3, 1))];
        let document = Document::new("d", "abcd", mentions).unwrap();
        let document = document
            .with_relations(vec![
                relation(0, 1, "works"),
                relation(2, 1, "works"),
                relation(1, 0, "works"),
                relation(0, 2, "knows"),
                relation(0, 3, "knows"),
            ])
            .unwrap();
        let learnt = TypeConstraints::learn([&document], 2);
        let known: Vec<_> = learnt.constraints.relations().collect();
        assert_eq!(known, [("knows", &[pair("P", "P", 1)][..]), ("works", &[pair("P", "O", 2)][..])]);
        assert_eq!(learnt.rare, BTreeMap::from([("works".to_owned(), vec![pair("O", "P", 1)])]));
        assert_eq!(learnt.untyped, 1);
        assert!(TypeConstraints::learn([&document], 1).rare.is_empty());
    }

    #[test]
    fn both_ends_of_a_relation_agree() {
        let properties = RelationProperties::new(["near"], [["owns", "owned_by"]]).unwrap();
        let triples = [("near", "P", "O"), ("owns", "P", "O"), ("knows", "P", "P")];
        let closed = TypeConstraints::declare(triples).unwrap().closed(&properties);
        assert!(closed.allows("near", Some("O"), Some("P")) && closed.allows("near", Some("P"), Some("O")));
        assert!(closed.allows("owned_by", Some("O"), Some("P")));
        assert!(!closed.allows("owned_by", Some("P"), Some("O")));
        assert!(!closed.allows("owns", Some("O"), Some("P")));
        assert_eq!(closed.closed(&properties), closed);
    }

    #[test]
    fn they_are_read_as_they_were_written() {
        let constraints = TypeConstraints::declare([("r", "B", "A"), ("r", "A", "B")]).unwrap();
        let text = serde_json::to_string(&constraints).unwrap();
        assert_eq!(text, r#"{"r":[{"subject":"A","object":"B"},{"subject":"B","object":"A"}]}"#);
        assert_eq!(serde_json::from_str::<TypeConstraints>(&text).unwrap(), constraints);
        for (bad, why) in [
            (r#"{"r":[]}"#, "at least one pair of types"),
            (r#"{"r":[{"subject":"","object":"B"}]}"#, "three names"),
            (r#"{"r":[{"subject":"A","object":"B"},{"subject":"A ","object":"B"}]}"#, "twice"),
            (r#"{"r":[{"subject":"A","objekt":"B"}]}"#, "objekt"),
        ] {
            let error = serde_json::from_str::<TypeConstraints>(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
