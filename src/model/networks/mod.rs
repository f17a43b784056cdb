//! The networks, and the two walks through the DenseNet's backbone: `training_walk` makes gradients, `inference_walk`
//! only classifies. `contributions` says where in an image a margin comes from. What stands behind the backbone, and the baseline, have one way through candle each, in `network`.

mod contributions;
mod inference_walk;
mod network;
mod training_walk;

pub use contributions::ContributionMap;
pub(in crate::model) use contributions::Contributions;
pub use inference_walk::InferenceNetwork;
pub(in crate::model) use inference_walk::{Pooling, folded};
pub use network::{Mode, Network, TrainingPass};
pub use training_walk::Pass;
