//! From a document's mentions to the tags of its units.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use super::decode::{Decoded, UnitSpan};
use super::set::{Position, Tag, TagScheme, TagSet};
use super::units::Units;
use crate::document::{Document, Mention};
use crate::error::{Error, Result};
use crate::span::without_white_space;
use crate::text::brief;

/// Why tags do not give a mention back as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Misfit {
    /// It begins or ends within a unit. The units that it shares characters with have its tags.
    Boundary,
    /// It shares units with a longer mention, or with one of another type. It has no tags.
    Overlap,
    /// No unit covers it, such as one of characters that the tokenizer drops. It has no tags.
    NoUnit,
    /// It touches another mention of its type, and the scheme has no tag that keeps them apart. It has tags.
    Touching,
    /// The tag set has no tags for a mention of so many units. It has no tags.
    NoTag,
}

/// A mention that tags do not give back as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrepresented {
    /// Id of the document.
    pub id: String,
    /// Number of the mention in its document.
    pub mention: usize,
    /// Why.
    pub reason: Misfit,
}

/// What became of mentions when they were made tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagReport {
    /// Number of documents.
    pub documents: usize,
    /// Number of mentions.
    pub mentions: usize,
    /// Those that tags do not give back.
    pub unrepresented: Vec<Unrepresented>,
}

/// The tags of a document's units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoding {
    /// The tag of each unit.
    pub tags: Vec<usize>,
    /// The mentions that the tags do not give back, in their order.
    pub unrepresented: Vec<Unrepresented>,
}

impl TagSet {
    /// The tags of a document's units, which say its mentions: those that lie in the text without a unit in common with
    /// another, whose ends are ends of units. White space at the ends of a mention does not belong to it. Of mentions that
    /// overlap, one whose ends are those of units comes before others, then the longest.
    ///
    /// # Errors
    /// [`Error::Document`] where a mention has no type, or one that no tag has, or where there are mentions and no tag for
    /// what is outside them.
    pub fn encode(&self, document: &Document, units: &Units) -> Result<Encoding> {
        let mut found = Vec::with_capacity(document.mentions().len());
        let mut unrepresented = Vec::new();
        let mut report = |mention: usize, reason| {
            unrepresented.push(Unrepresented { id: document.id().to_owned(), mention, reason });
        };
        for (number, mention) in document.mentions().iter().enumerate() {
            let kind = self.kind_of(document, number, mention)?;
            match covering(document, number, units) {
                Some((units, exact)) => found.push((number, UnitSpan { units, kind }, exact)),
                None => report(number, Misfit::NoUnit),
            }
        }
        found.sort_by_key(|(number, span, exact)| {
            (!*exact, Reverse(span.units.len()), span.units.start, *number)
        });
        let mut owners: Vec<Option<usize>> = vec![None; units.len()];
        let mut placed: Vec<(usize, UnitSpan, bool)> = Vec::with_capacity(found.len());
        for (number, span, exact) in found {
            let same = |other: &UnitSpan| exact && *other == span;
            let claimed = owners.get_mut(span.units.clone()).unwrap_or_default();
            match claimed.iter().flatten().next() {
                // The same mention once more, as documents may have it.
                Some(&owner) if placed.get(owner).is_some_and(|(_, other, _)| same(other)) => {}
                Some(_) => {
                    report(number, Misfit::Overlap);
                    continue;
                }
                None => claimed.fill(Some(placed.len())),
            }
            placed.push((number, span, exact));
        }
        placed.sort_by_key(|(_, span, _)| span.units.start);
        let outside = match self.outside() {
            Some(outside) => outside,
            None if units.is_empty() => 0,
            None => {
                return Err(Error::Document {
                    id: document.id().to_owned(),
                    part: "mentions".to_owned(),
                    field: "tags",
                    found: "a tag set without O".to_owned(),
                    expected: "a tag for units outside mentions".to_owned(),
                });
            }
        };
        let mut tags = vec![outside; units.len()];
        for (number, span, _) in &placed {
            let before = span.units.start.checked_sub(1).and_then(|unit| tags.get(unit).copied());
            match (self.tags_of(span, before), tags.get_mut(span.units.clone())) {
                (Some(own), Some(slots)) => slots.copy_from_slice(&own),
                _ => report(*number, Misfit::NoTag),
            }
        }
        let said: HashSet<UnitSpan> = self.spans(&tags).into_iter().collect();
        for (number, span, exact) in &placed {
            let is_tagged = tags.get(span.units.start).is_some_and(|tag| *tag != outside);
            match exact {
                false if is_tagged => report(*number, Misfit::Boundary),
                true if is_tagged && !said.contains(span) => report(*number, Misfit::Touching),
                _ => {}
            }
        }
        unrepresented.sort_by_key(|lost| lost.mention);
        Ok(Encoding { tags, unrepresented })
    }

