//! What all models have in common: they answer rows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::example::RelationExample;
use crate::labels::LabelSet;
use crate::outcomes::{Outcomes, RowError};
use crate::predict::Probabilities;
use crate::text::quoted;

/// Bytes of text that count as one token where nobody counts them: a little below what the tokenizers of multilingual
/// models need for English and Korean.
const BYTES_PER_TOKEN: usize = 4;
/// Tokens that a markup and the tokenizer add to a text, about.
const ADDED_TOKENS: usize = 8;

/// Why a predictor gave no answer at all. What is wrong with one row is a [`RowError`] among the [`Outcomes`], and stands
/// here where all rows were wanted.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// A row could not be answered, and [`Predictor::predict`] answers all or none.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The caller stopped it.
    #[error("prediction was interrupted")]
    Interrupted,
    /// It answered for other rows than it was asked about.
    #[error("answer {row} of {rows} is for {}, expected {}", id_or_none(found), id_or_none(expected))]
    OtherRows {
        /// Position of the first wrong answer, from 0.
        row: usize,
        /// Number of rows it was asked about.
        rows: usize,
        /// The id it answered with, if any.
        found: Option<String>,
        /// The id it was asked about, if any.
        expected: Option<String>,
    },
    /// The model failed, and with it all rows.
    #[error(transparent)]
    Model(Arc<dyn std::error::Error + Send + Sync>),
}

impl PredictError {
    /// A failure of the model.
    pub fn model(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Model(Arc::from(source.into()))
    }
}

/// What is wrong with a row stays what it is; everything else is the model's fault.
impl From<Error> for PredictError {
    fn from(error: Error) -> Self {
        match error.example().map(str::to_owned) {
            Some(id) => Self::Row(RowError::new(id, error)),
            None => Self::model(error),
        }
    }
}

/// An id in an error.
fn id_or_none(id: &Option<String>) -> String {
    id.as_deref().map_or("no row".to_owned(), |id| format!("id {}", quoted(id)))
}

/// Tokens of an example's row, about, by the length of its text.
pub fn estimated_tokens(example: &RelationExample) -> usize {
    example.text().len() / BYTES_PER_TOKEN + ADDED_TOKENS
}

/// Anything that classifies relation examples: a trained model, an ensemble, a two-stage pair.
///
/// A predictor belongs to one thread at a time: it may be sent to another one, and need not bear to be used by two at
/// once. [`SharedPredictor`] lets several use one in turn; `re_handle::Handle` gives it a thread and a queue.
///
/// ```
/// use std::sync::Arc;
/// use re_data::{ByteSpan, Entity, LabelSet, Outcomes, PredictError, Predictor, RelationExample, RowError};
///
/// /// The same class for every row whose text is not too long.
/// struct Always(Arc<LabelSet>);
///
/// impl Predictor for Always {
///     fn labels(&self) -> &Arc<LabelSet> {
///         &self.0
///     }
///
///     fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
///         let rows = examples.iter().map(|example| match example.text().len() {
///             ..40 => Ok((example.id().to_owned(), [1.0, 0.0])),
///             _ => Err(RowError::new(example.id(), "the text is too long")),
///         });
///         Ok(Outcomes::new(Arc::clone(&self.0), rows)?)
///     }
/// }
///
/// let always = Always(Arc::new(LabelSet::new(["spouse", "child"])?));
/// let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
/// let row = RelationExample::new("1", "Marie loves Pierre.", [entity(0, 5), entity(12, 6)])?;
/// assert_eq!(always.predict(&[row])?.classes(), [0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Predictor: Send {
    /// The classes it chooses from.
    fn labels(&self) -> &Arc<LabelSet>;

    /// What becomes of each of `examples`, in their order: class probabilities, or the reason why this row has none.
    ///
    /// A row that cannot be answered, such as one whose entities do not fit into the model's input, fails alone.
    ///
    /// # Errors
    /// [`PredictError::Interrupted`] and [`PredictError::Model`], for what is not the fault of a row.
    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError>;

    /// Class probabilities of `examples`, in their order.
    ///
    /// # Errors
    /// As [`outcomes`](Self::outcomes), and [`PredictError::Row`] for the first row that cannot be answered.
    fn predict(&self, examples: &[RelationExample]) -> Result<Probabilities, PredictError> {
        Ok(self.outcomes(examples)?.into_probabilities()?)
    }

    /// What it costs to answer a row, about, in tokens that go through an encoder: batches are filled by it. It is asked
    /// for often, so that an estimate serves better than a tokenizer.
    fn tokens(&self, example: &RelationExample) -> usize {
        estimated_tokens(example)
    }

    /// Whether it looks at the types of the entities, so that rows without them are not what it was trained on.
    fn reads_types(&self) -> bool {
        false
    }
}

impl Outcomes {
    /// These outcomes, which are for `examples`: for those who take in predictors that others have written.
    ///
    /// # Errors
    /// [`PredictError::OtherRows`] where there are more or fewer of them, or their ids are others.
    pub fn checked_for(self, examples: &[RelationExample]) -> Result<Self, PredictError> {
        let mut ids = self.ids();
        for row in 0..self.len().max(examples.len()) {
            let (found, expected) = (ids.next(), examples.get(row).map(RelationExample::id));
            if found != expected {
                return Err(PredictError::OtherRows {
                    row,
                    rows: examples.len(),
                    found: found.map(str::to_owned),
                    expected: expected.map(str::to_owned),
                });
            }
        }
        drop(ids);
        Ok(self)
    }
}

