//! Candle custom operators with gradients: one a file, with plain loops over slices, the custom op around them, and its
//! tests (finite differences, and candle's own operator where that is right).

mod batch_norm;
mod bias;
pub(crate) mod conv2d;
mod dropout;
#[cfg(test)]
pub(crate) mod gradcheck;
mod max_pool;
mod product;
pub(crate) mod update;

pub(crate) use batch_norm::batch_norm;
pub(crate) use bias::{bias, bias_relu};
pub use conv2d::conv2d;
pub(crate) use dropout::dropout;
pub(crate) use max_pool::max_pool;
pub(crate) use product::product;
pub use update::update;
