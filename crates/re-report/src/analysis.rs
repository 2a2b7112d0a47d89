//! Figures that a page shows and that no other crate has.

pub(crate) mod compare;
pub(crate) mod confusion;
pub(crate) mod lengths;
