//! A classifier that says whether there is a relation, before questions find out which.

use std::sync::Arc;

use re_data::predict::argmax;
use re_data::{
    Error, LabelSet, Outcomes, PredictError, Predictor, Probabilities, RelationExample, Result, RowError,
};

use super::{Answers, QuestionAnswerer, Rule};

/// Name of the classifier in errors.
const CLASSIFIER: &str = "classifier";
/// Name of the answerer in errors.
const ANSWERER: &str = "answerer";

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

/// What was asked about a row: nothing where its class is known, or why it could not be asked about.
type GatedRow = Result<Option<Answers>, RowError>;

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
    /// Whatever kept either model from answering, such as a row that one of them cannot answer.
    pub fn answer(&self, examples: &[RelationExample]) -> Result<GatedAnswers, PredictError> {
        let (first, answers) = self.answer_rows(examples)?;
        Ok(GatedAnswers {
            labels: Arc::clone(&self.labels),
            columns: self.columns.clone(),
            none_of_classifier: self.none_of_classifier,
            classifier: first.into_probabilities().map_err(|error| error.in_member(CLASSIFIER))?,
            answers: answers.into_iter().collect::<Result<_, _>>()?,
        })
    }

    /// What the classifier says of each row, and the answers about those that it lets pass.
    fn answer_rows(&self, examples: &[RelationExample]) -> Result<(Outcomes, Vec<GatedRow>), PredictError> {
        let first = self.classifier.outcomes(examples)?.checked_for(examples)?;
        let passes: Vec<bool> =
            first.rows().map(|row| row.is_ok_and(|row| argmax(row) != self.none_of_classifier)).collect();
        let passed = examples.iter().zip(&passes).filter(|(_, passes)| **passes);
        let passed: Vec<RelationExample> = passed.map(|(example, _)| example.clone()).collect();
        let mut answers = self.answerer.answer_rows(&passed)?.into_iter();
        let of_row = |(example, passes): (&RelationExample, bool)| {
            let answers = passes.then(|| answers.next()).flatten().transpose();
            answers.map_err(|error| RowError::new(example.id(), error).in_member(ANSWERER))
        };
        let answers = examples.iter().zip(passes).map(of_row).collect();
        Ok((first, answers))
    }
}

impl<C: Predictor> Predictor for GatedAnswerer<C> {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        let (first, answers) = self.answer_rows(examples)?;
        let rule = self.answerer.rule();
        let rows = examples.iter().zip(first.rows().zip(answers)).map(|(example, (first, answers))| {
            let first = first.map_err(|error| error.clone().in_member(CLASSIFIER))?;
            let row = combined(first, self.none_of_classifier, answers?.as_ref(), &self.columns, rule);
            Ok((example.id().to_owned(), row))
        });
        Ok(Outcomes::new(Arc::clone(&self.labels), rows)?)
    }

    /// As if all rows passed.
    fn tokens(&self, example: &RelationExample) -> usize {
        self.classifier.tokens(example) + self.answerer.tokens(example)
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
            values.extend(combined(first, self.none_of_classifier, answers.as_ref(), &self.columns, rule));
        }
        Probabilities::new(self.classifier.ids().to_vec(), Arc::clone(&self.labels), values)
    }
}

/// Class probabilities of a row: what the classifier leaves to the relations, shared out as its answers say.
fn combined(
    first: &[f32],
    none_of_classifier: usize,
    answers: Option<&Answers>,
    columns: &[Option<usize>],
    rule: Rule,
) -> Vec<f32> {
    let unrelated = first.get(none_of_classifier).copied().unwrap_or_default().min(1.0);
    let relations = columns.iter().flatten().count().max(1);
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
    let of_class =
        |column: &Option<usize>| column.as_ref().map_or(none, |column| (1.0 - none) * share(column));
    columns.iter().map(of_class).collect()
}
