//! Which tags there are, what each says, and which may follow which.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::labels::LabelSet;
use crate::text::quoted;

/// Name of the tag of units outside all mentions.
const OUTSIDE: &str = "O";
/// Type of the mentions whose tags are `B` and `I` without a type.
const UNTYPED: &str = "entity";
/// What stands between the parts of a tag's name.
const SEPARATORS: [char; 2] = ['-', '_'];

/// How tags say where mentions begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TagScheme {
    /// The type alone: `I-PER`, or plain `PER`. Mentions of one type that touch are one.
    Io,
    /// As [`Io`](Self::Io), and `B-PER` where a mention directly follows another one of its type: IOB1, the layout of
    /// the original CoNLL-2003 files.
    Iob1,
    /// `B-PER` for the first unit of each mention, `I-PER` for its others: IOB2.
    #[default]
    Bio,
    /// As [`Bio`](Self::Bio), with `L-PER` for the last unit and `U-PER` for a single one. BIOES and BMES are the same
    /// with other letters.
    Bilou,
}

/// The part of a mention that a tag says a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// The first of several units, or, without tags for last and single units, the first of any number.
    Begin,
    /// One inside; without tags for first or last units also those.
    Inside,
    /// The last of several.
    Last,
    /// The only one.
    Unit,
}

/// What a tag says of a unit that belongs to a mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    /// The part of the mention.
    pub position: Position,
    /// The mention's type, by its number in [`TagSet::kinds`].
    pub kind: usize,
}

/// Tags in a fixed order: position = class of a token classifier.
///
/// What may follow what depends on the tags of the type: its mentions begin with `B`, or with `I` where it has no `B`;
/// they end with `L` or `U`, or with any of its tags where it has no `L`.
///
/// ```
/// use re_data::tags::{TagScheme, TagSet};
///
/// let tags = TagSet::new(TagScheme::Bio, ["PER", "LOC"])?;
/// assert_eq!(tags.names(), ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]);
/// let other = TagSet::of_names(["S-LOC", "B-LOC", "M-LOC", "E-LOC", "O"])?;
/// assert_eq!((other.scheme(), other.kinds().len()), (TagScheme::Bilou, 1));
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagSet {
    scheme: TagScheme,
    labels: LabelSet,
    /// What each tag says; `None` outside mentions.
    tags: Vec<Option<Tag>>,
    kinds: Vec<Arc<str>>,
    numbers: HashMap<Tag, usize>,
    /// Which tags a mention, or the outside, may begin with.
    pub(super) starts: Vec<bool>,
    /// Which tags it may end with.
    pub(super) ends: Vec<bool>,
    /// For each tag, the tags before it whose mention it continues.
    pub(super) continues: Vec<Vec<usize>>,
    /// The other way: the tags behind it that continue its mention.
    pub(super) continued_by: Vec<Vec<usize>>,
}

/// Where in a tag's name its letter stands.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// `B-PER`.
    Prefix,
    /// `PER-B`.
    Suffix,
    /// `b-per`.
    LowerPrefix,
    /// `per-b`.
    LowerSuffix,
    /// `PER`.
    Plain,
}

impl TagSet {
    /// The tags of `scheme` for mentions of these types.
    ///
    /// # Errors
    /// [`Error::LabelSet`] where there is no type, an empty or a duplicated one.
    pub fn new<S: AsRef<str>>(scheme: TagScheme, kinds: impl IntoIterator<Item = S>) -> Result<Self> {
        let kinds = LabelSet::new(kinds.into_iter().map(|kind| kind.as_ref().to_owned()))?;
        let letters = match scheme {
            TagScheme::Io => "I",
            TagScheme::Iob1 | TagScheme::Bio => "BI",
            TagScheme::Bilou => "BILU",
        };
        let of_kind =
            |kind: &String| letters.chars().map(|letter| format!("{letter}-{kind}")).collect::<Vec<_>>();
        let names = std::iter::once(OUTSIDE.to_owned()).chain(kinds.names().iter().flat_map(of_kind));
        Self::of_names(names)?.with_scheme(scheme)
    }

