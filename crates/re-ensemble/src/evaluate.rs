//! Predictions against gold labels.

use re_data::metrics::Metrics;
use serde::Serialize;

use crate::error::Result;
use crate::gold::Gold;
use crate::members::{Member, Members};
use crate::significance::{Bootstrap, Estimate, accuracy, hits};

/// How well predictions agree with gold labels. All figures are 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// The metrics. [`Metrics::auprc`] is left out where every row is certain, as labels without probabilities are.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Accuracy with Wilson's interval (see [`wilson`](crate::wilson)).
    pub accuracy_interval: Estimate,
}

/// Compares predictions with the gold labels of the same rows, in whatever order.
///
/// `level` is the coverage of the interval, between 0 and 1.
///
/// ```
/// # use std::sync::Arc;
/// use re_data::{LabelSet, Probabilities};
/// use re_ensemble::{Gold, Member, evaluate};
/// let labels = Arc::new(LabelSet::new(["no_relation", "spouse"])?);
/// let ids = vec!["1".into(), "2".into()];
/// let model = Member::new("model", Probabilities::new(ids, labels, vec![0.9, 0.1, 0.6, 0.4])?);
/// let gold = Gold::new([("2", "spouse"), ("1", "no_relation")])?;
/// assert_eq!(evaluate(model, &gold, 0.95)?.metrics.accuracy, 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Errors that name the row where ids differ or a gold label is unknown, [`NoRows`](crate::Error::NoRows), and
/// [`Argument`](crate::Error::Argument) where `level` is out of range.
pub fn evaluate(member: Member, gold: &Gold, level: f64) -> Result<Evaluation> {
    Bootstrap { level, ..Bootstrap::default() }.check()?;
    let members = Members::align([member])?;
    let gold = gold.aligned(&members)?.classes;
    let Some(member) = members.members().first() else { return Err(crate::Error::NoMembers) };
    let probabilities = member.probabilities();
    let mut metrics = Metrics::of_probabilities(&gold, probabilities)?;
    if probabilities.values().iter().all(|value| [0.0, 1.0].contains(value)) {
        metrics.auprc = None;
    }
    Ok(Evaluation { metrics, accuracy_interval: accuracy(&hits(member, &gold), level)? })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use re_data::{LabelSet, Probabilities};

    use super::*;

    fn member(labels: &[&str], values: &[f32]) -> Member {
        let labels = Arc::new(LabelSet::new(labels.iter().copied()).unwrap());
        let ids = (0..values.len() / labels.len()).map(|row| row.to_string()).collect();
        Member::new("m.csv", Probabilities::new(ids, labels, values.to_vec()).unwrap())
    }

    #[test]
    fn rows_are_aligned_by_id() {
        let labels = ["Other", "Cause(e1,e2)", "Cause(e2,e1)"];
        let found = member(&labels, &[0.8, 0.1, 0.1, 0.1, 0.8, 0.1, 0.1, 0.7, 0.2]);
        let gold = Gold::new([("2", "Cause(e2,e1)"), ("1", "Cause(e1,e2)"), ("0", "Other")]).unwrap();
        let evaluation = evaluate(found, &gold, 0.95).unwrap();
        assert_eq!(evaluation.metrics.accuracy, 2.0 / 3.0);
        assert!(evaluation.metrics.auprc.is_some());
        assert_eq!(evaluation.metrics.semeval_macro_f1, Some(0.5));
        assert!(
            evaluation.accuracy_interval.low < 2.0 / 3.0 && evaluation.accuracy_interval.high > 2.0 / 3.0
        );
    }

    #[test]
    fn certain_rows_have_no_precision_recall_curve() {
        let certain = || member(&["no_relation", "a"], &[1.0, 0.0, 0.0, 1.0]);
        let gold = |second| Gold::new([("0", "no_relation"), (second, "a")]).unwrap();
        let evaluation = evaluate(certain(), &gold("1"), 0.95).unwrap();
        assert_eq!((evaluation.metrics.auprc, evaluation.metrics.semeval_macro_f1), (None, None));
        let message = evaluate(certain(), &gold("9"), 0.95).unwrap_err().to_string();
        assert_eq!(message, "gold: missing row id 1, which m.csv has");
        assert!(evaluate(certain(), &gold("1"), 1.0).is_err());
    }
}
