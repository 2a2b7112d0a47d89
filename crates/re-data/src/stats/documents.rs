//! What documents look like: mentions by type, relations by label and by the types that they join.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::Lengths;
use crate::document::Document;
use crate::span::CharSpan;
use crate::tally::Tally;

/// Counts over documents.
///
/// ```
/// use re_data::stats::DocumentStats;
/// use re_data::{CharSpan, Document, Mention, Pair, Relation};
///
/// let mentions = [(0, 5), (12, 6)].map(|(start, len)| Mention::new(CharSpan::with_len(start, len)).with_kind("PER"));
/// let document = Document::new("1", "Marie loves Pierre.", mentions.into())?
///     .with_relations(vec![Relation::new(Pair { subject: 0, object: 1 }, "spouse")])?;
/// let stats = DocumentStats::of([&document]);
/// assert_eq!((stats.documents, stats.mentions, stats.relations), (1, 2, 1));
/// assert_eq!(stats.types, [(Some("PER".into()), 2)]);
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DocumentStats {
    /// Number of documents.
    pub documents: usize,
    /// Lengths of the texts in code points; `None` where there is no document.
    pub characters: Option<Lengths>,
    /// Documents whose text has stood before.
    pub repeated_texts: usize,
    /// Documents whose id has stood before.
    pub repeated_ids: usize,
    /// Documents without mentions.
    pub without_mentions: usize,
    /// Documents without relations.
    pub without_relations: usize,
    /// Number of mentions.
    pub mentions: usize,
    /// Mentions in a document; `None` where there is no document.
    pub mentions_per_document: Option<Lengths>,
    /// Lengths of mentions in code points; `None` where there is no mention.
    pub mention_characters: Option<Lengths>,
    /// How many mentions each type has, the most frequent one first, equals by name; `None` for those without type.
    pub types: Vec<(Option<String>, usize)>,
    /// Mentions that lie within another one, or stand where another one does.
    pub nested: usize,
    /// Mentions that share characters with another one of which neither lies within the other.
    pub crossing: usize,
    /// Mentions that stand where one before them does, with the same type.
    pub repeated_mentions: usize,
    /// Ids of documents with nested, crossing or repeated mentions.
    pub overlapping: Tally<String>,
    /// Mentions whose entity has an id.
    pub with_entity: usize,
    /// Number of relations.
    pub relations: usize,
    /// Relations in a document; `None` where there is no document.
    pub relations_per_document: Option<Lengths>,
    /// How many relations each label has, the most frequent one first, equals by name.
    pub labels: Vec<(String, usize)>,
    /// The same for each label with the types of subject and object.
    pub typed_labels: Vec<(TypedLabel, usize)>,
    /// Ordered pairs of different mentions of a document: candidates for relations where no rule leaves some out.
    pub pairs: usize,
    /// Pairs that have several relations.
    pub pairs_with_several: usize,
}

/// A relation's label and the types that it joins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TypedLabel {
    /// Name of the relation.
    pub label: String,
    /// The subject's type.
    pub subject: Option<String>,
    /// The object's type.
    pub object: Option<String>,
}

/// Mentions that share characters with others of their document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Overlaps {
    nested: usize,
    crossing: usize,
    repeated: usize,
}

impl DocumentStats {
    /// Counts over `documents`, which may stream: of each only its id and text's hash stay.
    pub fn of<D: Borrow<Document>>(documents: impl IntoIterator<Item = D>) -> Self {
        let (mut ids, mut texts) = (HashSet::new(), HashSet::new());
        let (mut characters, mut per_document, mut relations_per) = (Vec::new(), Vec::new(), Vec::new());
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        let (mut types, mut typed) = (HashMap::new(), HashMap::new());
        let mut stats = Self {
            documents: 0,
            characters: None,
            repeated_texts: 0,
            repeated_ids: 0,
            without_mentions: 0,
            without_relations: 0,
            mentions: 0,
            mentions_per_document: None,
            mention_characters: None,
            types: Vec::new(),
            nested: 0,
            crossing: 0,
            repeated_mentions: 0,
            overlapping: Tally::default(),
            with_entity: 0,
            relations: 0,
            relations_per_document: None,
            labels: Vec::new(),
            typed_labels: Vec::new(),
            pairs: 0,
            pairs_with_several: 0,
        };
        for document in documents {
            let document: &Document = document.borrow();
            let (mentions, relations) = (document.mentions(), document.relations());
            stats.documents += 1;
            stats.repeated_ids += usize::from(!ids.insert(document.id().to_owned()));
            let text = xxhash_rust::xxh3::xxh3_128(document.text().as_bytes());
            stats.repeated_texts += usize::from(!texts.insert(text));
            characters.push(document.text().chars().count());
            per_document.push(mentions.len());
            relations_per.push(relations.len());
            stats.without_mentions += usize::from(mentions.is_empty());
            stats.without_relations += usize::from(relations.is_empty());
            stats.pairs += mentions.len() * mentions.len().saturating_sub(1);
            for mention in mentions {
                *lengths.entry(mention.span().len()).or_default() += 1;
                *types.entry(mention.kind().map(str::to_owned)).or_default() += 1;
                stats.with_entity += usize::from(mention.entity().is_some());
            }
            let found = overlaps(document);
            stats.nested += found.nested;
            stats.crossing += found.crossing;
            stats.repeated_mentions += found.repeated;
            if found != Overlaps::default() {
                stats.overlapping.add(|| document.id().to_owned());
            }
            let mut of_pair: HashMap<_, usize> = HashMap::new();
            for relation in relations {
                let kind = |mention: usize| mentions.get(mention).and_then(|mention| mention.kind());
                let [subject, object] = [relation.pair().subject, relation.pair().object]
                    .map(|mention| kind(mention).map(str::to_owned));
                let label = relation.label().to_owned();
                *typed.entry(TypedLabel { label, subject, object }).or_default() += 1;
                *of_pair.entry(relation.pair()).or_default() += 1;
            }
            stats.pairs_with_several += of_pair.values().filter(|&&count| count > 1).count();
        }
        let mut labels: HashMap<String, usize> = HashMap::new();
        for (TypedLabel { label, .. }, count) in &typed {
            *labels.entry(label.clone()).or_default() += count;
        }
        stats.mentions = per_document.iter().sum();
        stats.relations = relations_per.iter().sum();
        stats.characters = Lengths::of(characters);
        stats.mentions_per_document = Lengths::of(per_document);
        stats.relations_per_document = Lengths::of(relations_per);
        let lengths = lengths.into_iter().flat_map(|(length, count)| std::iter::repeat_n(length, count));
        stats.mention_characters = Lengths::of(lengths);
        (stats.types, stats.labels, stats.typed_labels) = (sorted(types), sorted(labels), sorted(typed));
        stats
    }
}

