//! From probabilities of tags to mentions: the most probable valid sequence (Viterbi), and how sure each of its mentions
//! is (forward-backward).

use std::ops::Range;

use super::set::TagSet;
use crate::error::{Error, Result};

/// A probability of 0 counts as the smallest that a 32-bit float holds in full, so that no sequence is impossible that
/// the tags allow.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// A mention as tags say it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnitSpan {
    /// Its units.
    pub units: Range<usize>,
    /// Its type, by its number in [`TagSet::kinds`].
    pub kind: usize,
}

/// A mention in the most probable sequence of tags.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundSpan {
    /// The mention.
    pub span: UnitSpan,
    /// Its probability, see [`TagSet::decode`].
    pub score: f32,
}

/// What [`TagSet::decode`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The tag of each unit.
    pub tags: Vec<usize>,
    /// The mentions that they say, in the order of the text.
    pub spans: Vec<FoundSpan>,
}

/// Sums over the sequences up to a unit (forward), scaled so that they add up to 1.
struct Forward {
    values: Vec<f64>,
    /// Sum over the tags that a mention or the outside may end with.
    ended: f64,
}

impl TagSet {
    /// The mentions that a sequence of tags says. A tag that continues no mention begins one, so that sequences which are
    /// not valid are read, too.
    pub fn spans(&self, tags: &[usize]) -> Vec<UnitSpan> {
        let mut spans: Vec<UnitSpan> = Vec::new();
        let mut before = None;
        for (unit, &number) in tags.iter().enumerate() {
            let continued = before.is_some_and(|before| self.continues_mention(before, number));
            match (self.tag(number), spans.last_mut()) {
                (Some(_), Some(open)) if continued => open.units.end = unit + 1,
                (Some(tag), _) => spans.push(UnitSpan { units: unit..unit + 1, kind: tag.kind }),
                (None, _) => {}
            }
            before = Some(number);
        }
        spans
    }

    /// The most probable of all valid sequences of tags (Viterbi), given the logarithms of each unit's probabilities,
    /// flat, [`len`](Self::len) for each unit; and the mentions in it.
    ///
    /// The score of a mention is the probability that exactly these units are a mention of exactly this type, where the
    /// tags of units are drawn independently by the given probabilities and the whole sequence is valid: the share of
    /// the valid sequences that hold the mention, each counted by its probability.
    ///
    /// # Errors
    /// [`Error::Probabilities`] where the number of values is no multiple of that of the tags, or one is above 0 or not a
    /// number.
    pub fn decode(&self, log_probabilities: &[f32]) -> Result<Decoded> {
        let fault = |reason: String| Err(Error::Probabilities { reason });
        if !log_probabilities.len().is_multiple_of(self.len()) {
            let (found, tags) = (log_probabilities.len(), self.len());
            return fault(format!("found {found} values, expected {tags} for each unit, one a tag"));
        }
        // Rounding leaves probabilities a little above 1.
        if let Some(at) = log_probabilities.iter().position(|value| value.is_nan() || *value > 1e-3) {
            let (found, unit) = (log_probabilities.get(at).copied().unwrap_or_default(), at / self.len());
            return fault(format!("unit {unit} has the logarithm {found}, expected at most 0"));
        }
        let tags = self.viterbi(log_probabilities);
        let spans = self.spans(&tags);
        let scores = self.scores(log_probabilities, &spans);
        let spans = spans.into_iter().zip(scores).map(|(span, score)| FoundSpan { span, score }).collect();
        Ok(Decoded { tags, spans })
    }

    fn viterbi(&self, log_probabilities: &[f32]) -> Vec<usize> {
        let smallest = SMALLEST.ln();
        let mut back: Vec<u32> = Vec::with_capacity(log_probabilities.len());
        let mut scores: Vec<f64> = Vec::new();
        for row in log_probabilities.chunks_exact(self.len()) {
            let ended = best(scores.iter().zip(&self.ends).enumerate().filter(|(_, (_, ends))| **ends));
            let step = |(tag, value): (usize, &f32)| {
                let starts = self.starts.get(tag).copied().unwrap_or_default();
                let score = |before: usize| scores.get(before).copied().unwrap_or(f64::NEG_INFINITY);
                let begun = match scores.is_empty() {
                    true => Some((0, 0.0)),
                    false => ended,
                };
                let continued = self.continues.get(tag).into_iter().flatten();
                let ways = begun.filter(|_| starts).into_iter();
                let ways = ways.chain(continued.map(|&before| (before, score(before))));
                let (before, score) =
                    ways.reduce(|a, b| if b.1 > a.1 { b } else { a }).unwrap_or((0, f64::NEG_INFINITY));
                (before as u32, score + f64::from(*value).max(smallest))
            };
            let (ways, reached): (Vec<u32>, Vec<f64>) = row.iter().enumerate().map(step).unzip();
            back.extend(ways);
            scores = reached;
        }
        let last = best(scores.iter().zip(&self.ends).enumerate().filter(|(_, (_, ends))| **ends));
        let mut tag = last.map_or(0, |(tag, _)| tag);
        let mut tags = Vec::with_capacity(back.len() / self.len());
        for ways in back.chunks_exact(self.len()).rev() {
            tags.push(tag);
            tag = ways.get(tag).map_or(0, |&before| before as usize);
        }
        tags.reverse();
        tags
    }

