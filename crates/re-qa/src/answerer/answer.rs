//! What is made of the logits of a question: its answer, and a score for the relation that it asks for.

use std::collections::BTreeSet;

use re_data::{Encoded, TokenSpan};
use serde::{Deserialize, Serialize};

/// Most tokens of an answer, as is customary for SQuAD.
const MAX_ANSWER_TOKENS: usize = 30;
/// Distance of what lies nowhere: farther than the ends of any row.
const NOWHERE: f64 = 1e6;

/// How the answers to all questions about a row decide between the relations.
///
/// A score is higher for a likelier relation; their softmax over the relations counts as probability. The first
/// relation wins a tie of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The relation whose answer lies closest to the object, in tokens from start to start and from end to end.
    /// No answer is farther away than any. Of equal distances the higher span log-probability wins: the score is
    /// minus the distance plus a part between 0 and 1 that grows with it.
    Distance,
    /// The relation to whose question the object is the best answer: the log-probability that the answer starts and
    /// ends where the object does, minus that of no answer.
    #[default]
    SpanLogProbability,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 2] = [Self::Distance, Self::SpanLogProbability];

    /// Its name, as in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Distance => "distance",
            Self::SpanLogProbability => "span_log_probability",
        }
    }
}

/// The answer to one question about a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Where the most probable answer lies, in tokens: how far its first one is behind the object's first, and its
    /// last one behind the object's last. `(0, 0)` is the object itself, `None` is no answer.
    pub place: Option<(i64, i64)>,
    /// Log-probability that the object is the answer minus that of no answer, natural logarithm; minus infinity where
    /// truncation has removed the object.
    pub span_log_probability: f64,
}

impl Answer {
    /// Reads the answer off the logits of a row.
    pub(super) fn find(row: &Encoded, start: &[f32], end: &[f32]) -> Self {
        let logit = |of: &[f32], at: usize| f64::from(of.get(at).copied().unwrap_or(f32::NEG_INFINITY));
        let score = |span: TokenSpan| logit(start, span.start()) + logit(end, span.end().saturating_sub(1));
        let none = score(TokenSpan::with_len(0, 1));
        let [_, Some(object)] = row.entities else {
            return Self { place: None, span_log_probability: f64::NEG_INFINITY };
        };
        let mut best = (none, None);
        for first in row.sentence.unwrap_or(object).range() {
            let last = row.sentence.unwrap_or(object).end().min(first + MAX_ANSWER_TOKENS);
            for span in (first..last).map(|at| TokenSpan::with_len(first, at + 1 - first)) {
                if score(span) > best.0 {
                    best = (score(span), Some(span));
                }
            }
        }
        let behind = |at: usize, of: usize| at as i64 - of as i64;
        let place =
            |span: TokenSpan| (behind(span.start(), object.start()), behind(span.end(), object.end()));
        // The sums of all exponentials are the same for both and cancel.
        Self { place: best.1.map(place), span_log_probability: score(object) - none }
    }

    /// Tokens between the answer and the object, both ends added up; `None` where there is no answer.
    pub fn distance(&self) -> Option<u64> {
        self.place.map(|(start, end)| start.unsigned_abs() + end.unsigned_abs())
    }

    /// The score of the relation that was asked for.
    pub fn score(&self, rule: Rule) -> f64 {
        let log = self.span_log_probability;
        match rule {
            Rule::SpanLogProbability => log,
            Rule::Distance => {
                // Grows with the logarithm and stays below 1, so that it never makes up for a token.
                let share = if log.is_finite() { 0.5 + 0.5 * log / (1.0 + log.abs()) } else { 0.0 };
                share - self.distance().map_or(NOWHERE, |tokens| tokens as f64)
            }
        }
    }
}

/// The answers to all questions about one row, in the order of the relations.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers(pub(super) Vec<Answer>);

impl Answers {
    /// The answers.
    pub fn all(&self) -> &[Answer] {
        &self.0
    }

    /// How many of them differ in where they lie; no answer counts as one.
    pub fn distinct(&self) -> usize {
        self.0.iter().map(|answer| answer.place).collect::<BTreeSet<_>>().len()
    }