    /// The tags with these names, as they stand in `id2label` of a model's `config.json`: `O`, and `B-PER`, `I-PER` and
    /// so on, `L-` or `E-` for the last unit and `U-` or `S-` for a single one, `M-` as `I-`; `_` for `-`, and `PER-B`
    /// for `B-PER`; small letters where every name has one. Names without such a letter are types of their own (IO). Where others have letters, names such as
    /// `X` or `[CLS]`, which some models have for what is no text, are as `O`.
    ///
    /// # Errors
    /// [`Error::LabelSet`] where there is no name, an empty or a duplicated one, two names say the same, all names say
    /// nothing (`LABEL_0`, as `transformers` writes for models without names), or no sequence of these tags would be
    /// valid for a single unit.
    pub fn of_names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let labels = LabelSet::new(names)?.with_no_relation(None)?;
        let fault = |reason: String| Err(Error::LabelSet { path: None, reason });
        let unnamed =
            |name: &&String| name.strip_prefix("LABEL_").is_some_and(|id| id.parse::<usize>().is_ok());
        if let Some(name) = labels.names().iter().find(unnamed) {
            return fault(format!(
                "found the tag {name}, which says nothing, expected names such as O and B-PER"
            ));
        }
        let style = Style::of(labels.names());
        let (mut tags, mut kinds) = (Vec::with_capacity(labels.len()), Vec::<Arc<str>>::new());
        let mut numbers = HashMap::new();
        for (number, name) in labels.names().iter().enumerate() {
            let Some((position, kind)) = style.read(name) else {
                tags.push(None);
                continue;
            };
            let kind = kinds.iter().position(|known| **known == *kind).unwrap_or_else(|| {
                kinds.push(kind.into());
                kinds.len() - 1
            });
            let tag = Tag { position, kind };
            if let Some(first) = numbers.insert(tag, number) {
                let first = labels.name(first).unwrap_or_default();
                return fault(format!("the tags {} and {} say the same", quoted(first), quoted(name)));
            }
            tags.push(Some(tag));
        }
        let has = |position| numbers.keys().any(|tag: &Tag| tag.position == position);
        let scheme = match (has(Position::Last) || has(Position::Unit), has(Position::Begin)) {
            (true, _) => TagScheme::Bilou,
            (false, true) => TagScheme::Bio,
            (false, false) => TagScheme::Io,
        };
        let set = Self {
            scheme,
            labels,
            tags,
            kinds,
            numbers,
            starts: Vec::new(),
            ends: Vec::new(),
            continues: Vec::new(),
            continued_by: Vec::new(),
        };
        let set = set.with_rules();
        if set.starts.iter().zip(&set.ends).any(|(starts, ends)| *starts && *ends) {
            return Ok(set);
        }
        fault("found no tag for a unit outside mentions or for a single one, expected O".to_owned())
    }

    /// The same tags read by another scheme: names of [`Bio`](TagScheme::Bio) and of [`Iob1`](TagScheme::Iob1) are the
    /// same, and are read as the former where nothing is said.
    ///
    /// # Errors
    /// [`Error::LabelSet`] where the names are not those of `scheme`.
    pub fn with_scheme(mut self, scheme: TagScheme) -> Result<Self> {
        let alike = |scheme| matches!(scheme, TagScheme::Bio | TagScheme::Iob1);
        if scheme != self.scheme && !(alike(scheme) && alike(self.scheme)) {
            let reason = format!("found the tags of {:?}, expected those of {scheme:?}", self.scheme);
            return Err(Error::LabelSet { path: None, reason });
        }
        self.scheme = scheme;
        Ok(self.with_rules())
    }

    fn with_rules(mut self) -> Self {
        let number = |position, kind| self.numbers.get(&Tag { position, kind }).copied();
        let has = |position, kind| number(position, kind).is_some();
        let starts = |tag: &Option<Tag>| match tag {
            None => true,
            Some(Tag { position: Position::Begin | Position::Unit, .. }) => true,
            Some(Tag { position: Position::Inside, .. }) if self.scheme == TagScheme::Iob1 => true,
            Some(Tag { kind, .. }) => !has(Position::Begin, *kind),
        };
        let ends = |tag: &Option<Tag>| match tag {
            None => true,
            Some(Tag { position: Position::Last | Position::Unit, .. }) => true,
            Some(Tag { kind, .. }) => !has(Position::Last, *kind),
        };
        let next_to = |tag: &Option<Tag>, of: [Position; 2], next: [Position; 2]| match tag {
            Some(Tag { position, kind }) if of.contains(position) => {
                next.into_iter().filter_map(|position| number(position, *kind)).collect()
            }
            _ => Vec::new(),
        };
        let (open, further) = ([Position::Begin, Position::Inside], [Position::Inside, Position::Last]);
        let rules = (
            self.tags.iter().map(starts).collect(),
            self.tags.iter().map(ends).collect(),
            self.tags.iter().map(|tag| next_to(tag, further, open)).collect(),
            self.tags.iter().map(|tag| next_to(tag, open, further)).collect(),
        );
        (self.starts, self.ends, self.continues, self.continued_by) = rules;
        self
    }

    /// How the tags say where mentions begin and end.
    pub fn scheme(&self) -> TagScheme {
        self.scheme
    }

    /// Names of the tags, in the order of the classes.
    pub fn names(&self) -> &[String] {
        self.labels.names()
    }

    /// Types of mentions, in the order in which the tags name them.
    pub fn kinds(&self) -> &[Arc<str>] {
        &self.kinds
    }

    /// Number of tags.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Always false: there is at least one tag.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// What a tag says; `None` for one outside mentions, and for a number that no tag has.
    pub fn tag(&self, number: usize) -> Option<Tag> {
        self.tags.get(number).copied().flatten()
    }

    /// The number of a tag.
    pub fn number(&self, tag: Tag) -> Option<usize> {
        self.numbers.get(&tag).copied()
    }

    /// The tags of a type: first, inside, last, single.
    pub(super) fn tags_of_kind(&self, kind: usize) -> [Option<usize>; 4] {
        [Position::Begin, Position::Inside, Position::Last, Position::Unit]
            .map(|position| self.number(Tag { position, kind }))
    }

    /// The tag of units outside mentions, where there is one.
    pub fn outside(&self) -> Option<usize> {
        self.tags.iter().position(Option::is_none)
    }

    /// Whether a tag may follow another one, or stand first.
    pub fn may_follow(&self, before: Option<usize>, tag: usize) -> bool {
        let Some(&starts) = self.starts.get(tag) else { return false };
        let Some(before) = before else { return starts };
        let ends = self.ends.get(before).copied().unwrap_or_default();
        starts && ends || self.continues_mention(before, tag)
    }

    /// Whether a tag may stand last.
    pub fn may_end(&self, tag: usize) -> bool {
        self.ends.get(tag).copied().unwrap_or_default()
    }

    /// Whether `tag` continues the mention of the tag before it.
    pub(super) fn continues_mention(&self, before: usize, tag: usize) -> bool {
        self.continues.get(tag).is_some_and(|open| open.contains(&before))
    }
}

