//! How well predicted documents agree with the truth. All shares are fractions from 0 to 1; benchmarks print them times 100.

mod align;
mod answers;
mod characters;
mod losses;
mod unrelated;

use std::collections::{BTreeMap, BTreeSet};

use re_data::metrics::LabelMetrics;
use re_data::{CharSpan, Document, Relation};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::properties::RelationProperties;

pub use align::Predicted;
pub use answers::answers;
pub use characters::{CharacterScores, character_scores};
pub use losses::{EndState, Loss, LostRelation, Spurious, SpuriousRelation};
pub use unrelated::{UnrelatedPairs, unrelated_pairs};

use align::align;

/// What mentions and relations are worth, as the evaluator of SpERT defines it (Eberts and Ulges 2020, "Span-based joint
/// entity and relation extraction with transformer pre-training").
///
/// Mentions and relations are sets in each document, so that what stands twice counts once. An element is right where the
/// truth has the same. Micro averages count all elements; macro averages are means over the labels that occur in truth or
/// prediction. A share of nothing is 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// Number of documents.
    pub documents: usize,
    /// Those that failed; all of their relations are lost.
    pub failed: usize,
    /// Mentions with span and type right. Its macro F1 is the entity macro-F1 of KLUE-NER, as `seqeval` has it in strict mode.
    pub mentions: Agreement,
    /// Mentions with the span right, whatever their type; all have one label, [`MENTION`].
    pub mention_boundaries: Agreement,
    /// Relations with the label and both spans right, whatever the types.
    pub relations: Agreement,
    /// Relations with the label, both spans and both types right.
    pub strict_relations: Agreement,
    /// Where each relation of the truth was lost that is not among the strict ones.
    pub lost: Vec<LostRelation>,
    /// Why each relation was told that the truth does not have, strictly.
    pub spurious: Vec<SpuriousRelation>,
}

/// Label of mentions whose type does not count.
pub const MENTION: &str = "mention";

/// Agreement of two lists of sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Elements of the truth.
    pub gold: usize,
    /// Elements of the prediction.
    pub predicted: usize,
    /// Elements of both.
    pub correct: usize,
    /// Over all elements.
    pub micro: Shares,
    /// Means over the labels.
    pub macro_average: Shares,
    /// Each label that occurs, by name; mentions without a type have the empty one.
    pub per_label: Vec<LabelMetrics>,
}

/// Precision, recall and their harmonic mean.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Shares {
    /// Share of what was predicted that is right.
    pub precision: f64,
    /// Share of the truth that was predicted.
    pub recall: f64,
    /// Harmonic mean of both. Of a macro average it is the mean of the labels' F1.
    pub f1: f64,
}

impl Shares {
    fn new(correct: usize, predicted: usize, gold: usize) -> Self {
        Self {
            precision: ratio(correct, predicted),
            recall: ratio(correct, gold),
            f1: ratio(2 * correct, predicted + gold),
        }
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Compares predictions with the truth, document by document, aligned by id.
///
/// A relation of the truth whose pair no rule generated is a relation that was not predicted, as any other. Relations that
/// `properties` call symmetric are equal in both directions; inverse relations are not looked at.
///
/// ```
/// use re_data::{CharSpan, Document, Mention, Pair, Relation};
/// use re_extract::{RelationProperties, score};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let person = |start, len| Mention::new(CharSpan::with_len(start, len)).with_kind("PERSON");
/// let document = |label| {
///     Document::new("1", "Marie loves Pierre.", vec![person(0, 5), person(12, 6)])?
///         .with_relations(vec![Relation::new(Pair { subject: 0, object: 1 }, label)])
/// };
/// let (gold, predicted) = (document("spouse")?, document("sibling")?);
/// let scores = score([&gold], [&predicted], &RelationProperties::default())?;
/// assert_eq!((scores.mentions.micro.f1, scores.strict_relations.micro.f1), (1.0, 0.0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::OtherDocuments`](crate::Error::OtherDocuments) where ids are missing or unknown,
/// [`Error::RepeatedDocument`](crate::Error::RepeatedDocument) and [`Error::OtherText`](crate::Error::OtherText).
pub fn score<'a, P: Into<Predicted<'a>>>(
    gold: impl IntoIterator<Item = &'a Document>,
    predicted: impl IntoIterator<Item = P>,
    properties: &RelationProperties,
) -> Result<Scores> {
    let pairs = align(gold, predicted)?;
    let (mut lost, mut spurious) = (Vec::new(), Vec::new());
    let mut tallies: [Tally; 4] = Default::default();
    for (gold, predicted) in &pairs {
        let empty = Document::new(gold.id(), gold.text(), Vec::new())?;
        let found = predicted.document.unwrap_or(&empty);
        let [mentions, boundaries, relations, strict] = &mut tallies;
        mentions.add(&typed_mentions(gold), &typed_mentions(found), |(_, kind)| kind.unwrap_or_default());
        let spans = |document: &Document| document.mentions().iter().map(|m| m.span()).collect();
        boundaries.add(&spans(gold), &spans(found), |_| MENTION);
        let by_boundary = |document: &'a Document| -> BTreeSet<(CharSpan, CharSpan, &'a str)> {
            let strict = relations_of(document, properties);
            let spans = strict.into_iter().map(|((a, _), (b, _), label)| (a, b, label));
            // Without types, the order of the ends of a symmetric relation is that of the spans alone.
            spans.map(|(a, b, label)| turned(a, b, label, properties)).collect()
        };
        let none = BTreeSet::new();
        let told = predicted.document.map(by_boundary);
        relations.add(&by_boundary(gold), told.as_ref().unwrap_or(&none), |(_, _, label)| label);
        let (truth, none) = (relations_of(gold, properties), BTreeSet::new());
        let told = predicted.document.map(|document| relations_of(document, properties));
        let told = told.as_ref().unwrap_or(&none);
        strict.add(&truth, told, |(_, _, label)| label);
        lost.extend(
            truth.difference(told).map(|relation| losses::lost(gold, predicted, relation, properties)),
        );
        spurious.extend(
            told.difference(&truth).map(|relation| losses::spurious(gold, relation, &truth, properties)),
        );
    }
    let [mentions, mention_boundaries, relations, strict_relations] = tallies.map(Tally::finish);
    let failed = pairs.iter().filter(|(_, predicted)| predicted.document.is_none()).count();
    Ok(Scores {
        documents: pairs.len(),
        failed,
        mentions,
        mention_boundaries,
        relations,
        strict_relations,
        lost,
        spurious,
    })
}

impl Scores {
    /// The table of losses: for each relation, how many of it were lost in which way.
    pub fn losses(&self) -> BTreeMap<&str, BTreeMap<Loss, usize>> {
        table(self.lost.iter().map(|lost| (lost.relation.as_str(), lost.loss)))
    }

