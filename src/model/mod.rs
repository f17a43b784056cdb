//! The networks in candle, the classifier around one, and the weights file it comes from.
//!
//! In: images and a weights file. Out: a [`Prediction`] an image. Knows no HTTP, no command line, no data set.
//!
//! [`Architecture`] is the one description of a network: its layers, their names and their sizes. [`Network`] walks
//! it forward with [`Parameters`], which are filled by [`Parameters::initial`] or from a [`WeightsFile`].

mod architecture;
mod backbone;
mod classifier;
mod error;
mod fast;
mod frozen;
mod learning;
mod network;
mod parameters;
mod topology;
mod weights_file;

pub use architecture::{Architecture, Baseline, Fused};
pub use classifier::{Classifier, LoadTimes, ModelCard, Prediction};
pub use error::ModelError;
pub use fast::FastNetwork;
pub use frozen::FrozenBackbone;
pub use learning::Pass;
pub use network::{Mode, Network, Training};
pub use parameters::{NormPolicy, Parameter, Parameters, in_backbone};
pub use topology::{Role, TensorSpec};
pub use weights_file::{
    FORMAT, Metadata, Provenance, StoredTensor, StoredTensors, WeightsFile, read_described_tensors, read_start,
    write_tensors,
};
