//! re-ensemble