/// A pointer to a predictor is one too.
macro_rules! predict_through {
    ($pointer:ty $(where $bound:ident)?) => {
        impl<P: Predictor $(+ $bound)? + ?Sized> Predictor for $pointer {
            fn labels(&self) -> &Arc<LabelSet> {
                (**self).labels()
            }

            fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
                (**self).outcomes(examples)
            }

            fn tokens(&self, example: &RelationExample) -> usize {
                (**self).tokens(example)
            }

            fn reads_types(&self) -> bool {
                (**self).reads_types()
            }
        }
    };
}

predict_through!(Box<P>);
predict_through!(&P where Sync);

/// One predictor in several places, such as a loaded model that takes part in several votes. Clones answer with the
/// same one, in turn.
#[derive(Clone)]
pub struct SharedPredictor {
    labels: Arc<LabelSet>,
    predictor: Arc<Mutex<dyn Predictor>>,
}

impl SharedPredictor {
    /// Shares a predictor.
    pub fn new(predictor: impl Predictor + 'static) -> Self {
        Self { labels: Arc::clone(predictor.labels()), predictor: Arc::new(Mutex::new(predictor)) }
    }

    fn lock(&self) -> MutexGuard<'_, dyn Predictor + 'static> {
        // A panic while it answered is its caller's affair; there is nothing here that it could leave half done.
        self.predictor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SharedPredictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedPredictor").field("labels", &self.labels).finish_non_exhaustive()
    }
}

impl Predictor for SharedPredictor {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        self.lock().outcomes(examples)
    }

    fn tokens(&self, example: &RelationExample) -> usize {
        self.lock().tokens(example)
    }

    fn reads_types(&self) -> bool {
        self.lock().reads_types()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::with_causes;
    use crate::example::Entity;
    use crate::span::ByteSpan;

    #[test]
    fn what_is_wrong_with_a_row_is_no_fault_of_the_model() {
        let row = PredictError::from(Error::MissingLabel { id: "7".to_owned() });
        assert!(matches!(&row, PredictError::Row(error) if error.id() == "7"), "{row:?}");
        let model = PredictError::from(Error::io("a.tsv", std::io::Error::other("no space")));
        assert!(matches!(model, PredictError::Model(_)));
        assert_eq!(with_causes(&model), "a.tsv: access failed: no space");
    }

    fn example(id: &str, text: &str) -> RelationExample {
        let entity = || Entity::new(ByteSpan::with_len(0, 1));
        RelationExample::new(id, text, [entity(), entity()]).unwrap()
    }

    /// Answers all rows alike, but for those without a number as id.
    struct Numbers(Arc<LabelSet>);

    impl Predictor for Numbers {
        fn labels(&self) -> &Arc<LabelSet> {
            &self.0
        }

        fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
            let rows = examples.iter().map(|example| match example.id().parse::<u32>() {
                Ok(_) => Ok((example.id().to_owned(), [1.0, 0.0])),
                Err(error) => Err(RowError::new(example.id(), error)),
            });
            Ok(Outcomes::new(Arc::clone(&self.0), rows)?)
        }

        fn reads_types(&self) -> bool {
            true
        }
    }

    fn numbers() -> Numbers {
        Numbers(Arc::new(LabelSet::new(["a", "b"]).unwrap()))
    }

    #[test]
    fn all_rows_are_answered_or_the_first_error_is_given() {
        let rows = ["1", "x", "2", "y"].map(|id| example(id, "text"));
        assert_eq!(numbers().outcomes(&rows).unwrap().answered().ids(), ["1", "2"]);
        let error = numbers().predict(&rows).unwrap_err();
        assert!(matches!(&error, PredictError::Row(error) if error.id() == "x"), "{error:?}");
        assert_eq!(numbers().predict(&rows[2..3]).unwrap().ids(), ["2"]);
    }

    #[test]
    fn outcomes_of_other_rows_are_told() {
        let rows = ["1", "x", "2"].map(|id| example(id, "text"));
        let checked = |asked: &[RelationExample]| numbers().outcomes(&rows).unwrap().checked_for(asked);
        assert_eq!(checked(&rows).unwrap().len(), 3);
        for (asked, at) in [(&rows[..2], 2), (&rows[1..], 0), (&[], 0)] {
            let error = checked(asked).unwrap_err();
            assert!(matches!(error, PredictError::OtherRows { row, .. } if row == at), "{error}");
        }
        let more = [&rows[..], &rows[..1]].concat();
        let text = checked(&more).unwrap_err().to_string();
        assert_eq!(text, "answer 3 of 4 is for no row, expected id \"1\"");
    }

    #[test]
    fn a_shared_predictor_answers_as_the_one_it_shares() {
        let shared = SharedPredictor::new(Box::new(numbers()));
        let rows = ["1", "x"].map(|id| example(id, "text"));
        let answers = std::thread::scope(|scope| {
            let ask = || {
                let (shared, rows) = (shared.clone(), &rows);
                scope.spawn(move || shared.outcomes(rows).unwrap().answered().clone())
            };
            [ask(), ask()].map(|thread| thread.join().unwrap())
        });
        let alone = numbers().outcomes(&rows).unwrap().answered().clone();
        assert_eq!(answers, [alone.clone(), alone]);
        assert!(shared.reads_types());
        assert_eq!(shared.tokens(&rows[0]), numbers().tokens(&rows[0]));
        assert!(numbers().tokens(&example("1", &"x".repeat(400))) >= 100);
    }
}
