//! Mentions character by character, as KLUE-NER scores them.

use std::collections::BTreeSet;

use re_data::metrics::LabelMetrics;
use re_data::{Document, Tally as Kept};
use serde::Serialize;

use super::{Predicted, Tally, align};
use crate::error::Result;

/// Tag of characters outside mentions.
const OUTSIDE: &str = "O";

/// Agreement of the tags of characters: `B-TYPE` for the first of a mention, `I-TYPE` for the others, `O` outside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CharacterScores {
    /// Mean F1 over the tags that occur in truth or prediction, `O` left out: KLUE-NER's character macro-F1 as its paper
    /// defines it (Park et al. 2021, arXiv:2105.09680).
    pub macro_f1: f64,
    /// The same with `O`, as the benchmark's own program computes it.
    pub macro_f1_with_outside: f64,
    /// Each tag, by name, `O` included.
    pub per_tag: Vec<LabelMetrics>,
    /// Number of characters.
    pub characters: usize,
    /// Mentions that have no tags, as a character has one tag and belongs to a mention that begins before, or is longer.
    pub untagged: Kept<String>,
}

/// Compares the tags of all characters, white space included.
///
/// # Errors
/// As [`score`](super::score()).
pub fn character_scores<'a, P: Into<Predicted<'a>>>(
    gold: impl IntoIterator<Item = &'a Document>,
    predicted: impl IntoIterator<Item = P>,
) -> Result<CharacterScores> {
    let mut tally = Tally::default();
    let (mut characters, mut untagged) = (0, Kept::default());
    for (gold, predicted) in align(gold, predicted)? {
        let length = gold.text().chars().count();
        characters += length;
        let truth = tags(gold, length, &mut untagged);
        let found = match predicted.document {
            Some(document) => tags(document, length, &mut untagged),
            None => (0..length).map(|at| (at, OUTSIDE.to_owned())).collect(),
        };
        tally.add(&truth, &found, |(_, tag)| tag);
    }
    let per_tag = tally.finish().per_label;
    let mean = |tags: &[&LabelMetrics]| tags.iter().map(|tag| tag.f1).sum::<f64>() / tags.len().max(1) as f64;
    let all: Vec<&LabelMetrics> = per_tag.iter().collect();
    let inside: Vec<&LabelMetrics> = per_tag.iter().filter(|tag| tag.label != OUTSIDE).collect();
    Ok(CharacterScores {
        macro_f1: mean(&inside),
        macro_f1_with_outside: mean(&all),
        per_tag,
        characters,
        untagged,
    })
}

/// The tag of each character with its place.
fn tags(document: &Document, length: usize, untagged: &mut Kept<String>) -> BTreeSet<(usize, String)> {
    let mut tags = vec![None; length];
    let mut mentions: Vec<_> = document.mentions().iter().collect();
    mentions.sort_by_key(|mention| (mention.span().start(), std::cmp::Reverse(mention.span().end())));
    for mention in mentions {
        let Some(places) = tags.get_mut(mention.span().range()) else { continue };
        if places.iter().any(Option::is_some) {
            untagged.add(|| format!("{}: {}", document.id(), mention.span()));
            continue;
        }
        let kind = mention.kind().unwrap_or_default();
        for (at, place) in places.iter_mut().enumerate() {
            *place = Some(format!("{}-{kind}", if at == 0 { "B" } else { "I" }));
        }
    }
    let tag = |(at, tag): (usize, Option<String>)| (at, tag.unwrap_or_else(|| OUTSIDE.to_owned()));
    tags.into_iter().enumerate().map(tag).collect()
}
