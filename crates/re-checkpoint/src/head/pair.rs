//! What the head on pairs of mentions looks at.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Width of the embeddings of types and distances.
pub const EMBEDDED: i64 = 32;
/// Buckets of distances of either order, see [`bucket`].
pub const BUCKETS: i64 = 10;

/// One thing that the head on pairs of mentions knows of a pair of mentions. All states are those of the encoder's last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairFeature {
    /// Means of the states over the tokens of both mentions.
    Mean,
    /// Maxima over them, as in SpERT (Eberts and Ulges 2020, *Span-based Joint Entity and Relation Extraction with
    /// Transformer Pre-training*).
    Max,
    /// States at both first tokens (Baldini Soares et al. 2019, *Matching the Blanks*).
    Start,
    /// Product of both means.
    Product,
    /// Mean over the tokens between the mentions; zeros where there are none.
    Between,
    /// Maximum over them, as in SpERT.
    BetweenMax,
    /// Embedding of the number of tokens between the mentions and of which one comes first.
    Distance,
    /// Embeddings of both types; needs a markup that gives them, as
    /// [`PlainTyped`](re_data::markup::PlainTyped).
    Types,
    /// Mean of the states of the sentence, weighed by the pair: the localised context of Zhou et al. 2021,
    /// *Document-Level Relation Extraction with Adaptive Thresholding and Localized Context Pooling*, with an attention of
    /// its own.
    Context,
    /// Mean over the row.
    Sentence,
}

impl PairFeature {
    /// All of them, in the order in which the head has them.
    pub const ALL: [Self; 10] = [
        Self::Mean,
        Self::Max,
        Self::Start,
        Self::Product,
        Self::Between,
        Self::BetweenMax,
        Self::Distance,
        Self::Types,
        Self::Context,
        Self::Sentence,
    ];

    /// Number of values, for an encoder of this width.
    pub fn width(self, hidden: i64) -> i64 {
        match self {
            Self::Mean | Self::Max | Self::Start => 2 * hidden,
            Self::Product | Self::Between | Self::BetweenMax | Self::Context | Self::Sentence => hidden,
            Self::Distance => EMBEDDED,
            Self::Types => 2 * EMBEDDED,
        }
    }
}

/// What a the head on pairs of mentions looks at.
///
/// ```
/// use re_checkpoint::head::{MentionPairConfig, PairFeature};
/// let config: MentionPairConfig = serde_json::from_str(r#"{"features": ["mean", "between"]}"#)?;
/// assert!(config.has(PairFeature::Between) && !config.has(PairFeature::Types));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MentionPairConfig {
    /// The features, in any order. Default: those of SpERT, with means, the distance and the types.
    #[serde(with = "list")]
    features: u16,
    /// Number of entity types that rows carry; a classifier takes it from its markup.
    pub types: u16,
}

impl Default for MentionPairConfig {
    fn default() -> Self {
        use PairFeature::{BetweenMax, Distance, Max, Mean, Types};
        Self::new(&[Mean, Max, BetweenMax, Distance, Types])
    }
}

impl MentionPairConfig {
    /// These features.
    pub fn new(features: &[PairFeature]) -> Self {
        Self { features: features.iter().fold(0, |set, &feature| set | 1 << feature as u16), types: 0 }
    }

    /// Whether `feature` is one of them.
    pub fn has(&self, feature: PairFeature) -> bool {
        self.features & (1 << feature as u16) != 0
    }

    /// The features, in the order in which the head has them. Types are left out where rows carry none.
    pub fn features(self) -> impl Iterator<Item = PairFeature> {
        let typed = self.types > 0;
        PairFeature::ALL
            .into_iter()
            .filter(move |&feature| self.has(feature) && (typed || feature != PairFeature::Types))
    }
}

/// A set of features as the list that settings have.
mod list {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{MentionPairConfig, PairFeature};

    pub fn serialize<S: Serializer>(features: &u16, out: S) -> Result<S::Ok, S::Error> {
        let config = MentionPairConfig { features: *features, types: 0 };
        let list: Vec<PairFeature> = PairFeature::ALL.into_iter().filter(|&one| config.has(one)).collect();
        list.serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
        let list = Vec::<PairFeature>::deserialize(from)?;
        if list.is_empty() {
            return Err(D::Error::invalid_length(0, &"at least one feature of pairs"));
        }
        Ok(MentionPairConfig::new(&list).features)
    }
}

/// The tokens between two mentions, where there are any.
pub fn between([subject, object]: [Range<usize>; 2]) -> Option<Range<usize>> {
    let gap = subject.end.min(object.end)..subject.start.max(object.start);
    Some(gap).filter(|gap| !gap.is_empty())
}

/// Number of tokens between the mentions in buckets 0, 1, 2, 3, 4, up to 7, 15, 31, 63 and more, those of objects before
/// subjects behind the others.
pub fn bucket(pair: Option<[Range<usize>; 2]>) -> i64 {
    let Some([subject, object]) = pair else { return BUCKETS - 1 };
    let gap = subject.start.max(object.start).saturating_sub(subject.end.min(object.end));
    let bucket = match gap {
        0..=4 => gap as i64,
        _ => (gap.ilog2() as i64 + 3).min(BUCKETS - 1),
    };
    if object.start < subject.start { BUCKETS + bucket } else { bucket }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_the_tokens_between_and_know_the_order() {
        let of = |subject: Range<usize>, object: Range<usize>| bucket(Some([subject, object]));
        assert_eq!([of(1..2, 2..3), of(1..3, 2..4), of(1..2, 5..6)], [0, 0, 3]);
        assert_eq!([of(5..6, 1..2), of(0..1, 6..7), of(0..1, 8..9), of(0..1, 9..10)], [13, 5, 5, 6]);
        assert_eq!([of(0..1, 300..301), of(300..301, 0..1)], [9, 19]);
        assert_eq!(bucket(None), 9);
    }

    #[test]
    fn features_are_a_list_in_settings() {
        let config = MentionPairConfig::new(&[PairFeature::Types, PairFeature::Mean]);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(text, r#"{"features":["mean","types"],"types":0}"#);
        assert_eq!(serde_json::from_str::<MentionPairConfig>(&text).unwrap(), config);
        assert!(serde_json::from_str::<MentionPairConfig>(r#"{"features": []}"#).is_err());
        assert!(serde_json::from_str::<MentionPairConfig>(r#"{"features": ["middle"]}"#).is_err());
    }
}
