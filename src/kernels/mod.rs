//! The operators that candle lacks or does slowly, as candle custom ops with gradients.
//!
//! Everything is f32, contiguous and channels-last: images are (batch, height, width, channels), and an operator
//! that treats pixels alike sees them as (rows, channels). Each file holds one operator: plain loops over slices,
//! then the custom op around them, then its tests (finite differences, and candle's own operator where that is right).
//! Two rooms hold DenseNet's backbone as a whole: `inference` lays it out for one image, [`training`] makes its
//! gradients and keeps little. They compute what the operators one by one compute, which tests hold them to, with the
//! vector instructions of `simd` and the transforms of `winograd`. `heap` is no operator; it is here because it asks the
//! allocator itself.
//!
//! Sums that run over images are made in groups whose number does not depend on the number of threads, so results
//! do not either.

mod bias;
mod concat;
mod conv;
mod dropout;
#[cfg(test)]
mod gradcheck;
mod heap;
mod inference;
mod lanes;
mod matmul;
mod moments;
mod norm;
mod patches;
mod pool;
mod product;
mod scratch;
mod simd;
mod slices;
pub mod training;
mod update;
mod winograd;

pub use bias::{bias, bias_relu};
pub use concat::concat_channels;
pub use conv::conv2d;
pub use dropout::dropout;
pub use heap::{give_back, keep_large_blocks, share_heap};
pub use inference::{
    Affine, Backbone, BackboneWeights, BlockWeights, LayerWeights, StemWeights, Step, TransitionWeights, peak,
};
pub use moments::Moments;
pub use norm::{NormMode, Normalisation, batch_norm};
pub use patches::Geometry;
pub use pool::{average_pool_2x2, global_average_pool, max_pool};
pub use product::product;
pub use simd::{Level, LevelError};
pub use slices::with as with_slices;
pub use update::update;
