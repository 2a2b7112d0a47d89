//! What the class probabilities of a pair say once types, temperature and the other direction are taken into account.

use re_data::LabelSet;
use re_data::predict::argmax;

use crate::properties::RelationProperties;

/// A sum of probabilities below which a softmax in 32-bit floats is rounding, and no answer to be scaled up to one.
const ROUNDING: f64 = 1e-6;

/// What is known about the classes.
#[derive(Debug, Clone)]
pub(crate) struct Classes {
    /// The class of no relation.
    none: Option<usize>,
    /// For each class what it is called from the other end.
    counterparts: Vec<Option<usize>>,
    temperature: f64,
}

/// Class probabilities of one pair.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    values: Vec<f64>,
    /// The class that the predictor would have chosen, where the types of the mentions forbid it.
    forbidden: Option<usize>,
}

impl Row {
    pub(crate) fn probability(&self, class: usize) -> f64 {
        self.values.get(class).copied().unwrap_or_default()
    }

    pub(crate) fn forbidden(&self) -> Option<usize> {
        self.forbidden
    }

    /// Probability of the best class less that of the second.
    pub(crate) fn margin(&self) -> f64 {
        let (mut first, mut second) = (0.0, 0.0);
        for &value in &self.values {
            if value > first {
                (first, second) = (value, first);
            } else if value > second {
                second = value;
            }
        }
        first - second
    }

    /// Entropy as a share of the largest one that so many classes can have, 0 to 1.
    pub(crate) fn entropy(&self) -> f64 {
        let positive = self.values.iter().filter(|&&value| value > 0.0);
        let entropy: f64 = positive.map(|value| -value * value.ln()).sum();
        if self.values.len() < 2 { 0.0 } else { (entropy / (self.values.len() as f64).ln()).clamp(0.0, 1.0) }
    }
}

impl Classes {
    pub(crate) fn new(labels: &LabelSet, properties: &RelationProperties, temperature: f64) -> Self {
        let counterpart = |name: &String| labels.id(properties.counterpart(name)?);
        let counterparts = labels.names().iter().map(counterpart).collect();
        Self { none: labels.no_relation(), counterparts, temperature }
    }

    pub(crate) fn counterpart(&self, class: usize) -> Option<usize> {
        self.counterparts.get(class).copied().flatten()
    }

    /// The probabilities of one pair, after the temperature, given that the relation is one of those that the types allow.
    ///
    /// A label that the types forbid cannot be true, so that what remains is Bayes' rule: its probability is removed and
    /// the rest divided by its own sum. That keeps the order and the ratios of the other labels, and it commutes with the
    /// temperature, so that a temperature found on unconstrained rows holds here too. (To give the removed share to "no
    /// relation" instead would let a forbidden label decide between the others.) Where nothing remains but rounding, the
    /// answer is "no relation".
    pub(crate) fn row(&self, probabilities: &[f32], allowed: &[bool]) -> Row {
        let is_allowed = |class: usize| self.none == Some(class) || allowed.get(class) == Some(&true);
        let best = argmax(probabilities);
        let forbidden = (!is_allowed(best)).then_some(best);
        let mut values: Vec<f64> =
            probabilities.iter().map(|&value| f64::from(value).clamp(0.0, 1.0)).collect();
        let mut removed = 0.0;
        for (_, value) in values.iter_mut().enumerate().filter(|(class, _)| !is_allowed(*class)) {
            removed += std::mem::take(value);
        }
        let left: f64 = values.iter().sum();
        if left < ROUNDING {
            values.fill(0.0);
            if let Some(value) = self.none.and_then(|none| values.get_mut(none)) {
                *value = 1.0;
            }
        } else if removed > 0.0 || self.temperature != 1.0 {
            temper(&mut values, self.temperature);
        }
        Row { values, forbidden }
    }

    /// Makes the rows of both directions of a pair agree.
    ///
    /// The probability of a symmetric relation becomes the mean of both directions, and so does that of a relation in one
    /// direction and its inverse in the other. The classes that say nothing about the other direction share what is left
    /// in the ratio that they had; where they had nothing, "no relation" gets it. Each row still sums to one.
    pub(crate) fn combine(&self, one: &mut Row, other: &mut Row) {
        let mut means = vec![None; self.counterparts.len()];
        for ((class, counterpart), mean) in self.counterparts.iter().enumerate().zip(&mut means) {
            *mean = counterpart
                .map(|counterpart| f64::midpoint(one.probability(class), other.probability(counterpart)));
        }
        // The other direction has the same means, under their counterparts.
        let turned: Vec<Option<f64>> = self
            .counterparts
            .iter()
            .map(|counterpart| counterpart.and_then(|class| means.get(class).copied().flatten()))
            .collect();
        self.replace(one, &means);
        self.replace(other, &turned);
    }

