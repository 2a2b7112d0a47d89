//! Class probabilities of rows, and the class that follows from them.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result};
use crate::labels::LabelSet;

/// Class probabilities of a list of rows, aligned with the rows' ids and a label set.
///
/// ```
/// # use std::sync::Arc;
/// use ndarray::{Axis, array};
/// use re_data::{LabelSet, Probabilities};
///
/// let labels = Arc::new(LabelSet::new(["no_relation", "spouse"])?);
/// let ids = vec!["1".to_owned(), "2".to_owned()];
/// let probabilities = Probabilities::from_array(ids, labels, array![[0.25, 0.75], [0.75, 0.25]])?;
/// assert_eq!(probabilities.classes(), [1, 0]);
/// assert_eq!(probabilities.as_array().mean_axis(Axis(0)), Some(array![0.5, 0.5]));
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Probabilities {
    ids: Vec<String>,
    labels: Arc<LabelSet>,
    /// In row-major order.
    values: Array2<f32>,
}

impl Probabilities {
    /// A matrix of `ids.len()` rows and `labels.len()` columns, flat, row by row.
    ///
    /// # Errors
    /// [`Error::Probabilities`] where the number of values does not fit, or a value is not a
    /// number in 0..=1 (rounding up to 1.001 is accepted).
    pub fn new(ids: Vec<String>, labels: Arc<LabelSet>, values: Vec<f32>) -> Result<Self> {
        let found = values.len();
        match Array2::from_shape_vec((ids.len(), labels.len()), values) {
            Ok(values) => Self::from_array(ids, labels, values),
            Err(_) => Err(Error::Probabilities {
                reason: format!(
                    "found {found} values for {} rows of {} classes, expected {}",
                    ids.len(),
                    labels.len(),
                    ids.len() * labels.len()
                ),
            }),
        }
    }

    /// A matrix of one row for each id and one column for each label.
    ///
    /// # Errors
    /// As [`Probabilities::new`].
    pub fn from_array(ids: Vec<String>, labels: Arc<LabelSet>, values: Array2<f32>) -> Result<Self> {
        let expected = (ids.len(), labels.len());
        if values.dim() != expected {
            let reason = format!("found a matrix of shape {:?}, expected {expected:?}", values.dim());
            return Err(Error::Probabilities { reason });
        }
        if let Some(((row, class), value)) = values.indexed_iter().find(|(_, v)| !(0.0..=1.001).contains(*v))
        {
            return Err(Error::Probabilities {
                reason: format!(
                    "row {} has {value} for class {}, expected a number from 0 to 1",
                    ids.get(row).map(String::as_str).unwrap_or_default(),
                    labels.name(class).unwrap_or_default()
                ),
            });
        }
        Ok(Self { ids, labels, values: values.as_standard_layout().into_owned() })
    }

    /// Ids of the rows, in order.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The classes, in column order.
    pub fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The same probabilities with another class, or none, in the role of "no relation", which files of them do not tell.
    ///
    /// # Errors
    /// As [`LabelSet::with_no_relation`].
    pub fn with_no_relation(mut self, name: Option<&str>) -> Result<Self> {
        if self.labels.no_relation_name() != name {
            self.labels = Arc::new(LabelSet::clone(&self.labels).with_no_relation(name)?);
        }
        Ok(self)
    }

    /// The matrix `[rows, classes]`.
    pub fn as_array(&self) -> ArrayView2<'_, f32> {
        self.values.view()
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        self.values.as_slice().unwrap_or_default()
    }

    /// The rows, one slice of class probabilities each.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values().chunks_exact(self.labels.len())
    }

    /// The most probable class of each row with its probability; the first class wins a tie.
    pub fn predictions(&self) -> impl ExactSizeIterator<Item = Prediction<'_>> {
        self.rows().zip(&self.ids).map(|(row, id)| {
            let class = argmax(row);
            Prediction {
                id,
                class,
                label: self.labels.name(class).unwrap_or_default(),
                probability: row.get(class).copied().unwrap_or_default(),
                probabilities: row,
            }
        })
    }

    /// The most probable class of each row; the first class wins a tie.
    pub fn classes(&self) -> Vec<usize> {
        self.rows().map(argmax).collect()
    }
}

/// Index of the largest value, the first one of equals; 0 for an empty slice.
pub fn argmax<T: PartialOrd>(values: &[T]) -> usize {
    let mut best: Option<(usize, &T)> = None;
    for (at, value) in values.iter().enumerate() {
        if best.is_none_or(|(_, highest)| value > highest) {
            best = Some((at, value));
        }
    }
    best.map_or(0, |(at, _)| at)
}

/// What a model says about one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction<'a> {
    /// Id of the row.
    pub id: &'a str,
    /// The most probable class.
    pub class: usize,
    /// Its name.
    pub label: &'a str,
    /// Its probability, 0 to 1.
    pub probability: f32,
    /// Probabilities of all classes, in label order.
    pub probabilities: &'a [f32],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Arc<LabelSet> {
        Arc::new(LabelSet::new(["no_relation", "a", "b"]).unwrap())
    }

    #[test]
    fn shape_and_range_are_checked() {
        let ids = || vec!["x".to_owned(), "y".to_owned()];
        assert!(Probabilities::new(ids(), labels(), vec![0.1; 5]).is_err());
        let error = Probabilities::new(ids(), labels(), vec![0.0, 0.0, 1.0, 0.0, f32::NAN, 0.0]).unwrap_err();
        assert!(error.to_string().contains("row y has NaN for class a"), "{error}");
        let turned = Array2::zeros((3, 2));
        let error = Probabilities::from_array(ids(), labels(), turned).unwrap_err().to_string();
        assert!(error.contains("shape (3, 2), expected (2, 3)"), "{error}");
    }

    #[test]
    fn columns_that_lie_one_after_the_other_are_put_in_rows() {
        let columns = Array2::from_shape_vec((3, 1), vec![0.5, 0.25, 0.125]).unwrap().reversed_axes();
        let found = Probabilities::from_array(vec!["x".into()], labels(), columns).unwrap();
        assert_eq!(found.values(), [0.5, 0.25, 0.125]);
        assert_eq!(found.as_array().dim(), (1, 3));
    }

    #[test]
    fn the_first_class_wins_a_tie() {
        let p = Probabilities::new(vec!["x".into()], labels(), vec![0.2, 0.4, 0.4]).unwrap();
        let row = p.predictions().next().unwrap();
        assert_eq!((row.class, row.label, row.probability), (1, "a", 0.4));
    }
}
