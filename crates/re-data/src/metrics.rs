//! How well predictions agree with the truth. All values are fractions from 0 to 1; benchmarks print them
//! times 100.

mod coverage;
mod reliability;

use std::collections::{BTreeMap, HashSet};

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::document::Mention;
use crate::error::{Error, Result};
use crate::labels::LabelSet;
use crate::predict::Probabilities;

pub use coverage::{RiskCoverage, RiskPoint, by_score};
pub use reliability::{Reliability, ReliabilityBin, expected_calibration_error};

/// Agreement of predictions with the truth.
///
/// ```
/// use re_data::LabelSet;
/// use re_data::metrics::Metrics;
/// let labels = LabelSet::new(["no_relation", "spouse", "employer"])?;
/// let metrics = Metrics::of(&[0, 1, 2, 2], &[0, 1, 1, 2], &labels)?;
/// assert_eq!(metrics.accuracy, 0.75);
/// assert_eq!(metrics.micro_f1, 2.0 / 3.0);
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Number of rows.
    pub rows: usize,
    /// Share of rows whose predicted class is the true one; 0 without rows.
    pub accuracy: f64,
    /// F1 over all decisions for a class other than "no relation" ([`LabelSet::no_relation`]), the measure of KLUE-RE
    /// and TACRED. Equal to the accuracy where the label set knows no such class.
    pub micro_f1: f64,
    /// Unweighted mean of the F1 of every class that occurs in truth or predictions, "no relation" included.
    pub macro_f1: f64,
    /// Area under the precision-recall curve as KLUE-RE defines it (see [`auprc`]), where probabilities
    /// are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auprc: Option<f64>,
    /// The measure of SemEval-2010 Task 8 (see [`semeval_macro_f1`]), where the labels have directions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semeval_macro_f1: Option<f64>,
    /// Figures of each class, in class order.
    pub per_label: Vec<LabelMetrics>,
    /// Numbers of rows by true class (first index) and predicted class (second index); empty for mentions. Files have it as a
    /// list of lists.
    #[serde(with = "lists")]
    pub confusion: Array2<usize>,
}

/// Agreement on one class. A ratio without cases (0/0) counts as 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelMetrics {
    /// Name of the class.
    pub label: String,
    /// Share of rows predicted as the class that belong to it.
    pub precision: f64,
    /// Share of rows of the class that were predicted as it.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Rows of the class.
    pub support: usize,
    /// Rows predicted as the class.
    pub predicted: usize,
}

impl Metrics {
    /// Compares true and predicted classes, row by row.
    ///
    /// # Errors
    /// [`Error::Argument`] where the numbers of rows differ, a class is not in the label set, or there are more than 4096
    /// classes.
    pub fn of(gold: &[usize], predicted: &[usize], labels: &LabelSet) -> Result<Self> {
        let confusion = confusion(gold, predicted, labels.len())?;
        let per_label: Vec<LabelMetrics> =
            labels.names().iter().zip(tallies(&confusion)).map(|(label, tally)| tally.of(label)).collect();
        let occurring = per_label.iter().filter(|label| label.support + label.predicted > 0);
        let macro_f1 = mean(occurring.map(|label| label.f1));
        let (mut all, mut relations) = (Tally::default(), Tally::default());
        for (class, tally) in tallies(&confusion).enumerate() {
            all.add(tally);
            if labels.no_relation() != Some(class) {
                relations.add(tally);
            }
        }
        Ok(Self {
            rows: gold.len(),
            accuracy: ratio(all.hits, gold.len()),
            micro_f1: relations.f1(),
            macro_f1,
            auprc: None,
            semeval_macro_f1: has_directions(labels).then(|| mean_f1_of_relations(&confusion, labels)),
            per_label,
            confusion,
        })
    }

