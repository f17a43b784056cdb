//! Pages of the guide.

#[doc = include_str!("choosing_best.md")]
pub mod choosing_best {}
