//! Tags: the mentions of a text as one class for each of its units, and back.
//!
//! A token classifier gives each unit of a text (token, word) a tag, such as `B-PER` for the first unit of a person's
//! name. A [`TagSet`] knows which tags there are and which may follow which. [`TagSet::encode`] turns a document's
//! mentions into tags and reports those that tags cannot express; [`TagSet::decode`] finds the most probable sequence
//! of tags that says something, and the mentions in it.

mod decode;
mod encode;
mod set;
mod units;

pub use decode::{Decoded, FoundSpan, UnitSpan};
pub use encode::{Encoding, Misfit, TagReport, Unrepresented};
pub use set::{Position, Tag, TagScheme, TagSet};
pub use units::{TagUnit, Units};
