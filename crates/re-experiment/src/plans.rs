//! How each plan makes its trainings and combines them.

pub(crate) mod answerer;
pub(crate) mod check;
mod derived;
pub(crate) mod folds;
pub(crate) mod joint;
mod members;
mod predictions;
pub(crate) mod pseudo;
pub(crate) mod question_answering;
pub(crate) mod single;
pub(crate) mod tagger;
pub(crate) mod text_to_graph;
pub(crate) mod transfer;
pub(crate) mod two_stage;
pub(crate) mod vote;
