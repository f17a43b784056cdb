//! DenseNet's backbone as a whole, in two walks: `inference` lays it out for one size of images, `training` makes
//! its gradients and keeps little. Tests hold both to a plain walk through candle's own operators,
//! `tests/numerics/oracle.rs`.

pub(crate) mod inference;
pub mod training;
mod winograd;
