//! Documents as rows: a row for each candidate pair of mentions.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use re_data::{Document, LabelSet, NoRelation, PairRule, Predictor, Probabilities, RelationExample};
use re_extract::{
    Answer, Calibration, CalibrationOptions, GraphSettings, RelationProperties, ThresholdOptions, Thresholds,
    TrainingPairOptions, TypeConstraints, candidate_rows,
};
use re_formats::documents::DocumentFormat;
use re_train::TrainConfig;
use serde::{Deserialize, Serialize};

use crate::documents;
use crate::error::{Error, Result};
use crate::trained::load_predictor;

/// Label of unrelated pairs, where the settings name no other one.
const NO_RELATION: &str = "no_relation";

/// How documents with mentions and relations become rows.
///
/// ```
/// let data: re_experiment::DataConfig = toml::from_str(
///     r#"
///     train = "train.json"
///     pairs = { negatives = 3.0, rule.same_sentence = true, properties.symmetric = ["spouse"] }
///     "#,
/// )?;
/// assert!(data.pairs.is_some_and(|pairs| pairs.rule.same_sentence));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PairConfig {
    /// Layout of the files; recognised by name and content where left out.
    pub format: Option<DocumentFormat>,
    /// Which ordered pairs of mentions are rows; all where left out.
    pub rule: PairRule,
    /// Unrelated pairs for each related one among the training rows, drawn by the seed of the data; all of them where left
    /// out. Rows that are evaluated on or predicted are all pairs.
    pub negatives: Option<f64>,
    /// A trained model, as [`load_predictor`] takes it: the unrelated pairs are not drawn, but those are
    /// trained on to which it gives the largest probability of a relation (hard negatives). It computes on the CPU.
    pub hard_negatives_from: Option<PathBuf>,
    /// Symmetric relations, and relations that are each other's inverse.
    pub properties: RelationProperties,
    /// How often the relations of the training documents must join two types of mentions for such pairs to be rows; 0 where
    /// types decide nothing.
    pub min_type_count: usize,
    /// Share of the extracted relations that shall be right, 0..1: thresholds are chosen for it on the validation rows.
    pub precision: Option<f64>,
}

/// Documents and what is made of them.
pub(crate) struct Pairs {
    config: PairConfig,
    no_relation: String,
    seed: u64,
    /// Says which unrelated pairs are the hardest, once it is asked for.
    hardest: Option<Box<dyn Predictor>>,
    /// What says which pairs are candidates; the same is stored with the model.
    pub settings: GraphSettings,
}

/// The rows of a file of documents.
pub(crate) struct PairRows {
    /// All candidate pairs, with labels where any document of the file has a relation.
    pub examples: Vec<RelationExample>,
    /// Ids of the rows that are trained on.
    pub drawn: HashSet<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

impl Pairs {
    pub fn new(config: &PairConfig, no_relation: Option<&NoRelation>, seed: u64) -> Result<Self> {
        let no_relation = match no_relation {
            None => NO_RELATION.to_owned(),
            Some(NoRelation::Class(name)) => name.clone(),
            Some(NoRelation::Absent) => {
                let expected = "a name, as unrelated pairs of mentions have that label";
                return Err(Error::config("data.no_relation", "\"\"".to_owned(), expected));
            }
        };
        if let Some(ratio) = config.negatives.filter(|ratio| !(ratio.is_finite() && *ratio >= 0.0)) {
            return Err(Error::config("data.pairs.negatives", ratio.to_string(), "a number from 0 up"));
        }
        if let Some(share) = config.precision.filter(|share| !(*share > 0.0 && *share < 1.0)) {
            return Err(Error::config("data.pairs.precision", share.to_string(), "above 0, below 1"));
        }
        if let (Some(model), None) = (&config.hard_negatives_from, config.negatives) {
            let found = format!("{} without data.pairs.negatives", model.display());
            let expected = "data.pairs.negatives, which says how many unrelated pairs are trained on";
            return Err(Error::config("data.pairs.hard_negatives_from", found, expected));
        }
        let settings = GraphSettings {
            rule: config.rule.clone(),
            properties: config.properties.clone(),
            ..GraphSettings::default()
        };
        Ok(Self { config: config.clone(), no_relation, seed, hardest: None, settings })
    }

    /// Reads the documents of a file.
    pub fn read(&self, path: &Path, lenient: bool) -> Result<(Vec<Document>, Vec<String>)> {
        let (documents, rest) = documents::read(path, self.config.format, lenient)?;
        let mut notes = vec![format!("{}: {} documents", path.display(), documents.len())];
        notes.extend(rest);
        Ok((documents, notes))
    }

    /// The relations of documents, sorted, the class of unrelated pairs first.
    pub fn labels(&self, documents: &[Document]) -> Result<LabelSet> {
        let relations = documents.iter().flat_map(Document::relations).map(|relation| relation.label());
        let names = std::iter::once(self.no_relation.as_str()).chain(relations);
        Ok(LabelSet::of_names(names, Some(&NoRelation::Class(self.no_relation.clone())))?)
    }

    /// Learns from the training documents which types each relation joins.
    pub fn learn_types(&mut self, documents: &[Document]) -> Option<String> {
        if self.config.min_type_count == 0 {
            return None;
        }
        let learnt = TypeConstraints::learn(documents, self.config.min_type_count);
        let relations = learnt.constraints.relations();
        let described = relations.map(|(name, pairs)| format!("{name} {}", pairs.len()));
        let note = described.collect::<Vec<_>>().join(", ");
        self.settings.constraints = learnt.constraints;
        Some(format!("pairs of types that relations join: {note}"))
    }

