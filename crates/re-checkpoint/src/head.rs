//! The heads that trained folders name.

mod pair;

pub use pair::{BUCKETS, EMBEDDED, MentionPairConfig, PairFeature, between, bucket};

use std::fmt;

use re_data::Markup;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The heads that come with this project, as named in configuration files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadConfig {
    /// The checkpoint architecture's own classification head on the first token.
    Cls,
    /// Hidden states at both entity starts.
    EntityStart,
    /// Means over both entities and over the row.
    #[default]
    EntityMean,
    /// First token and both entity means.
    RBert,
    /// Both mentions, the text between them, distance and types. Settings write `"mention_pair"`, or
    /// `{ mention_pair = { features = [..] } }`.
    MentionPair(MentionPairConfig),
}

impl HeadConfig {
    /// The same head for rows that carry as many entity types as `markup` gives them.
    #[must_use]
    pub fn for_markup(self, markup: &dyn Markup) -> Self {
        match self {
            Self::MentionPair(mut pair) => {
                pair.types = u16::try_from(markup.entity_types().len()).unwrap_or(u16::MAX);
                Self::MentionPair(pair)
            }
            other => other,
        }
    }
}

impl<'de> Deserialize<'de> for HeadConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(HeadVisitor)
    }
}

/// Reads a name, or a name with settings.
struct HeadVisitor;

const NAMES: &[&str] = &["cls", "entity_start", "entity_mean", "r_bert", "mention_pair"];

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = HeadConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a head, one of {}", NAMES.join(", "))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<HeadConfig, E> {
        Ok(match name {
            "cls" => HeadConfig::Cls,
            "entity_start" => HeadConfig::EntityStart,
            "entity_mean" => HeadConfig::EntityMean,
            "r_bert" => HeadConfig::RBert,
            "mention_pair" => HeadConfig::MentionPair(MentionPairConfig::default()),
            other => return Err(E::unknown_variant(other, NAMES)),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<HeadConfig, A::Error> {
        match map.next_key::<String>()?.as_deref() {
            Some("mention_pair") => Ok(HeadConfig::MentionPair(map.next_value()?)),
            other => Err(de::Error::unknown_field(other.unwrap_or_default(), &["mention_pair"])),
        }
    }
}
