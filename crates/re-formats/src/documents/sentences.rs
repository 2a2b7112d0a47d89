//! Texts as sentences of tokens, a line for each sentence.

use std::ops::Range;

use re_data::{ByteSpan, Document};
use serde_json::Value;

use crate::error::Result;
use crate::read::object::Object;
use crate::read::place::Place;
use crate::tokens::{Cut, Edges, Joined};

/// What `space_after` should hold.
const SPACES: &str = "a list of true and false for each sentence, one for each token";

/// Reads the sentences, and the token with which each begins.
pub(super) fn read(
    object: &mut Object,
    place: &Place<'_>,
    name: &'static str,
) -> Result<(Joined, Vec<usize>)> {
    let expected = "a list of sentences, which are lists of strings";
    let sentence = |value: &Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|token| token.as_str().map(str::to_owned)).collect()
    };
    let sentences = object.list(place, name, expected, sentence)?;
    let sentences = sentences.ok_or_else(|| place.error(object.field(name), "nothing", expected))?;
    let flags =
        |value: &Value| -> Option<Vec<bool>> { value.as_array()?.iter().map(Value::as_bool).collect() };
    let spaces = object.list(place, "space_after", SPACES, flags)?;
    if let Some(spaces) = &spaces {
        let fits = |(spaces, tokens): (&Vec<bool>, &Vec<String>)| spaces.len() == tokens.len();
        if spaces.len() != sentences.len() || !spaces.iter().zip(&sentences).all(fits) {
            let values: usize = spaces.iter().map(Vec::len).sum();
            let found = format!("{values} values in {} lists", spaces.len());
            return Err(place.error(object.field("space_after"), found, SPACES));
        }
    }
    let mut joined = Joined::default();
    let mut starts = Vec::with_capacity(sentences.len());
    for (number, tokens) in sentences.iter().enumerate() {
        if number > 0 {
            joined.push("\n");
        }
        starts.push(joined.tokens.len());
        joined.add(tokens, spaces.as_ref().and_then(|spaces| spaces.get(number)).map(Vec::as_slice));
    }
    Ok((joined, starts))
}

/// A document's lines, cut into tokens. A document with a mention over a line break is one sentence.
pub(super) struct Sentences<'t> {
    cuts: Vec<(Range<usize>, Cut<'t>)>,
    /// The token with which each sentence begins.
    starts: Vec<usize>,
}

/// A span by its tokens.
pub(super) struct Tokens {
    pub(super) sentence: usize,
    /// The token of the document with which the sentence begins.
    pub(super) start: usize,
    /// First and last token, counted in the sentence.
    pub(super) first: usize,
    pub(super) last: usize,
}

impl<'t> Sentences<'t> {
    pub(super) fn of(document: &'t Document) -> Self {
        let text = document.text();
        let edges = Edges::of(document.byte_spans());
        let broken = (0..document.mentions().len()).any(|number| document.surface(number).contains('\n'));
        let mut sentences = Self { cuts: Vec::new(), starts: Vec::new() };
        let (mut at, mut tokens) = (0, 0);
        for line in text.split(|c| c == '\n' && !broken) {
            let range = at..at + line.len();
            let cut = Cut::of(text, range.clone(), &edges);
            sentences.starts.push(tokens);
            tokens += cut.tokens.len();
            at = range.end + 1;
            sentences.cuts.push((range, cut));
        }
        sentences
    }

    pub(super) fn len(&self) -> usize {
        self.cuts.len()
    }

    pub(super) fn span(&self, span: ByteSpan) -> Option<Tokens> {
        let sentence = self.cuts.partition_point(|(range, _)| range.end < span.end());
        let (_, cut) = self.cuts.get(sentence)?;
        let [first, last] = cut.span(span)?;
        Some(Tokens { sentence, start: *self.starts.get(sentence)?, first, last })
    }

    pub(super) fn tokens(&self) -> Value {
        self.cuts.iter().map(|(_, cut)| Value::from(cut.tokens.clone())).collect()
    }

    /// Which tokens a space follows, unless it is in each sentence all but the last one.
    pub(super) fn spaces(&self) -> Option<Value> {
        self.cuts
            .iter()
            .any(|(_, cut)| cut.unusual_spaces().is_some())
            .then(|| self.cuts.iter().map(|(_, cut)| Value::from(cut.space_after.clone())).collect())
    }
}
