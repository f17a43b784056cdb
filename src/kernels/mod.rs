//! The operators that candle lacks or does slowly, and DenseNet's backbone as a whole.
//!
//! Everything is f32, contiguous and channels-last: images are (batch, height, width, channels), and an operator that
//! treats pixels alike sees them as (rows, channels). `ops` holds candle custom operators with their gradients, one a
//! file, of which the baseline and the heads are made. `densenet` holds the backbone in two walks:
//! `densenet::inference` and `densenet::training`. Both use the vector instructions of `simd`; the other files here
//! are what the two rooms share: products of matrices, moments, patches, slices of tensors, scratch memory. `logarithm` is for
//! other rooms.
//!
//! Sums that run over images are made in groups whose number does not depend on the number of threads, so results
//! do not either.

pub mod densenet;
pub(crate) mod im2col;
pub(crate) mod logarithm;
pub(crate) mod matmul;
pub(crate) mod moments;
pub(crate) mod norm;
pub(crate) mod ops;
pub(crate) mod scratch;
mod simd;
pub(crate) mod slices;

pub use densenet::inference::{LayerTiming, Numbers, peak};
pub use im2col::Geometry;
pub(crate) use moments::Moments;
pub use norm::NormMode;
pub(crate) use norm::{BatchNorm, NormGradient};
pub use ops::{conv2d, update};
pub use simd::{Level, LevelError};