    fn replace(&self, row: &mut Row, means: &[Option<f64>]) {
        if means.iter().all(Option::is_none) {
            return;
        }
        let total: f64 = row.values.iter().sum();
        let agreed: f64 = means.iter().flatten().sum();
        let rest: f64 =
            row.values.iter().zip(means).filter(|(_, mean)| mean.is_none()).map(|(value, _)| value).sum();
        let left = (total - agreed).max(0.0);
        for (class, (value, mean)) in row.values.iter_mut().zip(means).enumerate() {
            match mean {
                Some(mean) => *value = *mean,
                None if rest > 0.0 => *value *= left / rest,
                None if self.none == Some(class) => *value = left,
                None => {}
            }
        }
    }

    /// The most probable relation of a pair whose other direction was not judged; `None` for "no relation".
    pub(crate) fn answer(&self, row: &Row) -> Option<usize> {
        let class = argmax(&row.values);
        (self.none != Some(class) && row.probability(class) > 0.0).then_some(class)
    }

    /// The most probable relations of both directions, after [`combine`](Self::combine): of the answers that do not
    /// contradict each other, those whose probabilities have the largest product. A symmetric relation and a relation with
    /// an inverse answer both directions; every other class goes with any such class of the other direction.
    pub(crate) fn answers(&self, one: &Row, other: &Row) -> [Option<usize>; 2] {
        let agreed = (0..self.counterparts.len()).filter(|&class| self.counterpart(class).is_some()).fold(
            None,
            |best: Option<usize>, class| match best {
                Some(best) if one.probability(best) >= one.probability(class) => Some(best),
                _ => Some(class),
            },
        );
        let free = |row: &Row| Row {
            values: row
                .values
                .iter()
                .enumerate()
                .map(|(class, &value)| if self.counterpart(class).is_some() { 0.0 } else { value })
                .collect(),
            forbidden: None,
        };
        let rest = [free(one), free(other)];
        let product: f64 = rest.iter().map(|row| row.values.iter().copied().fold(0.0, f64::max)).product();
        match agreed {
            Some(class) if one.probability(class) * one.probability(class) > product => {
                [Some(class), self.counterpart(class)]
            }
            _ => rest.map(|row| self.answer(&row)),
        }
    }

    /// The most probable class that is a relation, with its probability.
    pub(crate) fn best_relation(&self, row: &Row) -> Option<usize> {
        let relations = (0..row.values.len()).filter(|&class| self.none != Some(class));
        relations.fold(None, |best: Option<usize>, class| match best {
            Some(best) if row.probability(best) >= row.probability(class) => Some(best),
            _ => Some(class),
        })
    }
}

