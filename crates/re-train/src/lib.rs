//! re-train
