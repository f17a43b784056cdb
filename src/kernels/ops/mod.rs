//! Candle custom operators with gradients: one a file, with plain loops over slices, the custom op around them, and its
//! tests (finite differences, and candle's own operator where that is right).

pub(crate) mod batch_norm;
pub(crate) mod bias;
pub(crate) mod conv2d;
pub(crate) mod dropout;
#[cfg(test)]
pub(crate) mod gradcheck;
pub(crate) mod max_pool;
pub(crate) mod product;
pub(crate) mod update;