    /// The probability of each span, whatever tags say it.
    fn scores(&self, log_probabilities: &[f32], spans: &[UnitSpan]) -> Vec<f32> {
        let rows = || log_probabilities.chunks_exact(self.len()).map(probabilities);
        let units = log_probabilities.len() / self.len();
        // Forward: the scale of each unit, and the weight of what may stand before each span, by its first tag.
        let (mut scales, mut entries) = (Vec::with_capacity(units), Vec::with_capacity(spans.len()));
        let mut starts = spans.iter().peekable();
        let mut state: Option<Forward> = None;
        for (unit, row) in rows().enumerate() {
            if let Some(span) = starts.next_if(|span| span.units.start == unit) {
                let entry = |tag: usize| match &state {
                    _ if !self.may_follow(None, tag) => 0.0,
                    None => 1.0,
                    Some(state) => {
                        let fits =
                            |before: usize| self.may_end(before) && !self.continues_mention(before, tag);
                        sum_where(&state.values, fits)
                    }
                };
                entries.push(self.tags_of_kind(span.kind).map(|tag| tag.map_or(0.0, entry)));
            }
            let (next, scale) = self.forward(state.as_ref(), &row);
            scales.push(scale);
            state = Some(next);
        }
        // Backward, unit by unit: the weight of what may stand behind each span, by its last tag.
        let total = state.map_or(1.0, |state| state.ended);
        let mut behind: Vec<f64> = self.ends.iter().map(|ends| f64::from(u8::from(*ends)) / total).collect();
        let mut scores = vec![0.0; spans.len()];
        let mut open = spans.iter().zip(&mut scores).zip(entries).rev().peekable();
        // The weight of each tag of the unit behind the present one, with all that is behind it.
        let mut next: Option<Vec<f64>> = None;
        for ((unit, row), scale) in rows().enumerate().zip(&scales).rev() {
            if let Some(((span, score), entry)) = open.next_if(|((span, _), _)| span.units.end == unit + 1) {
                let exit = |tag: usize| match &next {
                    _ if !self.may_end(tag) => 0.0,
                    None => behind.get(tag).copied().unwrap_or_default(),
                    Some(weights) => {
                        let fits =
                            |next: usize| self.may_follow(None, next) && !self.continues_mention(tag, next);
                        sum_where(weights, fits)
                    }
                };
                let exits = self.tags_of_kind(span.kind).map(|tag| tag.map_or(0.0, exit));
                *score = self.within(log_probabilities, &scales, span, entry, exits);
            }
            let weights: Vec<f64> = row.iter().zip(&behind).map(|(p, behind)| p * behind / scale).collect();
            behind = self.backward(&weights);
            next = Some(weights);
        }
        scores.into_iter().map(|score: f64| score.clamp(0.0, 1.0) as f32).collect()
    }

    /// The weight of a span with what may stand before and behind it: that of its tags, whichever they are.
    fn within(
        &self,
        log_probabilities: &[f32],
        scales: &[f64],
        span: &UnitSpan,
        entry: [f64; 4],
        exits: [f64; 4],
    ) -> f64 {
        let tags = self.tags_of_kind(span.kind);
        let joined = |before: usize, tag: usize| match (tags.get(before), tags.get(tag)) {
            (Some(&Some(before)), Some(&Some(tag))) => self.continues_mention(before, tag),
            _ => false,
        };
        // As logarithms, since a long span is a product of many.
        let (mut state, mut logarithm) = (entry, 0.0);
        for unit in span.units.clone() {
            if unit > span.units.start {
                let before = state;
                for (tag, value) in state.iter_mut().enumerate() {
                    let reach = before.iter().enumerate().filter(|(other, _)| joined(*other, tag));
                    *value = reach.map(|(_, value)| value).sum();
                }
            }
            let scale = scales.get(unit).copied().unwrap_or(1.0);
            for (value, tag) in state.iter_mut().zip(tags) {
                let place = tag.map(|tag| unit * self.len() + tag);
                let found = place.and_then(|place| log_probabilities.get(place)).copied();
                *value *= found.map_or(0.0, |found| probability(found) / scale);
            }
            let sum: f64 = state.iter().sum();
            if sum <= 0.0 {
                return 0.0;
            }
            logarithm += sum.ln();
            state = state.map(|value| value / sum);
        }
        let left: f64 = state.iter().zip(exits).map(|(value, exit)| value * exit).sum();
        (logarithm + left.ln()).exp()
    }