    /// Loads what ranks the unrelated pairs, if the settings name a model.
    pub fn load_hardest(&mut self) -> Result<Option<String>> {
        let Some(model) = self.config.hard_negatives_from.as_ref().filter(|_| self.hardest.is_none()) else {
            return Ok(None);
        };
        let predictor = load_predictor(model, &TrainConfig::default())?;
        if predictor.labels().no_relation().is_none() {
            let found = format!("{}, whose labels have no class of no relation", model.display());
            let expected = "a model that tells unrelated pairs from related ones";
            return Err(Error::config("data.pairs.hard_negatives_from", found, expected));
        }
        self.hardest = Some(predictor);
        Ok(Some(format!("unrelated training pairs are those that {} finds hardest", model.display())))
    }

    /// The rows of documents. Those to train on are drawn among them where `train` says so.
    pub fn rows(
        &self,
        documents: &[Document],
        labels: &LabelSet,
        path: &Path,
        train: bool,
    ) -> Result<PairRows> {
        let options = TrainingPairOptions { ratio: self.config.negatives.filter(|_| train), seed: self.seed };
        let all = candidate_rows(documents, labels, &self.settings, options, self.hardest.as_deref())?;
        let counts = &all.counts;
        let mut notes = vec![format!(
            "{}: {} pairs are related, {} are not",
            path.display(),
            counts.labelled + counts.from_other_end,
            counts.unrelated
        )];
        let left_out = [
            (counts.unanswered.count, "unrelated pairs could not be ranked, and count as the easiest"),
            (counts.several_labels.count, "pairs with several relations left out, as a row has one label"),
            (
                counts.beyond_candidates,
                "related pairs are no candidates by data.pairs, and rows all the same",
            ),
        ];
        let left_out = left_out.iter().filter(|(count, _)| *count > 0);
        notes.extend(left_out.map(|(count, what)| format!("{}: {count} {what}", path.display())));
        let rows = all.examples.iter().zip(&all.drawn).filter(|(_, drawn)| **drawn);
        let drawn = rows.map(|(row, _)| row.id().to_owned()).collect();
        let mut examples = all.examples;
        // A file without any relation is one whose relations are not known, such as a test set.
        if documents.iter().all(|document| document.relations().is_empty()) {
            examples = examples.into_iter().map(RelationExample::without_label).collect();
        }
        Ok(PairRows { examples, drawn, notes })
    }
}

/// The settings with what the validation rows teach: calibration and, for a wanted precision, thresholds.
pub(crate) fn fitted(
    settings: &GraphSettings,
    config: &PairConfig,
    probabilities: &Probabilities,
    gold: &[usize],
) -> Result<(GraphSettings, String)> {
    let fitted = Calibration::fit(probabilities, gold, CalibrationOptions::default())?;
    let [before, after] = fitted.effect.calibration_error;
    let mut settings = GraphSettings { calibration: fitted.calibration, ..settings.clone() };
    let mut note = format!(
        "calibration: temperature {:.3}, expected calibration error {:.2} % before, {:.2} % after, on the rows it was fitted to",
        settings.calibration.temperature(),
        100.0 * before,
        100.0 * after
    );
    if let Some(precision) = config.precision {
        let answers = answers(&settings.calibration, probabilities, gold);
        if answers.is_empty() {
            note += "; no threshold, as no validation row is predicted to have a relation";
        } else {
            let options = ThresholdOptions { precision, ..ThresholdOptions::default() };
            settings.thresholds = Thresholds::choose(&answers, options)?;
        }
    }
    Ok((settings, note))
}

/// How many of the rows without a relation are predicted to have one; `None` where there is no such row. What rules and
/// thresholds of the graph make of it plays no part here.
pub(crate) fn false_positives(probabilities: &Probabilities, gold: &[usize]) -> Option<String> {
    let none = probabilities.labels().no_relation()?;
    let unrelated = probabilities.classes().into_iter().zip(gold).filter(|(_, gold)| **gold == none);
    let (mut rows, mut related) = (0usize, 0usize);
    for (class, _) in unrelated {
        rows += 1;
        related += usize::from(class != none);
    }
    (rows > 0).then(|| {
        let share = 100.0 * related as f64 / rows as f64;
        format!(
            "validation set: {related} of {rows} unrelated pairs are predicted to be related ({share:.2} %)"
        )
    })
}

/// The relations that are predicted for rows, with their scores.
fn answers(calibration: &Calibration, probabilities: &Probabilities, gold: &[usize]) -> Vec<Answer> {
    let labels = probabilities.labels();
    let tempered = calibration.tempered(probabilities);
    let rows = tempered.iter().zip(probabilities.classes()).zip(gold);
    let answer = |((row, class), gold): ((&Vec<f64>, usize), &usize)| {
        if labels.no_relation() == Some(class) {
            return None;
        }
        let relation = labels.name(class)?.to_owned();
        let score = calibration.score(&relation, row.get(class).copied()?) as f32;
        Some(Answer { relation, score, right: class == *gold })
    };
    rows.filter_map(answer).collect()
}