    fn kind_of(&self, document: &Document, number: usize, mention: &Mention) -> Result<usize> {
        let known = |kind: &str| self.kinds().iter().position(|known| **known == *kind);
        mention.kind().and_then(known).ok_or_else(|| Error::Document {
            id: document.id().to_owned(),
            part: format!("mention {number}"),
            field: "type",
            found: mention.kind().unwrap_or("none").to_owned(),
            expected: format!("one of {}", brief(&self.kinds().join(", "))),
        })
    }

    /// The tags of a mention behind a unit with the tag `before`.
    fn tags_of(&self, span: &UnitSpan, before: Option<usize>) -> Option<Vec<usize>> {
        let number = |position| self.number(Tag { position, kind: span.kind });
        let inside = number(Position::Inside);
        let first = match (self.scheme(), number(Position::Begin), inside) {
            // `I`, unless that would continue the mention before.
            (TagScheme::Iob1, begin, Some(inside)) => match before {
                Some(before) if self.continues_mention(before, inside) => begin.or(Some(inside)),
                _ => Some(inside),
            },
            (_, begin, inside) => begin.or(inside),
        };
        let last = number(Position::Last).or(inside);
        let tags: Vec<usize> = match span.units.len() {
            1 => vec![number(Position::Unit).or(first).or(last)?],
            length => {
                let mut tags = vec![first?];
                if length > 2 {
                    tags.extend(std::iter::repeat_n(inside?, length - 2));
                }
                tags.push(last?);
                tags
            }
        };
        let joined = tags.windows(2).all(|pair| matches!(pair, [a, b] if self.continues_mention(*a, *b)));
        let begins = tags.first().is_some_and(|tag| self.may_follow(None, *tag));
        let ends = tags.last().is_some_and(|tag| self.may_end(*tag));
        (joined && begins && ends).then_some(tags)
    }

    /// The mentions that `decoded` says of the units of a text, with type and score.
    pub fn mentions(&self, text: &str, units: &Units, decoded: &Decoded) -> Vec<Mention> {
        let stretches = decoded.spans.iter().map(|found| found.span.units.clone());
        let places = units.char_spans(text, stretches);
        let mention = |(place, found): (_, &super::FoundSpan)| {
            let mention = Mention::new(place).with_score(found.score);
            match self.kinds().get(found.span.kind) {
                Some(kind) => mention.with_kind(kind),
                None => mention,
            }
        };
        places.into_iter().zip(&decoded.spans).map(mention).collect()
    }
}

/// The units that share characters with a mention, and whether it is exactly they.
fn covering(document: &Document, mention: usize, units: &Units) -> Option<(Range<usize>, bool)> {
    let span = document.byte_spans().get(mention)?;
    let (start, end) = without_white_space(document.text(), span.start(), span.end());
    let first = units.spans.partition_point(|unit| unit.end() <= start);
    let behind = units.spans.partition_point(|unit| unit.start() < end);
    let covered = units.spans.get(first..behind)?;
    let exact = covered.first()?.start() == start && covered.last()?.end() == end;
    Some((first..behind, exact))
}

impl TagReport {
    /// Counts one document more.
    pub fn add(&mut self, document: &Document, unrepresented: Vec<Unrepresented>) {
        self.documents += 1;
        self.mentions += document.mentions().len();
        self.unrepresented.extend(unrepresented);
    }

    /// Number of mentions that tags do not give back for this reason.
    pub fn count(&self, reason: Misfit) -> usize {
        self.unrepresented.iter().filter(|lost| lost.reason == reason).count()
    }
}

