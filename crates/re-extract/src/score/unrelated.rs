//! How often pairs that are not related are told to be.

use std::collections::{BTreeMap, HashSet};

use re_data::{Document, Pair};
use serde::Serialize;

use super::align::align;
use super::{End, Predicted, relations_of};
use crate::error::{Error, Result};
use crate::outcome::{Abstained, Reason};
use crate::properties::{RelationProperties, reverse};

/// Candidate pairs that the truth does not relate, and what was said of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct UnrelatedPairs {
    /// Pairs that were judged, whose mentions both are the truth's, and which the truth does not relate.
    pub unrelated: usize,
    /// Those that got a relation.
    pub related: usize,
    /// The same by relation.
    pub per_relation: BTreeMap<String, usize>,
    /// Pairs that were judged and whose mentions are not both the truth's, so that nobody knows.
    pub other_mentions: usize,
}

impl UnrelatedPairs {
    /// The false-positive rate, 0 to 1; 0 without unrelated pairs.
    pub fn rate(&self) -> f64 {
        super::ratio(self.related, self.unrelated)
    }
}

/// Counts the candidate pairs that the truth does not relate, and how many of them got a relation all the same.
///
/// A symmetric relation, of the truth or told, is one of both directions; of several relations of a pair the first counts.
/// A document that failed has no pairs.
///
/// # Errors
/// [`Error::AbstainedNotKept`] where a prediction does not say which pairs were judged, and as [`score`](super::score()).
pub fn unrelated_pairs<'a, P: Into<Predicted<'a>>>(
    gold: impl IntoIterator<Item = &'a Document>,
    predicted: impl IntoIterator<Item = P>,
    properties: &RelationProperties,
) -> Result<UnrelatedPairs> {
    let mut counts = UnrelatedPairs::default();
    for (gold, predicted) in align(gold, predicted)? {
        let Some(document) = predicted.document else { continue };
        let abstained =
            predicted.abstained.ok_or_else(|| Error::AbstainedNotKept { id: document.id().to_owned() })?;
        let mentions: HashSet<_> = gold.mentions().iter().map(|mention| mention.span()).collect();
        let mut related = HashSet::new();
        for ((subject, _), (object, _), label) in relations_of(gold, properties) {
            related.insert((subject, object));
            if properties.is_symmetric(label) {
                related.insert((object, subject));
            }
        }
        let end = |mention: usize| -> Option<End<'_>> {
            document.mentions().get(mention).map(|mention| (mention.span(), mention.kind()))
        };
        let mut count = |pair: Pair, label: Option<&str>| {
            let (Some((subject, _)), Some((object, _))) = (end(pair.subject), end(pair.object)) else {
                return;
            };
            if !mentions.contains(&subject) || !mentions.contains(&object) {
                counts.other_mentions += 1;
            } else if !related.contains(&(subject, object)) {
                counts.unrelated += 1;
                if let Some(label) = label {
                    counts.related += 1;
                    *counts.per_relation.entry(label.to_owned()).or_default() += 1;
                }
            }
        };
        // A symmetric relation was told of both directions at once.
        let mut told = HashSet::new();
        for relation in document.relations() {
            let turned = properties.is_symmetric(relation.label()).then(|| reverse(relation.pair()));
            for pair in [Some(relation.pair()), turned].into_iter().flatten() {
                if told.insert(pair) {
                    count(pair, Some(relation.label()));
                }
            }
        }
        let judged = |abstained: &&Abstained| {
            abstained.reason != Reason::TypesNotAllowed && !told.contains(&abstained.pair)
        };
        abstained.iter().filter(judged).for_each(|abstained| count(abstained.pair, None));
    }
    Ok(counts)
}
