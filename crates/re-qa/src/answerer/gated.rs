//! A classifier that says whether there is a relation, before questions find out which.

use std::sync::Arc;

use re_data::predict::argmax;
use re_data::{Error, LabelSet, Predictor, Probabilities, RelationExample, Result};

use super::{Answers, QuestionAnswerer, Rule};

/// Asks only about the rows of which a classifier does not say that there is no relation.
///
/// "No relation" keeps the classifier's probability `n`. Relation `r` gets `(1 - n) p(r)`, where `p` is the softmax of
/// the answerer's scores, or an equal part where nothing was asked. Where `n` would then be the greatest of a row that
/// was asked about, it is lowered to just below the best relation: the classifier has let the row pass.
#[derive(Debug)]
pub struct GatedAnswerer<C> {
    classifier: C,
    none_of_classifier: usize,
    answerer: QuestionAnswerer,
    labels: Arc<LabelSet>,
    /// Place of each class among the relations that are asked for; `None` for "no relation".
    columns: Vec<Option<usize>>,
}

/// What a [`GatedAnswerer`] found out about some rows: their answers, before a rule decides.
#[derive(Debug, Clone)]
pub struct GatedAnswers {
    labels: Arc<LabelSet>,
    columns: Vec<Option<usize>>,
    none_of_classifier: usize,
    classifier: Probabilities,
    answers: Vec<Option<Answers>>,
}

impl<C: Predictor> GatedAnswerer<C> {
    /// A classifier and an answerer that decide together between the classes `labels`.
    ///
    /// # Errors
    /// [`Error::LabelSet`] where `labels` or those of the classifier have no no-relation class, the two are not the
    /// same, or the relations are not those that the answerer asks for.
    pub fn new(classifier: C, answerer: QuestionAnswerer, labels: Arc<LabelSet>) -> Result<Self> {
        let fault = |reason: String| Error::LabelSet { path: None, reason };
        let role =
            |labels: &LabelSet| labels.no_relation().and_then(|class| labels.name(class)).map(str::to_owned);
        let (none, known) = (role(&labels), role(classifier.labels()));
        let (Some(none), Some(none_of_classifier)) = (&none, classifier.labels().no_relation()) else {
            return Err(fault(format!(
                "the no-relation class is {none:?}, that of the classifier {known:?}, expected one in both"
            )));
        };
        if known.as_ref() != Some(none) {
            return Err(fault(format!("the classifier's no-relation class is {known:?}, expected {none:?}")));
        }
        let asked = answerer.questions().labels();
        if let Some(label) = asked.names().iter().find(|label| labels.id(label).is_none()) {
            return Err(fault(format!("a question asks for {label:?}, which is not in the set")));
        }
        let column = |label: &String| match asked.id(label) {
            _ if label == none => Ok(None),
            Some(column) => Ok(Some(column)),
            None => Err(fault(format!("no question asks for {label:?}"))),
        };
        let columns = labels.names().iter().map(column).collect::<Result<_>>()?;
        Ok(Self { classifier, none_of_classifier, answerer, labels, columns })
    }

    /// The answerer.
    pub fn answerer(&self) -> &QuestionAnswerer {
        &self.answerer
    }

    /// Asks all questions about the rows of `examples` that the classifier lets pass.
    ///
    /// # Errors
    /// [`Error::Predictor`] with whatever kept either model from answering.
    pub fn ask(&self, examples: &[RelationExample]) -> Result<GatedAnswers> {
        let first = self.classifier.predict(examples)?;
        let none = self.none_of_classifier;
        let passes: Vec<bool> = first.rows().map(|row| argmax(row) != none).collect();
        let passed = examples.iter().zip(&passes).filter(|(_, passes)| **passes);
        let passed: Vec<RelationExample> = passed.map(|(example, _)| example.clone()).collect();
        let mut answers = self.answerer.ask(&passed).map_err(Error::predictor)?.into_iter();
        Ok(GatedAnswers {
            labels: Arc::clone(&self.labels),
            columns: self.columns.clone(),
            none_of_classifier: none,
            classifier: first,
            answers: passes.iter().map(|&passes| passes.then(|| answers.next()).flatten()).collect(),
        })
    }
}

impl<C: Predictor> Predictor for GatedAnswerer<C> {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    fn predict(&self, examples: &[RelationExample]) -> Result<Probabilities> {
        self.ask(examples)?.probabilities(self.answerer.rule())
    }

    fn reads_types(&self) -> bool {
        self.classifier.reads_types()
    }
}

impl GatedAnswers {
    /// What the classifier says of the rows.
    pub fn classifier(&self) -> &Probabilities {
        &self.classifier
    }

    /// The answers about each row; `None` where the classifier found no relation.
    pub fn answers(&self) -> &[Option<Answers>] {
        &self.answers
    }

    /// Numbers of distinct answers of the rows that were asked about.
    pub fn distinct(&self) -> impl Iterator<Item = usize> {
        self.answers.iter().flatten().map(Answers::distinct)
    }

    /// What the same [`GatedAnswerer`] found out about rows that it was asked about in parts; `None` without a part.
    ///
    /// # Errors
    /// [`Error::LabelSet`] where the parts are of different classifiers.
    pub fn concat(parts: impl IntoIterator<Item = Self>) -> Result<Option<Self>> {
        let mut parts = parts.into_iter();
        let Some(mut whole) = parts.next() else { return Ok(None) };
        let labels = Arc::clone(whole.classifier.labels());
        let (mut ids, mut values) = (whole.classifier.ids().to_vec(), whole.classifier.values().to_vec());
        for part in parts {
            if part.classifier.labels() != &labels {
                let reason = "found answers behind another classifier, expected the same one".to_owned();
                return Err(Error::LabelSet { path: None, reason });
            }
            ids.extend_from_slice(part.classifier.ids());
            values.extend_from_slice(part.classifier.values());
            whole.answers.extend(part.answers);
        }
        whole.classifier = Probabilities::new(ids, labels, values)?;
        Ok(Some(whole))
    }

    /// Class probabilities as `rule` decides.
    ///
    /// # Errors
    /// None: the values are probabilities.
    pub fn probabilities(&self, rule: Rule) -> Result<Probabilities> {
        let mut values = Vec::with_capacity(self.classifier.len() * self.labels.len());
        for (first, answers) in self.classifier.rows().zip(&self.answers) {
            let unrelated = first.get(self.none_of_classifier).copied().unwrap_or_default().min(1.0);
            let relations = self.columns.iter().flatten().count().max(1);
            let (none, shares) = match answers {
                None => (unrelated, vec![1.0 / relations as f32; relations]),
                Some(answers) => {
                    let shares = answers.probabilities(rule);
                    let best = shares.iter().copied().fold(0.0, f32::max);
                    // At `n = best / (1 + best)` both would be equal.
                    (unrelated.min(0.999 * best / (1.0 + best)), shares)
                }
            };
            let share = |column: &usize| shares.get(*column).copied().unwrap_or_default();
            values.extend(self.columns.iter().map(|column| match column {
                None => none,
                Some(column) => (1.0 - none) * share(column),
            }));
        }
        Probabilities::new(self.classifier.ids().to_vec(), Arc::clone(&self.labels), values)
    }
}