impl Style {
    /// The style in which names are written: one with letters if any name has `B` or `I` in that place. Small letters may
    /// begin a type, such as `e-mail`: they say something where all names have one, and some type has both.
    fn of(names: &[String]) -> Self {
        let has = |style: Self| {
            let letter = |name: &String| style.split(name).map(|(letter, _)| letter);
            names.iter().filter_map(letter).any(|letter| matches!(letter, 'B' | 'I'))
        };
        let all_have = |style: Self| {
            let inside: Vec<&String> = names.iter().filter(|name| !is_outside(name)).collect();
            let begins = |kind: &str| inside.iter().any(|name| style.split(name) == Some(('B', kind)));
            inside.iter().all(|name| style.split(name).is_some())
                && inside
                    .iter()
                    .filter_map(|name| style.split(name))
                    .any(|(l, kind)| l == 'I' && begins(kind))
        };
        let large = [Self::Prefix, Self::Suffix].into_iter().find(|style| has(*style));
        let small = || [Self::LowerPrefix, Self::LowerSuffix].into_iter().find(|style| all_have(*style));
        large.or_else(small).unwrap_or(Self::Plain)
    }

    /// Letter and type in a name.
    fn split(self, name: &str) -> Option<(char, &str)> {
        let (letter, kind) = match self {
            Self::Prefix | Self::LowerPrefix if name.len() == 1 => (name, UNTYPED),
            Self::Prefix | Self::LowerPrefix => name.split_once(SEPARATORS)?,
            Self::Suffix | Self::LowerSuffix => {
                name.rsplit_once(SEPARATORS).map(|(kind, letter)| (letter, kind))?
            }
            Self::Plain => return None,
        };
        let is_lower = matches!(self, Self::LowerPrefix | Self::LowerSuffix);
        let mut letters = letter.chars();
        let first = letters.next().filter(|letter| letter.is_lowercase() == is_lower);
        match (first.map(|letter| letter.to_ascii_uppercase()), letters.next(), kind) {
            (Some(letter @ ('B' | 'I' | 'M' | 'L' | 'E' | 'U' | 'S')), None, kind) if !kind.is_empty() => {
                Some((letter, kind))
            }
            _ => None,
        }
    }

