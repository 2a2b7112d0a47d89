//! Relations that read the same from both ends, and pairs of relations that are one read from either end.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use re_data::text::{quoted, trim_invisible};
use re_data::{Document, Pair};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which relations are symmetric, such as `spouse`, and which are each other's inverse, such as `parent` and `child`.
///
/// ```
/// use re_extract::RelationProperties;
/// let properties = RelationProperties::new(["spouse"], [["parent", "child"]])?;
/// assert_eq!(properties.counterpart("spouse"), Some("spouse"));
/// assert_eq!(properties.counterpart("child"), Some("parent"));
/// assert_eq!(properties.counterpart("employer"), None);
/// # Ok::<(), re_extract::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct RelationProperties {
    /// Each relation with what it is called from the other end.
    counterparts: BTreeMap<String, String>,
}

/// The same as a file says it.
#[derive(Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    symmetric: Vec<String>,
    inverse: Vec<[String; 2]>,
}

impl TryFrom<Raw> for RelationProperties {
    type Error = Error;

    fn try_from(raw: Raw) -> Result<Self> {
        Self::new(raw.symmetric, raw.inverse)
    }
}

impl From<RelationProperties> for Raw {
    fn from(properties: RelationProperties) -> Self {
        let pairs = properties.counterparts.iter();
        Self {
            symmetric: pairs.clone().filter(|(a, b)| a == b).map(|(a, _)| a.clone()).collect(),
            inverse: pairs.filter(|(a, b)| a < b).map(|(a, b)| [a.clone(), b.clone()]).collect(),
        }
    }
}

/// How [`RelationProperties::learn`] decides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearnProperties {
    /// Fewest relations of a name that it is judged by.
    pub min_rows: usize,
    /// Smallest share of them whose reverse is annotated too.
    pub share: f64,
}

impl Default for LearnProperties {
    fn default() -> Self {
        Self { min_rows: 10, share: 0.95 }
    }
}

impl RelationProperties {
    /// Properties as declared. What is invisible at a name's edges goes.
    ///
    /// # Errors
    /// [`Error::Setting`] where a name is empty, or a relation stands in two places or is its own inverse.
    pub fn new<S: AsRef<str>>(
        symmetric: impl IntoIterator<Item = S>,
        inverse: impl IntoIterator<Item = [S; 2]>,
    ) -> Result<Self> {
        let mut counterparts = BTreeMap::new();
        let mut add = |field: &str, from: &str, to: &str| {
            if from.is_empty() {
                return Err(Error::setting(field, "an empty name", "the name of a relation"));
            }
            match counterparts.insert(from.to_owned(), to.to_owned()) {
                None => Ok(()),
                Some(_) => Err(Error::setting(field, quoted(from), "each relation in one place")),
            }
        };
        for name in symmetric {
            let name = trim_invisible(name.as_ref());
            add("symmetric", name, name)?;
        }
        for [a, b] in inverse {
            let [a, b] = [trim_invisible(a.as_ref()), trim_invisible(b.as_ref())];
            add("inverse", a, b)?;
            add("inverse", b, a)?;
        }
        Ok(Self { counterparts })
    }

