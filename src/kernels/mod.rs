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

pub mod densenet;
pub(crate) mod ops;
mod simd;

pub use densenet::inference::{
    Affine, Backbone, BackboneWeights, BlockWeights, LayerWeights, StemWeights, Step, TransitionWeights, peak,
};
pub use ops::bias::{bias, bias_relu};
pub use ops::concat::concat_channels;
pub use ops::conv::conv2d;
pub use ops::dropout::dropout;
pub use ops::moments::Moments;
pub use ops::norm::{NormMode, Normalisation, batch_norm};
pub use ops::patches::Geometry;
pub use ops::pool::{average_pool_2x2, global_average_pool, max_pool};
pub use ops::product::product;
pub use ops::slices::with as with_slices;
pub use ops::update::update;
pub use simd::{Level, LevelError};
