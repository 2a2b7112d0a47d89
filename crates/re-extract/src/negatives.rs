//! Training rows for pairs: what is related, and enough of what is not.

use std::collections::{BTreeMap, HashMap, HashSet};

use rand::seq::index;
use re_data::random::{fnv1a, stream};
use re_data::{Document, LabelSet, Pair, Predictor, RelationExample, Tally};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::properties::reverse;
use crate::settings::GraphSettings;

/// Pairs that a predictor is asked about at a time.
const BATCH: usize = 256;

/// How many unrelated pairs take part in training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingPairOptions {
    /// Unrelated pairs for each labelled one of the document; `None` for all. A document without a labelled pair counts as
    /// one with one, so that "no relation" is learnt on such documents too.
    pub ratio: Option<f64>,
    /// Decides, with the document's id, which pairs are drawn.
    pub seed: u64,
}

impl Default for TrainingPairOptions {
    fn default() -> Self {
        Self { ratio: Some(3.0), seed: 42 }
    }
}

/// Rows of documents, labelled pairs and unrelated ones, and what was left out.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingPairs {
    /// The rows, document by document, in the order of their mentions in the text.
    pub examples: Vec<RelationExample>,
    /// What they are.
    pub counts: TrainingCounts,
}

/// All candidate rows of documents, and which of them [`training_pairs`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct CandidateRows {
    /// The rows, labelled pairs and unrelated ones, in the order of [`TrainingPairs::examples`].
    pub examples: Vec<RelationExample>,
    /// For each row whether training sees it: all but unrelated pairs that were not drawn.
    pub drawn: Vec<bool>,
    /// What they are.
    pub counts: TrainingCounts,
}

/// Counts of pairs.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TrainingCounts {
    /// Number of documents.
    pub documents: usize,
    /// Rows that the documents label.
    pub labelled: usize,
    /// Rows that got their label from the other direction, by a symmetric or inverse relation.
    pub from_other_end: usize,
    /// Those of both that are no candidates by rule and types; they are rows all the same.
    pub beyond_candidates: usize,
    /// Unrelated candidate pairs.
    pub unrelated: usize,
    /// Those of them that are rows.
    pub negatives: usize,
    /// Pairs with several relations, which one row cannot have: they are no rows.
    pub several_labels: Tally<String>,
    /// Unrelated pairs that the predictor failed on; they count as the easiest.
    pub unanswered: Tally<String>,
}

/// The labelled pairs of documents, and unrelated candidate pairs of the same documents under the class of no relation.
///
/// The candidates are those of the settings ([`GraphSettings::candidates`]), so that training sees what will be met. Which
/// unrelated pairs are drawn depends on seed and document id alone: uniformly, or, where `hardest` is given, those to which
/// this predictor gives the smallest probability of no relation.
///
/// # Errors
/// [`Error::Setting`] where the labels have no class of no relation or the ratio is no number from 0 on,
/// [`Error::Data`] where a label is unknown, [`Error::Predict`] where the predictor failed as a whole.
pub fn training_pairs<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    labels: &LabelSet,
    settings: &GraphSettings,
    options: TrainingPairOptions,
    hardest: Option<&dyn Predictor>,
) -> Result<TrainingPairs> {
    let CandidateRows { examples, counts, .. } = rows(documents, labels, settings, options, hardest, false)?;
    Ok(TrainingPairs { examples, counts })
}

/// As [`training_pairs`], with the candidates that were not drawn: the rows of validation and test, of which none is left out,
/// are made with those of training.
///
/// # Errors
/// As [`training_pairs`].
pub fn candidate_rows<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    labels: &LabelSet,
    settings: &GraphSettings,
    options: TrainingPairOptions,
    hardest: Option<&dyn Predictor>,
) -> Result<CandidateRows> {
    rows(documents, labels, settings, options, hardest, true)
}

