//! re-model
