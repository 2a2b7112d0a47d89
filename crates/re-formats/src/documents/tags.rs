//! Tags of words or characters, and the mentions that they spell: IO, IOB, BIO, BILOU and BIOES.

use re_data::text::quoted;
use re_data::{Document, Mention};

/// A mention in units of what is tagged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tagged {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Option<String>,
}

/// Reads the tags of a sequence one by one.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    found: Vec<Tagged>,
    /// Whether the last one may go on.
    open: bool,
    tags: usize,
}

impl Decoder {
    /// Takes the next tag, or says what is wrong with it: found and expected.
    pub(super) fn push(&mut self, tag: &str) -> Result<(), (String, &'static str)> {
        let at = self.tags;
        self.tags += 1;
        let (prefix, kind) = split(tag).ok_or_else(|| {
            (format!("the tag {}", quoted(tag)), "O, or B-, I-, L-, E-, U- or S- and a type")
        })?;
        let last = self.found.last_mut().filter(|last| self.open && last.kind.as_deref() == kind);
        match (prefix, last) {
            ('O', _) => self.open = false,
            ('I', Some(last)) => last.end = at + 1,
            ('L' | 'E', Some(last)) => {
                last.end = at + 1;
                self.open = false;
            }
            ('L' | 'E', None) => {
                let found = format!("the tag {} with no mention of its type before it", quoted(tag));
                return Err((found, "a mention that B- or I- begins"));
            }
            (_, _) => {
                self.found.push(Tagged { start: at, end: at + 1, kind: kind.map(str::to_owned) });
                self.open = matches!(prefix, 'B' | 'I');
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<Tagged> {
        self.found
    }
}

/// What a tag says of its place in a mention, and the mention's type. Without either prefix or type, a tag is the other.
fn split(tag: &str) -> Option<(char, Option<&str>)> {
    let prefixes = ['B', 'I', 'L', 'E', 'U', 'S'];
    let mut characters = tag.chars();
    match (characters.next()?, characters.next()) {
        ('O', None) => Some(('O', None)),
        (prefix, None) if prefixes.contains(&prefix) => Some((prefix, None)),
        (prefix, Some('-')) if prefixes.contains(&prefix) => {
            let kind = characters.as_str();
            (!kind.is_empty()).then_some((prefix, Some(kind)))
        }
        _ => Some(('I', Some(tag))),
    }
}

/// The mentions that tags can spell, which overlap with none: of those that do the first, and of several at one place the
/// longest. The others are counted.
pub(super) fn flat(document: &Document) -> (Vec<&Mention>, usize) {
    let mut mentions: Vec<&Mention> = document.mentions().iter().collect();
    mentions.sort_by_key(|mention| (mention.span().start(), std::cmp::Reverse(mention.span().end())));
    let all = mentions.len();
    let mut end = 0;
    mentions.retain(|mention| {
        let free = mention.span().start() >= end;
        end = if free { mention.span().end() } else { end };
        free
    });
    let lost = all - mentions.len();
    (mentions, lost)
}

/// The tag, in BIO, of what stands at the beginning of a mention or inside it.
pub(super) fn tag(begins: bool, kind: Option<&str>) -> String {
    let prefix = if begins { "B" } else { "I" };
    match kind {
        Some(kind) => format!("{prefix}-{kind}"),
        None => prefix.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(tags: &str) -> Vec<(usize, usize, String)> {
        let mut decoder = Decoder::default();
        tags.split(' ').for_each(|tag| decoder.push(tag).unwrap());
        let mentions = decoder.finish().into_iter();
        mentions.map(|m| (m.start, m.end, m.kind.unwrap_or_default())).collect()
    }

    #[test]
    fn every_scheme_spells_mentions() {
        let two = |a: (usize, usize, &str), b: (usize, usize, &str)| {
            vec![(a.0, a.1, a.2.to_owned()), (b.0, b.1, b.2.to_owned())]
        };
        for tags in ["B-X I-X O B-Y", "I-X I-X O I-Y", "X X O Y", "B-X L-X O U-Y", "B-X E-X O S-Y"] {
            assert_eq!(decode(tags), two((0, 2, "X"), (3, 4, "Y")), "{tags}");
        }
        assert_eq!(decode("B-X B-X"), two((0, 1, "X"), (1, 2, "X")));
        assert_eq!(decode("I-X B-X"), two((0, 1, "X"), (1, 2, "X")));
        assert_eq!(decode("U-X I-X"), two((0, 1, "X"), (1, 2, "X")));
        assert_eq!(decode("I-X I-Y"), two((0, 1, "X"), (1, 2, "Y")));
        assert_eq!(decode("B I O S"), two((0, 2, ""), (3, 4, "")));
        assert_eq!(decode("B-a-b I-a-b O EVENT-x"), two((0, 2, "a-b"), (3, 4, "EVENT-x")));
        assert_eq!(decode("O"), []);
    }

    #[test]
    fn tags_that_end_nothing_are_faults() {
        for tags in ["L-X", "B-Y E-X", "U-X L-X", "B-", ""] {
            let mut decoder = Decoder::default();
            assert!(tags.split(' ').any(|tag| decoder.push(tag).is_err()), "{tags}");
        }
    }
}