impl fmt::Display for TagReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mentions in {} documents", self.mentions, self.documents)?;
        let reasons = [
            (Misfit::Boundary, "begin or end within a unit"),
            (Misfit::Overlap, "overlap another"),
            (Misfit::NoUnit, "have no unit"),
            (Misfit::Touching, "touch another of their type"),
            (Misfit::NoTag, "have no tag"),
        ];
        for (reason, text) in reasons {
            let lost: Vec<&Unrepresented> =
                self.unrepresented.iter().filter(|lost| lost.reason == reason).collect();
            if let Some(first) = lost.first() {
                write!(
                    f,
                    "; {} {text}, first mention {} of document {}",
                    lost.len(),
                    first.mention,
                    brief(&first.id)
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::set::TagScheme;
    use super::*;
    use crate::span::{ByteSpan, CharSpan};

    const SCHEMES: [TagScheme; 4] = [TagScheme::Io, TagScheme::Iob1, TagScheme::Bio, TagScheme::Bilou];

    /// Words of `a`, each a unit, with one space between two.
    fn units(words: usize) -> (String, Units) {
        let text = vec!["aé"; words].join(" ");
        let spans = (0..words).map(|word| ByteSpan::with_len(4 * word, 3)).collect();
        (text, Units { spans, tokens: (0..words).collect(), places: vec![0; words] })
    }

    /// A mention of whole words.
    fn mention(words: Range<usize>, kind: &str) -> Mention {
        Mention::new(CharSpan::new(3 * words.start, 3 * words.end - 1).unwrap()).with_kind(kind)
    }

    fn encode(scheme: TagScheme, words: usize, mentions: Vec<Mention>) -> (String, Vec<(usize, Misfit)>) {
        let set = TagSet::new(scheme, ["A", "B"]).unwrap();
        let (text, units) = units(words);
        let document = Document::new("7", text, mentions).unwrap();
        let Encoding { tags, unrepresented } = set.encode(&document, &units).unwrap();
        assert!(unrepresented.iter().all(|lost| lost.id == "7"));
        let names: Vec<&str> = tags.iter().map(|tag| set.names()[*tag].as_str()).collect();
        (names.join(" "), unrepresented.iter().map(|lost| (lost.mention, lost.reason)).collect())
    }

    #[test]
    fn each_scheme_writes_its_tags() {
        let mentions = || vec![mention(0..3, "A"), mention(3..4, "A"), mention(5..7, "B")];
        let tags = |scheme| encode(scheme, 7, mentions());
        let none = Vec::new;
        assert_eq!(tags(TagScheme::Bio), ("B-A I-A I-A B-A O B-B I-B".to_owned(), none()));
        assert_eq!(tags(TagScheme::Bilou), ("B-A I-A L-A U-A O B-B L-B".to_owned(), none()));
        assert_eq!(tags(TagScheme::Iob1), ("I-A I-A I-A B-A O I-B I-B".to_owned(), none()));
        let merged = vec![(0, Misfit::Touching), (1, Misfit::Touching)];
        assert_eq!(tags(TagScheme::Io), ("I-A I-A I-A I-A O I-B I-B".to_owned(), merged));
    }

    #[test]
    fn what_tags_cannot_say_is_reported() {
        // Nested in 0, the same as 0, overlapping 0, the same place with another type, half a word.
        let half = Mention::new(CharSpan::with_len(15, 1)).with_kind("B");
        let mentions = vec![
            mention(0..3, "A"),
            mention(1..2, "B"),
            mention(0..3, "A"),
            mention(2..4, "A"),
            mention(0..3, "B"),
            half,
        ];
        let (tags, lost) = encode(TagScheme::Bio, 6, mentions);
        assert_eq!(tags, "B-A I-A I-A O O B-B");
        let overlap = [1, 3, 4].map(|number| (number, Misfit::Overlap));
        assert_eq!(lost, [overlap.as_slice(), &[(5, Misfit::Boundary)]].concat());
        // White space at its ends is no part of a mention; white space alone is no unit.
        let (tags, lost) = encode(
            TagScheme::Bio,
            3,
            vec![
                Mention::new(CharSpan::with_len(2, 4)).with_kind("A"),
                Mention::new(CharSpan::with_len(2, 1)).with_kind("A"),
            ],
        );
        assert_eq!((tags.as_str(), lost), ("O B-A O", vec![(1, Misfit::NoUnit)]));
        let set = TagSet::of_names(["O", "B-A", "L-A"]).unwrap();
        let (text, units) = units(4);
        let document = Document::new("7", text, vec![mention(0..1, "A"), mention(1..3, "A")]).unwrap();
        let Encoding { tags, unrepresented } = set.encode(&document, &units).unwrap();
        assert_eq!((tags, unrepresented[0].reason), (vec![0, 1, 2, 0], Misfit::NoTag));
        let mut report = TagReport::default();
        report.add(&document, unrepresented);
        assert_eq!(
            report.to_string(),
            "2 mentions in 1 documents; 1 have no tag, first mention 0 of document 7"
        );
    }

    #[test]
    fn types_that_no_tag_has_are_errors() {
        let set = TagSet::new(TagScheme::Bio, ["A"]).unwrap();
        let (text, units) = units(2);
        for (kind, found) in [(Some("C"), "found C"), (None, "found none")] {
            let mention = Mention::new(CharSpan::with_len(0, 2));
            let mention = kind.map_or(mention.clone(), |kind| mention.with_kind(kind));
            let document = Document::new("7", text.clone(), vec![mention]).unwrap();
            let error = set.encode(&document, &units).unwrap_err().to_string();
            assert!(error.contains("document 7: mention 0: type") && error.contains(found), "{error}");
        }
    }

    proptest! {
        #[test]
        fn flat_mentions_come_back(
            scheme in prop::sample::select(SCHEMES.to_vec()),
            parts in prop::collection::vec((0usize..4, 1usize..4, 0usize..2), 0..8),
        ) {
            let set = TagSet::new(scheme, ["A", "B"]).unwrap();
            let (mut at, mut mentions) = (0, Vec::new());
            for (gap, length, kind) in parts {
                // Only one scheme cannot keep mentions of a type apart that touch.
                let gap = if scheme == TagScheme::Io { gap + 1 } else { gap };
                mentions.push(mention(at + gap..at + gap + length, ["A", "B"][kind]));
                at += gap + length;
            }
            let (text, units) = units(at + 1);
            let document = Document::new("1", text, mentions).unwrap();
            let Encoding { tags, unrepresented } = set.encode(&document, &units).unwrap();
            prop_assert_eq!(unrepresented, Vec::new());
            // A model that is sure of these tags.
            let row = |tag: &usize| {
                (0..set.len()).map(|other| if other == *tag { 0.0 } else { -40.0 }).collect::<Vec<f32>>()
            };
            let values: Vec<f32> = tags.iter().flat_map(row).collect();
            let decoded = set.decode(&values).unwrap();
            prop_assert_eq!(&decoded.tags, &tags);
            let found: Vec<_> = set.mentions(document.text(), &units, &decoded);
            let bare = |mention: &Mention| (mention.span(), mention.kind().map(str::to_owned));
            let gold: Vec<_> = document.mentions().iter().map(bare).collect();
            prop_assert_eq!(found.iter().map(bare).collect::<Vec<_>>(), gold);
            prop_assert!(found.iter().all(|mention| mention.score().unwrap() > 0.99));
        }

        #[test]
        fn any_mentions_give_valid_tags_and_what_is_not_reported_comes_back(
            scheme in prop::sample::select(SCHEMES.to_vec()),
            spans in prop::collection::vec((0usize..29, 1usize..9, 0usize..2), 0..8),
        ) {
            let set = TagSet::new(scheme, ["A", "B"]).unwrap();
            let (text, units) = units(10);
            let cut = |(start, len, kind): (usize, usize, usize)| {
                Mention::new(CharSpan::with_len(start, len.min(29 - start))).with_kind(["A", "B"][kind])
            };
            let document = Document::new("1", text, spans.into_iter().map(cut).collect()).unwrap();
            let Encoding { tags, unrepresented } = set.encode(&document, &units).unwrap();
            let before = std::iter::once(None).chain(tags.iter().copied().map(Some));
            prop_assert!(before.zip(&tags).all(|(before, tag)| set.may_follow(before, *tag)));
            prop_assert!(tags.last().is_none_or(|tag| set.may_end(*tag)));
            let said = set.spans(&tags);
            for (number, mention) in document.mentions().iter().enumerate() {
                let kind = set.kinds().iter().position(|kind| Some(&**kind) == mention.kind()).unwrap();
                let lost = unrepresented.iter().any(|lost| lost.mention == number);
                let units = covering(&document, number, &units);
                let comes_back = units.is_some_and(|(units, exact)| {
                    exact && said.contains(&UnitSpan { units, kind })
                });
                prop_assert_eq!(comes_back, !lost, "mention {}", number);
            }
        }
    }
}
