//! From text to a graph of who is related to whom: mentions, candidate pairs, judged pairs, what is left of them, and how
//! good that is.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