    /// The sums up to the next unit, and what they were divided by.
    fn forward(&self, state: Option<&Forward>, row: &[f64]) -> (Forward, f64) {
        let reach = |(tag, probability): (usize, &f64)| {
            let starts = self.starts.get(tag).copied().unwrap_or_default();
            let Some(state) = state else { return if starts { *probability } else { 0.0 } };
            let continued = self.continues.get(tag).into_iter().flatten();
            // What may both be ended and continued is in the sum already.
            let continued = continued.filter(|before| !(starts && self.may_end(**before)));
            let continued: f64 = continued.filter_map(|before| state.values.get(*before)).sum();
            probability * (continued + if starts { state.ended } else { 0.0 })
        };
        let mut values: Vec<f64> = row.iter().enumerate().map(reach).collect();
        let scale: f64 = values.iter().sum();
        values.iter_mut().for_each(|value| *value /= scale);
        let ended = values.iter().zip(&self.ends).filter(|(_, ends)| **ends).map(|(value, _)| value).sum();
        (Forward { values, ended }, scale)
    }

    /// The weight behind each tag, given those of the tags of the unit behind it.
    fn backward(&self, weights: &[f64]) -> Vec<f64> {
        let begun: f64 =
            weights.iter().zip(&self.starts).filter(|(_, starts)| **starts).map(|(weight, _)| weight).sum();
        let reach = |(ends, continued_by): (&bool, &Vec<usize>)| {
            let starts = |tag: usize| self.starts.get(tag).copied().unwrap_or_default();
            let continued = continued_by.iter().filter(|next| !(*ends && starts(**next)));
            let continued: f64 = continued.filter_map(|next| weights.get(*next)).sum();
            continued + if *ends { begun } else { 0.0 }
        };
        self.ends.iter().zip(&self.continued_by).map(reach).collect()
    }
}

fn probabilities(row: &[f32]) -> Vec<f64> {
    row.iter().map(|value| probability(*value)).collect()
}

fn probability(logarithm: f32) -> f64 {
    f64::from(logarithm).exp().max(SMALLEST)
}

/// The sum of the values of those tags for which `fits` holds.
fn sum_where(values: &[f64], fits: impl Fn(usize) -> bool) -> f64 {
    values.iter().enumerate().filter(|(tag, _)| fits(*tag)).map(|(_, value)| value).sum()
}

