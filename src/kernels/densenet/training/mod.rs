//! DenseNet's backbone as it is trained: a forward pass that keeps little, a backward pass that makes the rest again.
//!
//! In: images, parameters as slices, and each batch norm as a `crate::kernels::BatchNorm`. Out: `FeatureMaps` of
//! each block with their moments, then `FeatureGradient`s and the gradients of the parameters. Of a dense block are
//! kept its channels, in panels that are written once, and what its 1x1 convolutions made. A channel's moments are
//! taken once, where it is made: all later norms of the block share them, and what these take away from its gradient is
//! linear in it, so it is added up as two numbers a channel and taken once. Normalised channels live for a tile of
//! rows, in the cache.

mod conv3x3;
mod layer;
mod norm_loops;
mod panels;
mod pointwise;
mod stem;
pub(crate) mod tap;
pub(crate) mod transition;
mod winograd_training;
mod workspace;

pub(crate) use layer::Squeezed;
pub(crate) use panels::{FeatureGradient, FeatureMaps};
pub(crate) use stem::Stem;
pub(crate) use workspace::BatchShape;
pub use workspace::Workspace;