    /// Compares the mentions of documents, true ones and found ones: one is right where its span and its type are
    /// (strict). The rows are the documents, the classes the types; a document counts as right where all its mentions are
    /// and no others were found. Mentions that repeat count once, and there is no confusion matrix.
    pub fn of_mentions<'a>(documents: impl IntoIterator<Item = (&'a [Mention], &'a [Mention])>) -> Self {
        let (mut rows, mut right) = (0, 0);
        let mut kinds: BTreeMap<&str, Tally> = BTreeMap::new();
        for (gold, found) in documents {
            let distinct = |mentions: &'a [Mention]| {
                mentions.iter().map(|mention| (mention.span(), mention.kind())).collect::<HashSet<_>>()
            };
            let (gold, found) = (distinct(gold), distinct(found));
            rows += 1;
            right += usize::from(gold == found);
            for (set, other, is_gold) in [(&gold, &found, true), (&found, &gold, false)] {
                for mention in set {
                    let tally = kinds.entry(mention.1.unwrap_or_default()).or_default();
                    match is_gold {
                        true => tally.support += 1,
                        false => tally.predicted += 1,
                    }
                    tally.hits += usize::from(is_gold && other.contains(mention));
                }
            }
        }
        let mut all = Tally::default();
        kinds.values().for_each(|tally| all.add(*tally));
        Self {
            rows,
            accuracy: ratio(right, rows),
            micro_f1: all.f1(),
            macro_f1: mean(kinds.values().map(|tally| tally.f1())),
            auprc: None,
            semeval_macro_f1: None,
            per_label: kinds.into_iter().map(|(kind, tally)| tally.of(kind)).collect(),
            confusion: Array2::zeros((0, 0)),
        }
    }

    /// Compares true classes with the most probable ones and measures the probabilities too.
    ///
    /// # Errors
    /// As [`Metrics::of`].
    pub fn of_probabilities(gold: &[usize], probabilities: &Probabilities) -> Result<Self> {
        let metrics = Self::of(gold, &probabilities.classes(), probabilities.labels())?;
        Ok(Self { auprc: Some(auprc(gold, probabilities)?), ..metrics })
    }
}

/// Mean cross entropy of the true classes in nats, 0 without rows. A probability of 0 counts as the smallest that a
/// 32-bit float can tell from it.
///
/// # Errors
/// As [`Metrics::of`].
pub fn cross_entropy(gold: &[usize], probabilities: &Probabilities) -> Result<f64> {
    check(gold, probabilities.len(), probabilities.labels().len())?;
    Ok(mean(probabilities.rows().zip(gold).map(|(row, &class)| {
        let probability = row.get(class).copied().unwrap_or_default();
        -f64::from(probability.max(f32::MIN_POSITIVE)).ln()
    })))
}

/// Area under the precision-recall curve: for each class of the label set ("no relation" included) the area
/// under the curve of its probability by the trapezoid rule, and of these areas the unweighted mean.
///
/// The definition of KLUE-RE (Park et al. 2021, arXiv:2105.09680), with the conventions of scikit-learn's
/// `precision_recall_curve`, on which its reference is built: rows of equal probability form one point, the curve
/// starts at recall 0 with precision 1, and a class without rows has a recall of 1 throughout and so an area of 0.5.
///
/// # Errors
/// [`Error::Argument`] where the numbers of rows differ, a class is not in the label set, or there is no row.
pub fn auprc(gold: &[usize], probabilities: &Probabilities) -> Result<f64> {
    let classes = probabilities.labels().len();
    check(gold, probabilities.len(), classes)?;
    if gold.is_empty() {
        return Err(Error::Argument { name: "gold", found: "no row".into(), expected: "at least one row" });
    }
    Ok(mean((0..classes).map(|class| {
        let scores = probabilities.rows().map(|row| row.get(class).copied().unwrap_or_default());
        area(scores.zip(gold.iter().map(|&gold| gold == class)).collect())
    })))
}

/// Area under the precision-recall curve of scores, each with whether its row belongs to the class.
fn area(mut scored: Vec<(f32, bool)>) -> f64 {
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let positives = scored.iter().filter(|(_, belongs)| *belongs).count();
    let (mut hits, mut taken) = (0, 0);
    let (mut recall, mut precision, mut area) = (0.0, 1.0, 0.0);
    for tied in scored.chunk_by(|(a, _), (b, _)| a == b) {
        taken += tied.len();
        hits += tied.iter().filter(|(_, belongs)| *belongs).count();
        let next = (if positives == 0 { 1.0 } else { ratio(hits, positives) }, ratio(hits, taken));
        area += (next.0 - recall) * (next.1 + precision) / 2.0;
        (recall, precision) = next;
    }
    area
}

/// The official measure of SemEval-2010 Task 8: the mean F1 of the relations, where a prediction is right
/// only if its direction is too, and "Other" is no relation.
///
/// Classes are directions of one relation where their names are the same up to `(e1,e2)` or `(e2,e1)`; both
/// directions share one precision and one recall, against both of which a wrong direction counts. As in the task's
/// scorer (version 1.2) the mean is over the relations that occur in the truth, the class of no relation left out.
///
/// # Errors
/// As [`Metrics::of`].
pub fn semeval_macro_f1(gold: &[usize], predicted: &[usize], labels: &LabelSet) -> Result<f64> {
    Ok(mean_f1_of_relations(&confusion(gold, predicted, labels.len())?, labels))
}