    /// What training documents say: a relation is symmetric, or the inverse of another, where nearly every one of it is
    /// annotated from the other end too.
    ///
    /// A corpus that writes each symmetric relation once, as many do, tells nothing of this kind: its relations are to be
    /// declared. Symmetry goes before inverses, and of several inverses the one with the larger share, then the first by
    /// name.
    ///
    /// # Errors
    /// [`Error::Setting`] where the share is not above a half and at most 1.
    pub fn learn<'a>(
        documents: impl IntoIterator<Item = &'a Document>,
        options: LearnProperties,
    ) -> Result<Self> {
        if !(options.share > 0.5 && options.share <= 1.0) {
            return Err(Error::setting("share", options.share, "a number above 0.5 and up to 1"));
        }
        // How often each relation stands, and how often with which one from the other end.
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut reversed: BTreeMap<(String, String), usize> = BTreeMap::new();
        for document in documents {
            let mut labels: std::collections::HashMap<Pair, Vec<&str>> = std::collections::HashMap::new();
            for relation in document.relations() {
                labels.entry(relation.pair()).or_default().push(relation.label());
            }
            for relation in document.relations() {
                *counts.entry(relation.label().to_owned()).or_default() += 1;
                for other in labels.get(&reverse(relation.pair())).into_iter().flatten() {
                    *reversed.entry((relation.label().to_owned(), (*other).to_owned())).or_default() += 1;
                }
            }
        }
        let share = |a: &String, b: &String| {
            let count = counts.get(a).copied().unwrap_or_default();
            let both = reversed.get(&(a.clone(), b.clone())).copied().unwrap_or_default();
            if count < options.min_rows.max(1) { 0.0 } else { both as f64 / count as f64 }
        };
        let symmetric: BTreeSet<String> =
            counts.keys().filter(|name| share(name, name) >= options.share).cloned().collect();
        let mut found: Vec<(f64, [String; 2])> = Vec::new();
        for (a, b) in reversed.keys().filter(|(a, b)| a < b) {
            let both = share(a, b).min(share(b, a));
            if both >= options.share && !symmetric.contains(a) && !symmetric.contains(b) {
                found.push((both, [a.clone(), b.clone()]));
            }
        }
        found.sort_by(|(a, first), (b, second)| b.total_cmp(a).then_with(|| first.cmp(second)));
        let mut taken = HashSet::new();
        found.retain(|(_, [a, b])| {
            let free = !taken.contains(a) && !taken.contains(b);
            if free {
                taken.extend([a.clone(), b.clone()]);
            }
            free
        });
        Self::new(symmetric, found.into_iter().map(|(_, pair)| pair))
    }

    /// What a relation is called from the other end: itself where it is symmetric, its inverse where it has one.
    pub fn counterpart(&self, relation: &str) -> Option<&str> {
        self.counterparts.get(relation).map(String::as_str)
    }

    /// Whether a relation is symmetric.
    pub fn is_symmetric(&self, relation: &str) -> bool {
        self.counterpart(relation) == Some(relation)
    }

    /// All relations that have a counterpart.
    pub fn relations(&self) -> impl Iterator<Item = &str> {
        self.counterparts.keys().map(String::as_str)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.counterparts.is_empty()
    }
}

/// The same pair in the other direction.
pub(crate) fn reverse(pair: Pair) -> Pair {
    Pair { subject: pair.object, object: pair.subject }
}

#[cfg(test)]
mod tests {
    use re_data::{CharSpan, Mention, Relation};

    use super::*;

    #[test]
    fn a_relation_stands_in_one_place() {
        let error = |symmetric: &[&str], inverse: &[[&str; 2]]| {
            let made = RelationProperties::new(symmetric.iter().copied(), inverse.iter().copied());
            made.unwrap_err().to_string()
        };
        assert_eq!(error(&["a", "a "], &[]), r#"symmetric: found "a", expected each relation in one place"#);
        assert_eq!(
            error(&["a"], &[["b", "a"]]),
            r#"inverse: found "a", expected each relation in one place"#
        );
        assert_eq!(error(&[], &[["a", "a"]]), r#"inverse: found "a", expected each relation in one place"#);
        assert!(error(&[" "], &[]).contains("an empty name"));
    }

    #[test]
    fn they_are_read_as_they_were_written() {
        let properties = RelationProperties::new(["s"], [["q", "p"]]).unwrap();
        let text = serde_json::to_string(&properties).unwrap();
        assert_eq!(text, r#"{"symmetric":["s"],"inverse":[["p","q"]]}"#);
        assert_eq!(serde_json::from_str::<RelationProperties>(&text).unwrap(), properties);
        assert!(serde_json::from_str::<RelationProperties>(r#"{"symmetrc":[]}"#).is_err());
    }

    #[test]
    fn what_is_annotated_from_both_ends_is_learnt() {
        let mention = |at| Mention::new(CharSpan::with_len(at, 1));
        let relation = |subject, object, label| Relation::new(Pair { subject, object }, label);
        let document = |relations| {
            let document = Document::new("d", "abc", vec![mention(0), mention(1), mention(2)]).unwrap();
            document.with_relations(relations).unwrap()
        };
        let both = document(vec![
            relation(0, 1, "spouse"),
            relation(1, 0, "spouse"),
            relation(0, 2, "parent"),
            relation(2, 0, "child"),
            relation(1, 2, "likes"),
        ]);
        let once = document(vec![relation(0, 1, "likes"), relation(1, 0, "likes")]);
        let options = LearnProperties { min_rows: 2, share: 0.9 };
        let documents = [both.clone(), both.clone(), once];
        let learnt = RelationProperties::learn(&documents, options).unwrap();
        // Of four "likes", two are returned.
        assert_eq!(learnt, RelationProperties::new(["spouse"], [["parent", "child"]]).unwrap());
        let few = RelationProperties::learn(&documents, LearnProperties { min_rows: 5, ..options }).unwrap();
        assert!(few.is_empty());
        let wrong = RelationProperties::learn(&documents, LearnProperties { share: 0.2, ..options });
        assert!(wrong.unwrap_err().to_string().starts_with("share: found 0.2"));
    }
}
