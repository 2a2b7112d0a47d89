//! What became of each row of a prediction: its class probabilities, or the reason why it has none.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::labels::LabelSet;
use crate::predict::{Prediction, Probabilities};
use crate::text::brief;

/// Why one row was not answered. It names the row, and the member of an ensemble where one could not answer it.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct RowError(Reason);

#[derive(Debug, Clone, thiserror::Error)]
enum Reason {
    /// An error that names the row itself.
    #[error(transparent)]
    Data(Arc<Error>),
    #[error("{member}: prediction failed")]
    Member { member: String, source: Box<RowError> },
    #[error("example {}: prediction failed", brief(id))]
    Other { id: String, source: Arc<dyn std::error::Error + Send + Sync> },
}

impl RowError {
    /// What kept the row with this id from being answered. An [`enum@Error`] that names a row is told as it is.
    ///
    /// ```
    /// let error = re_data::RowError::new("7", "the text is empty");
    /// assert_eq!(re_data::error::with_causes(&error), "example 7: prediction failed: the text is empty");
    /// ```
    pub fn new(id: impl Into<String>, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = match reason.into().downcast::<Error>() {
            Ok(error) if error.example().is_some() => return Self(Reason::Data(Arc::from(error))),
            Ok(error) => Arc::from(error as Box<dyn std::error::Error + Send + Sync>),
            Err(other) => Arc::from(other),
        };
        Self(Reason::Other { id: id.into(), source })
    }

    /// The same fault as an ensemble tells it: `member` could not answer the row.
    #[must_use]
    pub fn in_member(self, member: impl Into<String>) -> Self {
        Self(Reason::Member { member: member.into(), source: Box::new(self) })
    }

    /// Id of the row.
    pub fn id(&self) -> &str {
        match &self.0 {
            Reason::Data(error) => error.example().unwrap_or_default(),
            Reason::Member { source, .. } => source.id(),
            Reason::Other { id, .. } => id,
        }
    }

    /// The reason, however many members deep: an [`enum@Error`] where the row could not be encoded.
    pub fn reason(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        match &self.0 {
            Reason::Data(error) => &**error,
            Reason::Member { source, .. } => source.reason(),
            Reason::Other { source, .. } => &**source,
        }
    }
}

/// One outcome for each row that a [`Predictor`](crate::Predictor) was asked about, in their order.
///
/// ```
/// use std::sync::Arc;
/// use re_data::{LabelSet, Outcomes, RowError};
///
/// let labels = Arc::new(LabelSet::new(["no_relation", "spouse"])?);
/// let rows = [Ok(("1".to_owned(), [0.2, 0.8])), Err(RowError::new("2", "the text is empty"))];
/// let outcomes = Outcomes::new(labels, rows)?;
/// for (id, outcome) in outcomes.ids().zip(outcomes.predictions()) {
///     match outcome {
///         Ok(row) => println!("{id}: {} ({:.1} %)", row.label, 100.0 * row.probability),
///         Err(error) => println!("{id}: {}", re_data::error::with_causes(error)),
///     }
/// }
/// assert_eq!((outcomes.answered().len(), outcomes.failed().len()), (1, 1));
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Outcomes {
    answered: Probabilities,
    /// Rows that failed, with their positions among all, ascending.
    failed: Vec<(usize, RowError)>,
}

impl Outcomes {
    /// Outcomes of rows in their order: id and class probabilities of a row that was answered, or its error.
    ///
    /// # Errors
    /// [`Error::Probabilities`] where a row has not one value for each class, or as [`Probabilities::new`].
    pub fn new<V: AsRef<[f32]>>(
        labels: Arc<LabelSet>,
        rows: impl IntoIterator<Item = Result<(String, V), RowError>>,
    ) -> Result<Self> {
        let (mut ids, mut values, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (at, row) in rows.into_iter().enumerate() {
            match row {
                Ok((id, row)) => {
                    let row = row.as_ref();
                    if row.len() != labels.len() {
                        let (found, expected) = (row.len(), labels.len());
                        let reason = format!(
                            "row {} has {found} values, expected {expected}, one a class",
                            brief(&id)
                        );
                        return Err(Error::Probabilities { reason });
                    }
                    ids.push(id);
                    values.extend_from_slice(row);
                }
                Err(error) => failed.push((at, error)),
            }
        }
        Ok(Self { answered: Probabilities::new(ids, labels, values)?, failed })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.answered.len() + self.failed.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The classes, in column order.
    pub fn labels(&self) -> &Arc<LabelSet> {
        self.answered.labels()
    }

    /// Class probabilities of the rows that were answered.
    pub fn answered(&self) -> &Probabilities {
        &self.answered
    }

    /// The same, without the rows that were not.
    pub fn into_answered(self) -> Probabilities {
        self.answered
    }

    /// Errors of the rows that were not.
    pub fn failed(&self) -> impl ExactSizeIterator<Item = &RowError> {
        self.failed.iter().map(|(_, error)| error)
    }

    /// Ids of all rows.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let answered = self.answered.ids().iter().map(String::as_str);
        self.merged(answered).map(|row| row.unwrap_or_else(RowError::id))
    }

    /// Class probabilities of each row, or its error.
    pub fn rows(&self) -> impl Iterator<Item = Result<&[f32], &RowError>> {
        self.merged(self.answered.rows())
    }

    /// The most probable class of each row with its probability, or the row's error.
    pub fn predictions(&self) -> impl Iterator<Item = Result<Prediction<'_>, &RowError>> {
        self.merged(self.answered.predictions())
    }