/// The rows; those that were not drawn are among them where `all` are wanted.
fn rows<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    labels: &LabelSet,
    settings: &GraphSettings,
    options: TrainingPairOptions,
    hardest: Option<&dyn Predictor>,
    all: bool,
) -> Result<CandidateRows> {
    if let Some(ratio) = options.ratio.filter(|ratio| !(*ratio >= 0.0 && ratio.is_finite())) {
        return Err(Error::setting("ratio", ratio, "a finite number from 0 on, or none"));
    }
    let none = no_relation(labels)?;
    if let Some(predictor) = hardest {
        no_relation(predictor.labels())?;
    }
    let counts = TrainingCounts::default();
    let mut made = CandidateRows { examples: Vec::new(), drawn: Vec::new(), counts };
    for document in documents {
        made.counts.documents += 1;
        let known = labels_of(document, settings, &mut made.counts);
        let candidates = settings.candidates(document, labels);
        let is_candidate: HashSet<Pair> = candidates.iter().copied().collect();
        // What both ends say is known; only a candidate is made a row by it.
        let labelled = |pair: &Pair| {
            known.get(pair).is_some_and(|known| {
                known.label.is_some() && (!known.from_other_end || is_candidate.contains(pair))
            })
        };
        let unrelated: Vec<Pair> =
            candidates.iter().copied().filter(|pair| !known.contains_key(pair)).collect();
        let rows = known.keys().filter(|pair| labelled(pair)).count();
        let drawn = draw(document, &unrelated, rows, options, hardest, &mut made.counts)?;
        made.counts.unrelated += unrelated.len();
        made.counts.negatives += drawn.len();
        let beyond = known.keys().filter(|pair| labelled(pair) && !is_candidate.contains(pair)).copied();
        let beyond: Vec<Pair> = beyond.collect();
        made.counts.beyond_candidates += beyond.len();
        for pair in candidates.into_iter().chain(beyond) {
            let label = match known.get(&pair) {
                Some(Known { label: None, .. }) => continue,
                Some(Known { label: Some(label), from_other_end }) => {
                    let count = match from_other_end {
                        true => &mut made.counts.from_other_end,
                        false => &mut made.counts.labelled,
                    };
                    *count += 1;
                    label.as_str()
                }
                None if all || drawn.contains(&pair) => none,
                None => continue,
            };
            let example = document.example(pair)?.with_label(label);
            labels.class_of(&example)?;
            made.examples.push(example);
            made.drawn.push(known.contains_key(&pair) || drawn.contains(&pair));
        }
    }
    Ok(made)
}

fn no_relation(labels: &LabelSet) -> Result<&str> {
    labels
        .no_relation_name()
        .ok_or_else(|| Error::setting("labels", "no class of no relation", "one, as unrelated pairs have it"))
}

/// What is known of a pair.
struct Known {
    /// `None` where there are several.
    label: Option<String>,
    from_other_end: bool,
}

fn labels_of(
    document: &Document,
    settings: &GraphSettings,
    counts: &mut TrainingCounts,
) -> BTreeMap<Pair, Known> {
    let mut known: BTreeMap<Pair, Known> = BTreeMap::new();
    for relation in document.relations() {
        known
            .entry(relation.pair())
            .and_modify(|known| known.label = None)
            .or_insert_with(|| Known { label: Some(relation.label().to_owned()), from_other_end: false });
    }
    for relation in document.relations() {
        if let Some(counterpart) = settings.properties.counterpart(relation.label()) {
            known
                .entry(reverse(relation.pair()))
                .and_modify(|known| {
                    if known.from_other_end && known.label.as_deref() != Some(counterpart) {
                        known.label = None;
                    }
                })
                .or_insert_with(|| Known { label: Some(counterpart.to_owned()), from_other_end: true });
        }
    }
    let several = |pair: &Pair| format!("{}#{}-{}", document.id(), pair.subject, pair.object);
    for (pair, _) in known.iter().filter(|(_, known)| known.label.is_none()) {
        counts.several_labels.add(|| several(pair));
    }
    known
}

/// Which of the unrelated pairs become rows.
fn draw(
    document: &Document,
    unrelated: &[Pair],
    labelled: usize,
    options: TrainingPairOptions,
    hardest: Option<&dyn Predictor>,
    counts: &mut TrainingCounts,
) -> Result<HashSet<Pair>> {
    let wanted = options.ratio.map_or(unrelated.len(), |ratio| {
        // A product beyond the range of counts becomes the largest of them.
        ((ratio * labelled.max(1) as f64).ceil() as usize).min(unrelated.len())
    });
    let Some(predictor) = hardest.filter(|_| wanted < unrelated.len()) else {
        let mut random = stream(options.seed, "negatives", fnv1a(document.id().as_bytes()));
        let drawn = index::sample(&mut random, unrelated.len(), wanted);
        return Ok(drawn.into_iter().filter_map(|at| unrelated.get(at)).copied().collect());
    };
    let class = predictor.labels().no_relation();
    let mut of_pairs: HashMap<Pair, f32> = HashMap::new();
    for pairs in unrelated.chunks(BATCH) {
        let examples = pairs.iter().map(|&pair| Ok(document.example(pair)?.without_label()));
        let examples = examples.collect::<Result<Vec<RelationExample>>>()?;
        let outcomes = predictor.outcomes(&examples)?.checked_for(&examples)?;
        for (&pair, row) in pairs.iter().zip(outcomes.rows()) {
            let probability = match row {
                Ok(row) => class.and_then(|class| row.get(class)).copied().unwrap_or_default(),
                Err(error) => {
                    counts.unanswered.add(|| re_data::error::with_causes(error));
                    f32::INFINITY
                }
            };
            of_pairs.insert(pair, probability);
        }
    }
    let probability = |pair: &Pair| of_pairs.get(pair).copied().unwrap_or(f32::INFINITY);
    let mut ranked = unrelated.to_vec();
    ranked.sort_by(|a, b| probability(a).total_cmp(&probability(b)).then(a.cmp(b)));
    ranked.truncate(wanted);
    Ok(ranked.into_iter().collect())
}