    /// The table of false positives: for each relation, how many of it were told for which reason.
    pub fn false_positives(&self) -> BTreeMap<&str, BTreeMap<Spurious, usize>> {
        table(self.spurious.iter().map(|spurious| (spurious.relation.as_str(), spurious.cause)))
    }
}

fn table<'a, C: Ord>(rows: impl Iterator<Item = (&'a str, C)>) -> BTreeMap<&'a str, BTreeMap<C, usize>> {
    let mut table: BTreeMap<&str, BTreeMap<C, usize>> = BTreeMap::new();
    for (label, cause) in rows {
        *table.entry(label).or_default().entry(cause).or_default() += 1;
    }
    table
}

/// Span and type of a mention.
type End<'a> = (CharSpan, Option<&'a str>);

/// A relation as it is compared: subject, object, label.
type Strict<'a> = (End<'a>, End<'a>, &'a str);

fn typed_mentions(document: &Document) -> BTreeSet<End<'_>> {
    document.mentions().iter().map(|mention| (mention.span(), mention.kind())).collect()
}

fn relations_of<'a>(document: &'a Document, properties: &RelationProperties) -> BTreeSet<Strict<'a>> {
    document.relations().iter().filter_map(|relation| ends(document, relation, properties)).collect()
}

fn ends<'a>(
    document: &'a Document,
    relation: &'a Relation,
    properties: &RelationProperties,
) -> Option<Strict<'a>> {
    let end = |mention: usize| document.mentions().get(mention).map(|m| (m.span(), m.kind()));
    let (subject, object) = (end(relation.pair().subject)?, end(relation.pair().object)?);
    Some(turned(subject, object, relation.label(), properties))
}

/// A symmetric relation begins with the end that stands first.
fn turned<'a, E: Ord>(one: E, other: E, label: &'a str, properties: &RelationProperties) -> (E, E, &'a str) {
    if properties.is_symmetric(label) && other < one { (other, one, label) } else { (one, other, label) }
}

/// Counts by label: correct, predicted, gold.
#[derive(Default)]
struct Tally(BTreeMap<String, [usize; 3]>);

impl Tally {
    fn add<K: Ord>(&mut self, gold: &BTreeSet<K>, predicted: &BTreeSet<K>, label: impl Fn(&K) -> &str) {
        let both: Vec<&K> = gold.intersection(predicted).collect();
        let sides = [both, predicted.iter().collect(), gold.iter().collect()];
        for (side, keys) in sides.into_iter().enumerate() {
            for key in keys {
                let name = label(key);
                if !self.0.contains_key(name) {
                    self.0.insert(name.to_owned(), [0; 3]);
                }
                if let Some(count) = self.0.get_mut(name).and_then(|counts| counts.get_mut(side)) {
                    *count += 1;
                }
            }
        }
    }

    fn finish(self) -> Agreement {
        let mut all = [0; 3];
        let mut sum = Shares::default();
        let mut per_label = Vec::with_capacity(self.0.len());
        for (label, counts) in self.0 {
            for (total, count) in all.iter_mut().zip(counts) {
                *total += count;
            }
            let [correct, predicted, gold] = counts;
            let Shares { precision, recall, f1 } = Shares::new(correct, predicted, gold);
            sum.precision += precision;
            sum.recall += recall;
            sum.f1 += f1;
            per_label.push(LabelMetrics { label, precision, recall, f1, support: gold, predicted });
        }
        let [correct, predicted, gold] = all;
        let labels = per_label.len().max(1) as f64;
        Agreement {
            gold,
            predicted,
            correct,
            micro: Shares::new(correct, predicted, gold),
            macro_average: Shares {
                precision: sum.precision / labels,
                recall: sum.recall / labels,
                f1: sum.f1 / labels,
            },
            per_label,
        }
    }
}
