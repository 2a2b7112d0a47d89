#![doc = include_str!("../README.md")]
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