/// The class of no relation in SemEval-2010 Task 8.
const OTHER: &str = "Other";

/// Endings of labels that tell which entity plays which part.
const DIRECTIONS: [&str; 2] = ["(e1,e2)", "(e2,e1)"];

fn has_directions(labels: &LabelSet) -> bool {
    labels.names().iter().any(|name| DIRECTIONS.iter().any(|direction| name.ends_with(direction)))
}

fn mean_f1_of_relations(confusion: &Array2<usize>, labels: &LabelSet) -> f64 {
    let mut relations: Vec<(&str, Tally)> = Vec::new();
    for (class, (name, tally)) in labels.names().iter().zip(tallies(confusion)).enumerate() {
        // The task's rule holds whatever the label set says.
        if labels.no_relation() == Some(class) || name == OTHER {
            continue;
        }
        let name = DIRECTIONS.iter().find_map(|d| name.strip_suffix(d)).unwrap_or(name);
        match relations.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => sum.add(tally),
            None => relations.push((name, tally)),
        }
    }
    mean(relations.iter().filter(|(_, tally)| tally.support > 0).map(|(_, tally)| tally.f1()))
}

/// Decisions for a class, or for several.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    hits: usize,
    predicted: usize,
    support: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.predicted += other.predicted;
        self.support += other.support;
    }

    /// The figures of the class `label`.
    fn of(self, label: &str) -> LabelMetrics {
        LabelMetrics {
            label: label.to_owned(),
            precision: ratio(self.hits, self.predicted),
            recall: ratio(self.hits, self.support),
            f1: self.f1(),
            support: self.support,
            predicted: self.predicted,
        }
    }

    /// 2PR / (P + R), written without the division by zero of its parts.
    fn f1(self) -> f64 {
        ratio(2 * self.hits, self.predicted + self.support)
    }
}

fn tallies(confusion: &Array2<usize>) -> impl Iterator<Item = Tally> {
    let (rows, columns) = (confusion.rows().into_iter(), confusion.columns().into_iter());
    confusion.diag().into_iter().zip(rows.zip(columns)).map(|(&hits, (gold, predicted))| Tally {
        hits,
        predicted: predicted.sum(),
        support: gold.sum(),
    })
}

/// A matrix as files have it: a list of rows of equal length.
mod lists {
    use ndarray::Array2;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(matrix: &Array2<usize>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(matrix.rows().into_iter().map(|row| row.to_vec()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array2<usize>, D::Error> {
        let rows = Vec::<Vec<usize>>::deserialize(deserializer)?;
        let columns = rows.first().map_or(0, Vec::len);
        if let Some(row) = rows.iter().find(|row| row.len() != columns) {
            return Err(Error::custom(format!(
                "rows of {columns} and of {} numbers in one matrix",
                row.len()
            )));
        }
        Array2::from_shape_vec((rows.len(), columns), rows.concat()).map_err(Error::custom)
    }
}

/// Classes that are told apart at most: the numbers of rows of each pair of them are held in memory.
const MOST_CLASSES: usize = 4096;

fn confusion(gold: &[usize], predicted: &[usize], classes: usize) -> Result<Array2<usize>> {
    check(gold, predicted.len(), classes)?;
    check(predicted, gold.len(), classes)?;
    if classes > MOST_CLASSES {
        return Err(Error::Argument {
            name: "classes",
            found: format!("{classes} different labels"),
            expected: "at most 4096 (is this the column of the labels?)",
        });
    }
    let mut confusion = Array2::zeros((classes, classes));
    for (&gold, &predicted) in gold.iter().zip(predicted) {
        if let Some(count) = confusion.get_mut((gold, predicted)) {
            *count += 1;
        }
    }
    Ok(confusion)
}

fn check(rows: &[usize], others: usize, classes: usize) -> Result<()> {
    if rows.len() != others {
        return Err(Error::Argument {
            name: "rows",
            found: format!("{} beside {others}", rows.len()),
            expected: "as many true classes as predictions",
        });
    }
    match rows.iter().find(|&&class| class >= classes) {
        None => Ok(()),
        Some(class) => Err(Error::Argument {
            name: "class",
            found: format!("{class} of {classes}"),
            expected: "a class of the label set",
        }),
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    if n == 0 { 0.0 } else { sum / n as f64 }
}