/// The softmax of logits divided by the temperature, which is the probabilities to the power of its inverse, normalised.
pub(crate) fn temper(values: &mut [f64], temperature: f64) {
    let highest = values.iter().copied().fold(0.0, f64::max);
    for value in values.iter_mut().filter(|value| **value > 0.0) {
        *value = (*value / highest).powf(1.0 / temperature);
    }
    let sum: f64 = values.iter().sum();
    if sum > 0.0 {
        values.iter_mut().for_each(|value| *value /= sum);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Classes: none, spouse (symmetric), parent and child (inverse), likes (nothing known).
    fn classes(temperature: f64) -> Classes {
        let labels = LabelSet::new(["no_relation", "spouse", "parent", "child", "likes"]).unwrap();
        let properties = RelationProperties::new(["spouse"], [["parent", "child"]]).unwrap();
        Classes::new(&labels, &properties, temperature)
    }

    fn close(row: &Row, expected: [f64; 5]) {
        let near = row.values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near, "{row:?} is not {expected:?}");
    }

    #[test]
    fn what_types_forbid_is_removed_and_the_rest_renormalised() {
        let row = classes(1.0).row(&[0.25, 0.5, 0.0, 0.0, 0.25], &[true, false, true, true, true]);
        close(&row, [0.5, 0.0, 0.0, 0.0, 0.5]);
        assert_eq!(row.forbidden(), Some(1));
        // "No relation" is never forbidden.
        let row = classes(1.0).row(&[0.25, 0.5, 0.0, 0.0, 0.25], &[false; 5]);
        close(&row, [1.0, 0.0, 0.0, 0.0, 0.0]);
        let nothing = classes(1.0).row(&[0.0, 1.0, 1e-9, 0.0, 0.0], &[true, false, true, true, true]);
        close(&nothing, [1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(classes(1.0).answer(&nothing), None);
        let untouched = classes(1.0).row(&[0.3, 0.3, 0.4, 0.0, 0.0], &[true; 5]);
        assert_eq!(untouched.values, [0.3f32, 0.3, 0.4, 0.0, 0.0].map(f64::from));
    }

    #[test]
    fn a_temperature_of_two_takes_roots() {
        let row = classes(2.0).row(&[0.64, 0.36, 0.0, 0.0, 0.0], &[true; 5]);
        close(&row, [0.8 / 1.4, 0.6 / 1.4, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn both_directions_get_the_mean_and_the_rest_keeps_its_ratio() {
        let all = [true; 5];
        let mut one = classes(1.0).row(&[0.1, 0.5, 0.2, 0.1, 0.1], &all);
        let mut other = classes(1.0).row(&[0.6, 0.1, 0.1, 0.0, 0.2], &all);
        classes(1.0).combine(&mut one, &mut other);
        // spouse (0.5 + 0.1) / 2; parent with the other's child (0.2 + 0) / 2; child with the other's parent 0.1.
        close(&one, [0.25, 0.3, 0.1, 0.1, 0.25]);
        close(&other, [0.375, 0.3, 0.1, 0.1, 0.125]);
        assert_eq!(classes(1.0).answers(&one, &other), [None, None]);

        let mut sure = classes(1.0).row(&[0.0, 1.0, 0.0, 0.0, 0.0], &all);
        let mut against = classes(1.0).row(&[1.0, 0.0, 0.0, 0.0, 0.0], &all);
        classes(1.0).combine(&mut sure, &mut against);
        close(&sure, [0.5, 0.5, 0.0, 0.0, 0.0]);
        close(&against, [0.5, 0.5, 0.0, 0.0, 0.0]);
        // As likely as not is no relation.
        assert_eq!(classes(1.0).answers(&sure, &against), [None, None]);
    }

    #[test]
    fn inverse_relations_answer_both_directions_also_in_a_tie() {
        let row = |values: [f32; 5]| classes(1.0).row(&values, &[true; 5]);
        let (mut one, mut other) = (row([0.1, 0.0, 0.8, 0.1, 0.0]), row([0.4, 0.0, 0.0, 0.6, 0.0]));
        classes(1.0).combine(&mut one, &mut other);
        assert_eq!(classes(1.0).answers(&one, &other), [Some(2), Some(3)]);
        let (mut one, mut other) = (row([0.0, 0.0, 0.5, 0.5, 0.0]), row([0.0, 0.0, 0.5, 0.5, 0.0]));
        classes(1.0).combine(&mut one, &mut other);
        assert_eq!(classes(1.0).answers(&one, &other), [Some(2), Some(3)]);
        // 0.35 squared is less than 0.2 times 0.65.
        let (one, other) = (row([0.2, 0.35, 0.3, 0.15, 0.0]), row([0.0, 0.35, 0.0, 0.0, 0.65]));
        assert_eq!(classes(1.0).answers(&one, &other), [None, Some(4)]);
    }

    #[test]
    fn doubt_is_largest_where_all_classes_are_alike() {
        let row = |values: [f32; 5]| classes(1.0).row(&values, &[true; 5]);
        let (even, sure) = (row([0.2; 5]), row([0.0, 1.0, 0.0, 0.0, 0.0]));
        assert!((even.entropy() - 1.0).abs() < 1e-6 && even.margin().abs() < 1e-9);
        assert_eq!((sure.entropy(), sure.margin()), (0.0, 1.0));
        assert!((row([0.5, 0.3, 0.2, 0.0, 0.0]).margin() - 0.2).abs() < 1e-6);
        assert_eq!(classes(1.0).best_relation(&row([0.5, 0.1, 0.2, 0.2, 0.0])), Some(2));
    }

    proptest! {
        #[test]
        fn directions_agree_and_rows_sum_to_one(
            one in prop::array::uniform5(0.0f32..1.0),
            other in prop::array::uniform5(0.0f32..1.0),
            allowed in prop::array::uniform5(any::<bool>()),
            temperature in 0.2f64..5.0,
        ) {
            let classes = classes(temperature);
            let normal = |values: &[f32; 5]| {
                let sum: f32 = values.iter().sum::<f32>() + 1e-3;
                std::array::from_fn::<f32, 5, _>(|at| (values[at] + if at == 0 { 1e-3 } else { 0.0 }) / sum)
            };
            // What the other direction allows is the same under the counterparts.
            let mut turned = allowed;
            turned.swap(2, 3);
            let mut a = classes.row(&normal(&one), &allowed);
            let mut b = classes.row(&normal(&other), &turned);
            classes.combine(&mut a, &mut b);
            for row in [&a, &b] {
                prop_assert!((row.values.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
                prop_assert!(row.values.iter().all(|value| (0.0..=1.000001).contains(value)));
            }
            for (class, allowed) in allowed.into_iter().enumerate() {
                let Some(counterpart) = classes.counterpart(class) else { continue };
                prop_assert_eq!(a.probability(class), b.probability(counterpart));
                prop_assert!(allowed || a.probability(class) == 0.0);
            }
            let [x, y] = classes.answers(&a, &b);
            for (from, to) in [(x, y), (y, x)] {
                if let Some(counterpart) = from.and_then(|class| classes.counterpart(class)) {
                    prop_assert_eq!(to, Some(counterpart));
                }
            }
            // The same, asked from the other end.
            let (mut b2, mut a2) = (classes.row(&normal(&other), &turned), classes.row(&normal(&one), &allowed));
            classes.combine(&mut b2, &mut a2);
            prop_assert_eq!((&a2, &b2), (&a, &b));
        }
    }
}