    /// What the tag of this name says; `None` outside mentions.
    fn read(self, name: &str) -> Option<(Position, &str)> {
        if name.eq_ignore_ascii_case(OUTSIDE) {
            return None;
        }
        let Some((letter, kind)) = self.split(name) else {
            return (self == Self::Plain || !is_outside(name)).then_some((Position::Inside, name));
        };
        let position = match letter {
            'B' => Position::Begin,
            'L' | 'E' => Position::Last,
            'U' | 'S' => Position::Unit,
            _ => Position::Inside,
        };
        Some((position, kind))
    }
}

/// Whether a name is that of what belongs to no mention: of the outside or, where names have letters, of what is no text.
fn is_outside(name: &str) -> bool {
    let is_token = |[open, close]: [char; 2]| name.starts_with(open) && name.ends_with(close);
    name.eq_ignore_ascii_case(OUTSIDE)
        || ["X", "PAD"].contains(&name)
        || [['[', ']'], ['<', '>']].into_iter().any(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(set: &TagSet) -> Vec<&str> {
        set.kinds().iter().map(|kind| &**kind).collect()
    }

    #[test]
    fn names_of_models_are_recognised() {
        let cases: [(&[&str], TagScheme, &[&str]); 20] = [
            (&["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], TagScheme::Bio, &["PER", "LOC"]),
            (&["B-PS", "I-PS", "O"], TagScheme::Bio, &["PS"]),
            (&["O", "I-LOC", "I-PER"], TagScheme::Io, &["LOC", "PER"]),
            (&["O", "PER", "E-MAIL"], TagScheme::Io, &["PER", "E-MAIL"]),
            (&["O", "B-E-MAIL", "I-E-MAIL"], TagScheme::Bio, &["E-MAIL"]),
            (&["O", "B_x", "I_x", "L_x", "U_x"], TagScheme::Bilou, &["x"]),
            (&["O", "B-x", "I-x", "E-x", "S-x"], TagScheme::Bilou, &["x"]),
            (&["O", "PER-B", "PER-I", "LOC-B", "LOC-I"], TagScheme::Bio, &["PER", "LOC"]),
            (&["O", "B", "I"], TagScheme::Bio, &["entity"]),
            (&["NOUN", "VERB", "X"], TagScheme::Io, &["NOUN", "VERB", "X"]),
            (&["o", "b-per", "i-per", "b-loc", "i-loc"], TagScheme::Bio, &["per", "loc"]),
            (&["O", "per_b", "per_i"], TagScheme::Bio, &["per"]),
            (&["O", "b", "i", "[PAD]"], TagScheme::Bio, &["entity"]),
            (&["O", "b-x", "i-x", "e-x", "s-x"], TagScheme::Bilou, &["x"]),
            // Small letters that are parts of types.
            (&["O", "e-mail", "i-phone", "b-side"], TagScheme::Io, &["e-mail", "i-phone", "b-side"]),
            (&["O", "b-per", "i-per", "date"], TagScheme::Io, &["b-per", "i-per", "date"]),
            (&["I-LOC", "O", "B-geo-loc", "B-LOC", "I-geo-loc"], TagScheme::Bio, &["LOC", "geo-loc"]),
            (&["O", "B-인물", "I-인물", "B-地名", "I-地名"], TagScheme::Bio, &["인물", "地名"]),
            (&["B-PER", "I-PER"], TagScheme::Bio, &["PER"]),
            (&["O", "B-x", "M-x", "E-x", "S-x"], TagScheme::Bilou, &["x"]),
        ];
        for (names, scheme, expected) in cases {
            let set = TagSet::of_names(names.iter().copied()).unwrap();
            assert_eq!((set.scheme(), kinds(&set)), (scheme, expected.to_vec()), "{names:?}");
            assert_eq!(set.names(), names);
        }
        // What is no text is outside, and a type without letters among others is one.
        let set = TagSet::of_names(["O", "B-A", "I-A", "X", "[CLS]", "<pad>", "Z"]).unwrap();
        assert_eq!(kinds(&set), ["A", "Z"]);
        assert_eq!((3..6).map(|tag| set.tag(tag)).collect::<Vec<_>>(), [None; 3]);
    }

    #[test]
    fn names_that_say_nothing_or_the_same_are_refused() {
        let cases: [(&[&str], &str); 5] = [
            (&["LABEL_0", "LABEL_1"], "found the tag LABEL_0"),
            (&["O", "L-A", "E-A", "B-A"], "\"L-A\" and \"E-A\" say the same"),
            (&["O", "O"], "class 0 and of class 1"),
            (&[], "found no label"),
            (&["B-A", "L-A"], "expected O"),
        ];
        for (names, expected) in cases {
            let error = TagSet::of_names(names.iter().copied()).unwrap_err().to_string();
            assert!(error.contains(expected), "{names:?}: {error}");
        }
        let io = TagSet::new(TagScheme::Io, ["A"]).unwrap();
        assert!(io.with_scheme(TagScheme::Bio).is_err());
    }

    #[test]
    fn new_tags_read_as_what_they_are() {
        for scheme in [TagScheme::Io, TagScheme::Bio, TagScheme::Bilou] {
            let set = TagSet::new(scheme, ["PER", "B-PER", "O", "E-MAIL", "S_x"]).unwrap();
            assert_eq!(kinds(&set), ["PER", "B-PER", "O", "E-MAIL", "S_x"]);
            assert_eq!(TagSet::of_names(set.names().to_vec()).unwrap(), set);
        }
    }

    #[test]
    fn what_may_follow_what_depends_on_the_scheme() {
        let allowed = |scheme| {
            let set = TagSet::new(scheme, ["A", "B"]).unwrap();
            let name = |tag: usize| set.names()[tag].clone();
            let pairs = (0..set.len()).flat_map(|a| (0..set.len()).map(move |b| (a, b)));
            let bad = pairs.filter(|(a, b)| !set.may_follow(Some(*a), *b));
            let bad: Vec<String> = bad.map(|(a, b)| format!("{} {}", name(a), name(b))).collect();
            let first: Vec<String> =
                (0..set.len()).filter(|tag| !set.may_follow(None, *tag)).map(name).collect();
            let last: Vec<String> = (0..set.len()).filter(|tag| !set.may_end(*tag)).map(name).collect();
            (bad, first.join(" "), last.join(" "))
        };
        assert_eq!(allowed(TagScheme::Io), (vec![], String::new(), String::new()));
        assert_eq!(allowed(TagScheme::Iob1), (vec![], String::new(), String::new()));
        let (bad, first, last) = allowed(TagScheme::Bio);
        assert_eq!(bad, ["O I-A", "O I-B", "B-A I-B", "I-A I-B", "B-B I-A", "I-B I-A"]);
        assert_eq!((first.as_str(), last.as_str()), ("I-A I-B", ""));
        let (bad, first, last) = allowed(TagScheme::Bilou);
        // Open tags have two successors each of nine, closed ones those that begin something: five.
        assert_eq!(bad.len(), 4 * 7 + 5 * 4);
        assert_eq!((first.as_str(), last.as_str()), ("I-A L-A I-B L-B", "B-A I-A B-B I-B"));
    }
}
