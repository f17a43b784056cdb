//! The operators that candle lacks or does slowly, as candle custom ops with gradients: one a file, with plain loops over
//! slices, the custom op around them, and its tests (finite differences, and candle's own operator where that is right).

pub(crate) mod bias;
pub(crate) mod concat;
pub(crate) mod conv;
pub(crate) mod dropout;
#[cfg(test)]
pub(crate) mod gradcheck;
pub(crate) mod matmul;
pub(crate) mod moments;
pub(crate) mod norm;
pub(crate) mod patches;
pub(crate) mod pool;
pub(crate) mod product;
pub(crate) mod scratch;
pub(crate) mod slices;
pub(crate) mod update;