/// The most frequent first, equals by name.
fn sorted<K: Ord>(counts: HashMap<K, usize>) -> Vec<(K, usize)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    counts
}

fn overlaps(document: &Document) -> Overlaps {
    let mut places: Vec<(CharSpan, Option<&str>)> =
        document.mentions().iter().map(|mention| (mention.span(), mention.kind())).collect();
    // Of those that begin together the longest first: what a mention lies within stands before it.
    places.sort_by_key(|(span, kind)| (span.start(), std::cmp::Reverse(span.end()), *kind));
    let mut found = Overlaps::default();
    let mut crosses = vec![false; places.len()];
    // Those that may still share characters with what follows.
    let mut open: Vec<(usize, CharSpan)> = Vec::new();
    for (number, (span, kind)) in places.iter().enumerate() {
        open.retain(|(_, other)| other.end() > span.start());
        found.nested += usize::from(open.iter().any(|(_, other)| other.contains(span)));
        for &(other, _) in open.iter().filter(|(_, other)| !other.contains(span)) {
            crosses.get_mut(other).into_iter().for_each(|crosses| *crosses = true);
            crosses.get_mut(number).into_iter().for_each(|crosses| *crosses = true);
        }
        let before = number.checked_sub(1).and_then(|before| places.get(before));
        found.repeated += usize::from(before == Some(&(*span, *kind)));
        open.push((number, *span));
    }
    found.crossing = crosses.iter().filter(|&&crosses| crosses).count();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Mention, Pair, Relation};

    fn document(id: &str, text: &str, spans: &[(usize, usize, &str)]) -> Document {
        let mention = |&(start, end, kind): &(usize, usize, &str)| {
            let mention = Mention::new(CharSpan::new(start, end).unwrap());
            if kind.is_empty() { mention } else { mention.with_kind(kind) }
        };
        Document::new(id, text, spans.iter().map(mention).collect()).unwrap()
    }

    #[test]
    fn mentions_that_share_characters_are_told_apart() {
        for (spans, [nested, crossing, repeated]) in [
            (vec![(0, 2, "A"), (2, 4, "A")], [0, 0, 0]),
            (vec![(0, 4, "A"), (1, 2, "B")], [1, 0, 0]),
            (vec![(1, 2, "B"), (0, 4, "A"), (1, 3, "")], [2, 0, 0]),
            (vec![(0, 2, "A"), (0, 2, "B")], [1, 0, 0]),
            (vec![(0, 2, "A"), (0, 2, "A")], [1, 0, 1]),
            (vec![(0, 3, "A"), (1, 4, "A")], [0, 2, 0]),
            (vec![(0, 6, "A"), (0, 3, "A"), (2, 5, "A"), (5, 6, "A")], [3, 2, 0]),
        ] {
            let expected = Overlaps { nested, crossing, repeated };
            assert_eq!(overlaps(&document("d", "abcdef", &spans)), expected, "{spans:?}");
        }
    }

    #[test]
    fn everything_is_counted() {
        let relation = |subject, object, label: &str| Relation::new(Pair { subject, object }, label);
        let first = document("a", "가나다라", &[(0, 1, "X"), (1, 3, "Y"), (3, 4, "")]);
        let first = first
            .with_relations(vec![relation(0, 1, "r"), relation(0, 1, "s"), relation(0, 2, "r")])
            .unwrap();
        let documents = [first, document("b", "x", &[(0, 1, "X")]), document("b", "x", &[])];
        let stats = DocumentStats::of(&documents);
        assert_eq!((stats.documents, stats.repeated_ids, stats.repeated_texts), (3, 1, 1));
        assert_eq!((stats.without_mentions, stats.without_relations), (1, 2));
        assert_eq!(stats.types, [(Some("X".into()), 2), (None, 1), (Some("Y".into()), 1)]);
        assert_eq!(stats.labels, [("r".into(), 2), ("s".into(), 1)]);
        let typed = |label: &str, object: Option<&str>| TypedLabel {
            label: label.into(),
            subject: Some("X".into()),
            object: object.map(Into::into),
        };
        let expected = [(typed("r", None), 1), (typed("r", Some("Y")), 1), (typed("s", Some("Y")), 1)];
        assert_eq!(stats.typed_labels, expected);
        assert_eq!((stats.pairs, stats.pairs_with_several), (6, 1));
        let per = stats.mentions_per_document.unwrap();
        assert_eq!((per.min, per.max, stats.mention_characters.unwrap().max), (0, 3, 2));
        assert_eq!(DocumentStats::of(Vec::<Document>::new()).characters, None);
    }
}
