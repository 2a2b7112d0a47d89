//! Which pairs of mentions are looked at.

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use super::Document;

/// Two different mentions of a document, by their numbers among its mentions. The order is the direction of the relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// Number of the subject, from 0.
    pub subject: usize,
    /// Number of the object, from 0.
    pub object: usize,
}

/// Which ordered pairs of a document's mentions are candidates for a relation: by default all, `n (n - 1)` for `n`
/// mentions. Each condition leaves fewer; they work together.
///
/// ```
/// use re_data::PairRule;
/// let rule = PairRule { same_sentence: true, max_characters: Some(100), ..PairRule::default() };
/// assert!(rule.types.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairRule {
    /// Types of subject and object that may be related, `[["PER", "ORG"], ..]`; any types, and mentions without a type,
    /// where the list is empty.
    pub types: Vec<[String; 2]>,
    /// Most code points between the two mentions; 0 where they touch or overlap.
    pub max_characters: Option<usize>,
    /// Largest distance in mentions, in their order in the text: 1 for neighbours.
    pub max_mentions: Option<usize>,
    /// Whether both mentions must begin in the same sentence, by the boundaries of Unicode Standard Annex 29. One
    /// within a mention, as after an initial, is none.
    pub same_sentence: bool,
}

impl PairRule {
    fn allows_types(&self, subject: Option<&str>, object: Option<&str>) -> bool {
        self.types.is_empty()
            || self.types.iter().any(|[s, o]| subject == Some(s.as_str()) && object == Some(o.as_str()))
    }
}

/// A mention in the order of the text.
#[derive(Clone, Copy)]
struct Place {
    mention: usize,
    start: usize,
    end: usize,
    sentence: usize,
}

/// The pairs of a document that a rule lets pass.
pub(super) fn pairs<'a>(document: &'a Document, rule: &'a PairRule) -> impl Iterator<Item = Pair> + 'a {
    let places = places(document, rule.same_sentence);
    let kind = |mention: usize| document.mentions().get(mention).and_then(|mention| mention.kind());
    let allowed = move |pair: &Pair| rule.allows_types(kind(pair.subject), kind(pair.object));
    (0..places.len()).flat_map(move |first| of_first(&places, first, rule)).filter(allowed)
}

/// The pairs of the mention at `first` with those that follow it in the text, in both directions.
fn of_first(places: &[Place], first: usize, rule: &PairRule) -> Vec<Pair> {
    let Some((one, rest)) = places.get(first..).and_then(<[Place]>::split_first) else { return Vec::new() };
    // Each condition that fails for one mention fails for all that begin behind it.
    let within = |other: &&Place| {
        (!rule.same_sentence || other.sentence == one.sentence)
            && rule.max_characters.is_none_or(|most| other.start.saturating_sub(one.end) <= most)
    };
    let near = rest.iter().take(rule.max_mentions.unwrap_or(usize::MAX)).take_while(within);
    let both = |other: &Place| {
        let pair = |subject, object| Pair { subject, object };
        [pair(one.mention, other.mention), pair(other.mention, one.mention)]
    };
    near.flat_map(both).collect()
}

fn places(document: &Document, with_sentences: bool) -> Vec<Place> {
    let spans = document.mentions().iter().map(super::Mention::span);
    let place = |(mention, span): (usize, crate::CharSpan)| Place {
        mention,
        start: span.start(),
        end: span.end(),
        sentence: 0,
    };
    let mut places: Vec<Place> = spans.enumerate().map(place).collect();
    places.sort_by_key(|place| (place.start, place.end, place.mention));
    if with_sentences {
        let bounds = sentence_starts(document);
        for place in &mut places {
            let first = document.byte_spans().get(place.mention).map_or(0, crate::ByteSpan::start);
            place.sentence = bounds.partition_point(|&bound| bound <= first);
        }
    }
    places
}