    /// What belongs to the answered rows, with the errors of the others between.
    fn merged<T>(&self, mut answered: impl Iterator<Item = T>) -> impl Iterator<Item = Result<T, &RowError>> {
        let mut failed = self.failed.iter().peekable();
        (0..self.len()).filter_map(move |row| match failed.next_if(|(at, _)| *at == row) {
            Some((_, error)) => Some(Err(error)),
            None => answered.next().map(Ok),
        })
    }

    /// The probabilities of all rows, where all were answered.
    ///
    /// # Errors
    /// The error of the first row that was not.
    pub fn into_probabilities(self) -> Result<Probabilities, RowError> {
        match self.failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(self.answered),
        }
    }
}

/// All rows were answered.
impl From<Probabilities> for Outcomes {
    fn from(answered: Probabilities) -> Self {
        Self { answered, failed: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::with_causes;

    fn labels() -> Arc<LabelSet> {
        Arc::new(LabelSet::new(["no_relation", "a"]).unwrap())
    }

    fn lost(id: &str) -> Error {
        Error::LostEntity { id: id.to_owned(), entity: 0, max_length: 8, needed: 9 }
    }

    #[test]
    fn each_row_has_its_outcome_in_its_place() {
        let fault = |id: &str| Err(RowError::new(id, lost(id)));
        let answer = |id: &str, p| Ok((id.to_owned(), [p, 1.0 - p]));
        let rows =
            [fault("1"), answer("2", 0.25), answer("3", 0.75), fault("4"), fault("5"), answer("6", 0.5)];
        let outcomes = Outcomes::new(labels(), rows).unwrap();
        assert_eq!(outcomes.ids().collect::<Vec<_>>(), ["1", "2", "3", "4", "5", "6"]);
        let found: Vec<_> = outcomes.rows().map(|row| row.map(|p| p[0]).map_err(RowError::id)).collect();
        assert_eq!(found, [Err("1"), Ok(0.25), Ok(0.75), Err("4"), Err("5"), Ok(0.5)]);
        let classes: Vec<_> = outcomes.predictions().map(|row| row.ok().map(|row| row.label)).collect();
        assert_eq!(classes, [None, Some("a"), Some("no_relation"), None, None, Some("no_relation")]);
        assert_eq!((outcomes.len(), outcomes.answered().len(), outcomes.failed().len()), (6, 3, 3));
        assert_eq!(outcomes.into_probabilities().unwrap_err().id(), "1");

        let all = Outcomes::new(labels(), [answer("2", 0.25)]).unwrap();
        assert_eq!(all.into_probabilities().unwrap().values(), [0.25, 0.75]);
        assert!(
            Outcomes::new(labels(), std::iter::empty::<Result<(String, [f32; 2]), _>>()).unwrap().is_empty()
        );
    }

    #[test]
    fn a_row_without_a_value_for_each_class_is_refused() {
        let rows = [Ok(("1".to_owned(), vec![1.0])), Ok(("2".to_owned(), vec![0.5, 0.25, 0.25]))];
        let error = Outcomes::new(labels(), rows).unwrap_err().to_string();
        assert!(error.contains("row 1 has 1 values, expected 2"), "{error}");
    }

    #[test]
    fn a_row_and_its_members_are_named_once() {
        let error = RowError::new("7", lost("7"));
        assert!(with_causes(&error).starts_with("example 7: entity 1 does not fit into 8 tokens"));
        let error = error.in_member("a").in_member("b");
        let text = with_causes(&error);
        assert!(
            text.starts_with("b: prediction failed: a: prediction failed: example 7: entity 1"),
            "{text}"
        );
        assert_eq!((text.matches("example 7").count(), error.id()), (1, "7"));
        assert!(matches!(error.reason().downcast_ref(), Some(Error::LostEntity { needed: 9, .. })));

        let io = RowError::new("8", Error::io("a.tsv", std::io::Error::other("no space")));
        assert_eq!(with_causes(&io), "example 8: prediction failed: a.tsv: access failed: no space");
        assert_eq!(io.id(), "8");
    }
}