/// The greatest value with its place, the first of equal ones.
fn best<'a>(values: impl Iterator<Item = (usize, (&'a f64, &'a bool))>) -> Option<(usize, f64)> {
    values.map(|(place, (value, _))| (place, *value)).reduce(|a, b| if b.1 > a.1 { b } else { a })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::set::TagScheme;
    use super::*;

    const SCHEMES: [TagScheme; 4] = [TagScheme::Io, TagScheme::Iob1, TagScheme::Bio, TagScheme::Bilou];

    fn is_valid(set: &TagSet, tags: &[usize]) -> bool {
        let before = std::iter::once(None).chain(tags.iter().copied().map(Some));
        before.zip(tags).all(|(before, tag)| set.may_follow(before, *tag))
            && tags.last().is_none_or(|tag| set.may_end(*tag))
    }

    /// Every valid sequence of this length, with its log-probability.
    fn all(set: &TagSet, values: &[f32]) -> Vec<(Vec<usize>, f64)> {
        let mut sequences = vec![(Vec::new(), 0.0)];
        for row in values.chunks(set.len()) {
            sequences = sequences
                .into_iter()
                .flat_map(|(tags, sum): (Vec<usize>, f64)| {
                    let longer = |tag: usize| {
                        let value = f64::from(row[tag]).max(SMALLEST.ln());
                        ([tags.as_slice(), &[tag]].concat(), sum + value)
                    };
                    (0..set.len()).map(longer).collect::<Vec<_>>()
                })
                .collect();
        }
        sequences.retain(|(tags, _)| is_valid(set, tags));
        sequences
    }

    fn normalised(logits: &[f32], tags: usize) -> Vec<f32> {
        let row = |row: &[f32]| {
            let sum = row.iter().map(|value| value.exp()).sum::<f32>().ln();
            row.iter().map(|value| value - sum).collect::<Vec<_>>()
        };
        logits.chunks_exact(tags).flat_map(row).collect()
    }

    fn cases() -> impl Strategy<Value = (TagSet, Vec<f32>)> {
        let foreign = [
            vec!["O", "B-A", "I-A", "L-A", "U-A", "Z"],
            vec!["A", "B"],
            vec!["O", "S-A", "B-B", "E-B", "X"],
            vec!["I-A", "O", "B-B", "I-B"],
        ];
        let schemes = SCHEMES.map(|scheme| TagSet::new(scheme, ["A", "B"]).unwrap());
        let sets: Vec<TagSet> =
            schemes.into_iter().chain(foreign.map(|names| TagSet::of_names(names).unwrap())).collect();
        prop::sample::select(sets).prop_flat_map(|set| {
            let tags = set.len();
            // Few different values, so that sequences tie, and wide ones, so that some are all but impossible.
            let value = prop_oneof![-3f32..3.0, Just(0.0), Just(60.0), Just(-60.0)];
            let values =
                prop::collection::vec(value, 0..=4 * tags).prop_map(move |values| normalised(&values, tags));
            (Just(set), values)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

        #[test]
        fn decoding_is_what_trying_all_sequences_finds((set, values) in cases()) {
            let found = set.decode(&values).unwrap();
            prop_assert!(is_valid(&set, &found.tags));
            let all = all(&set, &values);
            let sum = |tags: &[usize]| all.iter().find(|(other, _)| other == tags).unwrap().1;
            let best = all.iter().map(|(_, sum)| *sum).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((sum(&found.tags) - best).abs() < 1e-6);
            let total: f64 = all.iter().map(|(_, sum)| (sum - best).exp()).sum();
            for FoundSpan { span, score } in &found.spans {
                let holds = all.iter().filter(|(tags, _)| set.spans(tags).contains(span));
                let share = holds.map(|(_, sum)| (sum - best).exp()).sum::<f64>() / total;
                prop_assert!((share - f64::from(*score)).abs() < 1e-5, "{span:?}: {score}, expected {share}");
            }
        }

        #[test]
        fn long_texts_are_decoded_to_valid_sequences(
            scheme in prop::sample::select(SCHEMES.to_vec()),
            values in prop::collection::vec(prop_oneof![-5f32..5.0, Just(80.0)], 0..2000),
        ) {
            let set = TagSet::new(scheme, ["A", "B", "C"]).unwrap();
            let found = set.decode(&normalised(&values, set.len())).unwrap();
            prop_assert!(is_valid(&set, &found.tags));
            prop_assert_eq!(found.tags.len(), values.len() / set.len());
            prop_assert!(found.spans.iter().all(|span| (0.0..=1.0).contains(&span.score)));
        }
    }

    #[test]
    fn a_sure_model_is_believed_and_a_contradictory_one_made_valid() {
        let set = TagSet::new(TagScheme::Bio, ["A"]).unwrap();
        let [o, b, i] = [0, 1, 2].map(|tag| {
            let mut row = [f32::NEG_INFINITY; 3];
            row[tag] = 0.0;
            row
        });
        let found = set.decode(&[o, b, i, i, o, b].concat()).unwrap();
        let spans: Vec<_> = found.spans.iter().map(|found| (found.span.units.clone(), found.score)).collect();
        assert_eq!(spans, [(1..4, 1.0), (5..6, 1.0)]);
        // An `I` that nothing begins.
        let found = set.decode(&[o, i, i, o].concat()).unwrap();
        assert_eq!(found.tags, [0, 1, 2, 0]);
        assert!(set.decode(&[]).unwrap().tags.is_empty());
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        let set = TagSet::new(TagScheme::Bio, ["A"]).unwrap();
        for bad in [vec![0.0; 4], vec![f32::NAN; 3], vec![-1.0, f32::INFINITY, -1.0], vec![-1.0, -1.0, 0.5]] {
            assert!(matches!(set.decode(&bad), Err(Error::Probabilities { .. })), "{bad:?}");
        }
    }
}