/// Where sentences begin, in bytes, but for those beginnings that lie within a mention.
fn sentence_starts(document: &Document) -> Vec<usize> {
    let mut spans = document.byte_spans().to_vec();
    spans.sort_unstable();
    let (mut next, mut reach) = (0, 0);
    let mut starts = Vec::new();
    for (start, _) in document.text().split_sentence_bound_indices() {
        while let Some(span) = spans.get(next).filter(|span| span.start() < start) {
            reach = reach.max(span.end());
            next += 1;
        }
        if reach <= start {
            starts.push(start);
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Mention;
    use super::*;
    use crate::CharSpan;

    fn document(text: &str, spans: &[(usize, usize)]) -> Document {
        let mentions = spans.iter().map(|&(start, end)| Mention::new(CharSpan::new(start, end).unwrap()));
        Document::new("d", text, mentions.collect()).unwrap()
    }

    fn numbers(document: &Document, rule: &PairRule) -> Vec<(usize, usize)> {
        document.pairs(rule).map(|pair| (pair.subject, pair.object)).collect()
    }

    #[test]
    fn all_pairs_come_in_the_order_of_the_text() {
        let three = document("aa bb cc", &[(6, 8), (0, 2), (3, 5)]);
        let all = [(1, 2), (2, 1), (1, 0), (0, 1), (2, 0), (0, 2)];
        assert_eq!(numbers(&three, &PairRule::default()), all);
        let neighbours = PairRule { max_mentions: Some(1), ..PairRule::default() };
        assert_eq!(numbers(&three, &neighbours), [(1, 2), (2, 1), (2, 0), (0, 2)]);
        for few in [&[][..], &[(0, 2)]] {
            assert_eq!(numbers(&document("aa bb", few), &PairRule::default()), []);
        }
    }

    #[test]
    fn mentions_that_touch_nest_or_repeat_are_no_characters_apart() {
        let near = PairRule { max_characters: Some(0), ..PairRule::default() };
        let tight = document("aabb cc", &[(0, 2), (2, 4), (0, 4), (0, 2), (5, 7)]);
        let all = numbers(&tight, &PairRule { max_characters: None, ..near.clone() });
        let found = numbers(&tight, &near);
        assert_eq!((all.len(), found.len()), (20, 12));
        assert!(found.iter().all(|&(a, b)| a != 4 && b != 4));
        let apart = PairRule { max_characters: Some(1), ..PairRule::default() };
        assert_eq!(numbers(&document("가 나", &[(0, 1), (2, 3)]), &apart), [(0, 1), (1, 0)]);
    }

    #[test]
    fn types_are_of_subject_and_object() {
        let mut rule = PairRule { types: vec![["PER".into(), "ORG".into()]], ..PairRule::default() };
        let mention = |start, kind: Option<&str>| {
            let mention = Mention::new(CharSpan::with_len(start, 1));
            kind.map_or(mention.clone(), |kind| mention.with_kind(kind))
        };
        let mentions = vec![mention(0, Some("ORG")), mention(1, Some("PER")), mention(2, None)];
        let typed = Document::new("d", "abc", mentions).unwrap();
        assert_eq!(numbers(&typed, &rule), [(1, 0)]);
        rule.types.clear();
        assert_eq!(numbers(&typed, &rule).len(), 6);
    }

    #[test]
    fn a_sentence_does_not_end_within_a_mention() {
        let rule = PairRule { same_sentence: true, ..PairRule::default() };
        let text = "Ann met J. Smith. Bob did not.";
        assert_eq!(numbers(&document(text, &[(0, 3), (8, 16), (18, 21)]), &rule), [(0, 1), (1, 0)]);
        // What begins behind the mention's own boundary is in another sentence.
        assert_eq!(numbers(&document("그는 갔다. 나는 왔다.", &[(0, 1), (7, 8)]), &rule), []);
    }

    proptest! {
        #[test]
        fn pairs_are_those_that_fulfil_every_condition(
            spans in prop::collection::vec((0usize..30, 1usize..8), 0..9),
            max_characters in prop::option::of(0usize..12),
            max_mentions in prop::option::of(0usize..4),
            same_sentence: bool,
        ) {
            let spans: Vec<(usize, usize)> =
                spans.into_iter().map(|(start, len)| (start, (start + len).min(31))).collect();
            let document = document("Abc de. Fgh ij kl! Mno pq rst. U", &spans);
            let rule = PairRule { types: vec![], max_characters, max_mentions, same_sentence };
            let mut found = numbers(&document, &rule);
            let mut order: Vec<usize> = (0..spans.len()).collect();
            order.sort_by_key(|&at| (spans[at], at));
            let rank = |mention: usize| order.iter().position(|&at| at == mention).unwrap();
            let starts: Vec<usize> = [0, 8, 19, 31].into_iter()
                .filter(|&bound| spans.iter().all(|&(start, end)| !(start < bound && bound < end))).collect();
            let sentence = |mention: usize| starts.iter().filter(|&&bound| bound <= spans[mention].0).count();
            let mut expected = Vec::new();
            for a in 0..spans.len() {
                for b in 0..spans.len() {
                    let (first, second) = if rank(a) < rank(b) { (a, b) } else { (b, a) };
                    let between = spans[second].0.saturating_sub(spans[first].1);
                    let apart = rank(second) - rank(first);
                    if a != b
                        && max_characters.is_none_or(|most| between <= most)
                        && max_mentions.is_none_or(|most| apart <= most)
                        && (!same_sentence || sentence(a) == sentence(b))
                    {
                        expected.push((a, b));
                    }
                }
            }
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
