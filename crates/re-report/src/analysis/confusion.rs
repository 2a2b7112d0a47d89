//! The confusion matrix in an order in which it can be read.

use re_data::metrics::Metrics;

/// Rows by gold and predicted class, for the classes that occur, the one with most gold rows first.
#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Gold rows of each class.
    pub support: Vec<usize>,
    /// Numbers of rows, by gold class (first index) and predicted class.
    pub counts: Vec<Vec<usize>>,
    /// Classes that occur neither as gold nor as predicted.
    pub absent: usize,
}

/// Rows of one class that were taken for another.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake<'a> {
    /// The gold label.
    pub gold: &'a str,
    /// The predicted label.
    pub predicted: &'a str,
    /// Number of rows.
    pub rows: usize,
    /// Share of the gold label's rows.
    pub share: f64,
}

impl Confusion {
    /// Orders the matrix of `metrics`.
    pub fn of(metrics: &Metrics) -> Self {
        let mut order: Vec<usize> = (0..metrics.per_label.len()).collect();
        let label = |&class: &usize| metrics.per_label.get(class);
        order.retain(|class| label(class).is_some_and(|label| label.support + label.predicted > 0));
        order.sort_by_key(|class| {
            std::cmp::Reverse(label(class).map(|label| (label.support, label.predicted)))
        });
        let row = |&class: &usize| {
            order.iter().map(|&at| metrics.confusion.get((class, at)).copied().unwrap_or_default()).collect()
        };
        Self {
            labels: order.iter().filter_map(label).map(|label| label.label.clone()).collect(),
            support: order.iter().filter_map(label).map(|label| label.support).collect(),
            counts: order.iter().map(row).collect(),
            absent: metrics.per_label.len() - order.len(),
        }
    }

    /// The pairs of classes that are confused most often.
    pub fn mistakes(&self, most: usize) -> Vec<Mistake<'_>> {
        let mut found = Vec::new();
        for ((gold, support), counts) in self.labels.iter().zip(&self.support).zip(&self.counts) {
            for (predicted, &rows) in self.labels.iter().zip(counts) {
                if rows > 0 && gold != predicted {
                    found.push(Mistake {
                        gold,
                        predicted,
                        rows,
                        share: rows as f64 / (*support).max(1) as f64,
                    });
                }
            }
        }
        found.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| b.share.total_cmp(&a.share)));
        found.truncate(most);
        found
    }
}

#[cfg(test)]
mod tests {
    use re_data::LabelSet;

    use super::*;

    #[test]
    fn frequent_classes_come_first_and_absent_ones_not_at_all() {
        let labels = LabelSet::new(["a", "b", "c", "d"]).unwrap();
        let metrics = Metrics::of(&[1, 1, 1, 3, 3], &[1, 3, 3, 3, 0], &labels).unwrap();
        let found = Confusion::of(&metrics);
        assert_eq!(found.labels, ["b", "d", "a"]);
        assert_eq!(found.support, [3, 2, 0]);
        assert_eq!(found.counts, [[1, 2, 0], [0, 1, 1], [0, 0, 0]]);
        assert_eq!(found.absent, 1);
        let worst = found.mistakes(1);
        assert_eq!((worst[0].gold, worst[0].predicted, worst[0].rows), ("b", "d", 2));
    }
}
