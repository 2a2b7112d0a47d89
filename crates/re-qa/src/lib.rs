//! Relation extraction as question answering: a question for each relation, and a model that finds the answer in the
//! sentence. Where the answer is the object, the relation holds.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use re_data::{ByteSpan, Entity, LabelSet, RelationExample};
//! use re_qa::{AnswererOptions, QuestionAnswerer, Questions};
//!
//! let labels = LabelSet::new(["관계_없음", "인물:배우자", "인물:자녀"])?;
//! let questions = Questions::korean()?.for_labels(&labels)?;
//! let options = AnswererOptions { random_weights: true, ..AnswererOptions::default() };
//! let (answerer, _) = QuestionAnswerer::new("../../fixtures/embedded/model", questions, options)?;
//!
//! let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
//! let example = RelationExample::new("1", "하늘은 바다와 결혼했다.", [entity(0, 6), entity(10, 6)])?;
//! let answers = answerer.answer(&[example])?;
//! assert_eq!(answers[0].all().len(), 2);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod answerer;
pub mod error;
pub mod questions;
pub mod span;
pub mod task;

pub use answerer::{Answer, AnswererOptions, Answers, GatedAnswerer, GatedAnswers, QuestionAnswerer, Rule};
pub use error::{Error, Result};
pub use questions::Questions;
pub use task::{QuestionConfig, QuestionRows, QuestionTask};