    /// Probabilities of the relations, given that one of them holds: the softmax of the scores. All are equal where
    /// truncation has removed the object from every row.
    pub fn probabilities(&self, rule: Rule) -> Vec<f32> {
        let scores: Vec<f64> = self.0.iter().map(|answer| answer.score(rule)).collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !max.is_finite() {
            return vec![1.0 / scores.len().max(1) as f32; scores.len()];
        }
        let total: f64 = scores.iter().map(|score| (score - max).exp()).sum();
        scores.iter().map(|score| ((score - max).exp() / total) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use re_data::predict::argmax;

    use super::*;

    /// Three tokens of question and frame, a sentence of five, the object being its third and fourth token.
    fn row() -> Encoded {
        Encoded {
            ids: vec![0; 9],
            type_ids: vec![0; 9],
            entities: [None, Some(TokenSpan::with_len(5, 2))],
            sentence: Some(TokenSpan::with_len(3, 5)),
            ..Encoded::default()
        }
    }

    /// Logits of 0 but for these tokens.
    fn logits(peaks: &[(usize, f32)]) -> Vec<f32> {
        let mut all = vec![0.0; 9];
        peaks.iter().for_each(|&(at, value)| all[at] = value);
        all
    }

    fn answer(place: Option<(i64, i64)>, span_log_probability: f64) -> Answer {
        Answer { place, span_log_probability }
    }

    #[test]
    fn the_best_answer_lies_in_the_sentence_and_never_ends_before_it_starts() {
        let find =
            |start: &[(usize, f32)], end: &[(usize, f32)]| Answer::find(&row(), &logits(start), &logits(end));
        let found = find(&[(5, 4.0)], &[(6, 3.0)]);
        assert_eq!((found.place, found.distance(), found.span_log_probability), (Some((0, 0)), Some(0), 7.0));
        // The question's own words are no answer, nor is what the last special token says.
        let found = find(&[(1, 9.0), (4, 2.0)], &[(2, 9.0), (8, 9.0), (4, 2.0)]);
        assert_eq!((found.place, found.distance()), (Some((-1, -2)), Some(3)));
        let found = find(&[(6, 5.0), (3, 1.0)], &[(3, 5.0)]);
        assert_eq!(found.place, Some((-2, -3)), "6 to 3 runs backwards");
        let found = find(&[(0, 4.0), (5, 3.0)], &[(0, 4.0), (6, 3.0)]);
        assert_eq!((found.place, found.distance(), found.span_log_probability), (None, None, -2.0));
    }

    #[test]
    fn a_lost_object_is_no_answer() {
        let lost = Encoded { entities: [None, None], ..row() };
        let found = Answer::find(&lost, &logits(&[(5, 4.0)]), &logits(&[(6, 4.0)]));
        assert_eq!((found.place, found.span_log_probability), (None, f64::NEG_INFINITY));
        for rule in [Rule::Distance, Rule::SpanLogProbability] {
            let some = Answers(vec![found, answer(Some((40, 40)), -90.0)]).probabilities(rule);
            assert_eq!(argmax(&some), 1);
        }
        assert_eq!(Answers(vec![found; 4]).probabilities(Rule::SpanLogProbability), [0.25; 4]);
    }

    #[test]
    fn ties_of_distance_go_to_the_likelier_object_and_then_to_the_first_relation() {
        let best = |answers: &[Answer]| argmax(&Answers(answers.to_vec()).probabilities(Rule::Distance));
        let (near, far) = (Some((0, 1)), Some((-2, 0)));
        assert_eq!(best(&[answer(far, 50.0), answer(near, -50.0)]), 1, "no probability makes up for a token");
        assert_eq!(best(&[answer(near, 1.0), answer(Some((-1, 0)), 2.0), answer(near, 1.5)]), 1);
        assert_eq!(best(&[answer(None, 8.0), answer(far, -8.0)]), 1, "no answer is the farthest");
        assert_eq!(best(&[answer(None, -8.0), answer(None, -7.0)]), 1);
        assert_eq!(best(&[answer(far, 1.0), answer(near, 3.0), answer(near, 3.0)]), 1);
        let other = Answers(vec![answer(near, 1.0), answer(far, 2.0)]);
        assert_eq!(argmax(&other.probabilities(Rule::SpanLogProbability)), 1);
    }

    #[test]
    fn distinct_answers_are_counted_by_place() {
        let here = Some((0, 0));
        let answers = [answer(here, 1.0), answer(here, 2.0), answer(None, 0.0), answer(Some((0, 1)), 0.0)];
        assert_eq!(Answers(answers.to_vec()).distinct(), 3);
        let probabilities = Answers(answers.to_vec()).probabilities(Rule::SpanLogProbability);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
