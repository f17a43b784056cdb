//! The networks, the classifier around one, and the weights file it comes from.
//!
//! In: images and a weights file. Out: a [`Prediction`] an image. Knows no HTTP, no command line, no data set.
//!
//! [`Architecture`] is the one description of a network: its layers, their names and their sizes. A [`Network`] puts
//! [`Parameters`] to it, which are filled by [`Parameters::initial`] or from a [`WeightsFile`]. [`Network::learn`] is
//! the training walk through it and [`InferenceNetwork`] the inference walk. [`fit_quantised_convs`] finds the whole
//! numbers in which the convolutions of its dense layers can be computed.

mod architecture;
mod classifier;
mod error;
mod explanation;
mod frozen_backbone;
mod networks;
mod novelty;
mod operating_point;
mod parameters;
mod precision;
mod quantisation;
mod safetensors;
mod score_histogram;
mod topology;
mod weights_file;

pub use self::safetensors::{StoredTensor, StoredTensors, read_described_tensors, write_tensors};
pub use architecture::{Architecture, Baseline, Fused};
#[cfg(any(feature = "train", feature = "predict"))]
pub(crate) use classifier::sha256;
pub use classifier::{Classifier, LoadTimes, ModelId, Prediction};
pub use error::ModelError;
pub use explanation::Explanation;
pub use frozen_backbone::FrozenBackbone;
pub use networks::{ContributionMap, InferenceNetwork, Mode, Network, Pass, TrainingPass};
pub use novelty::{
    BlockStatistics, ClassShares, ColourDistribution, FlagFigures, FlagLimits, FlagShares, FlagThresholds, Novelty,
    NoveltyFeatures, NoveltyObserver, NoveltyStatistics,
};
pub use operating_point::{
    AskedThreshold, BeforeAfter, Calibration, DecisionPoint, NoSuchPoint, OperatingPoint, PointName,
    SensitivitySpecificity,
};
pub use parameters::{NormPolicy, Parameter, Parameters, in_backbone};
pub use precision::{Precision, PrecisionChoice, UnknownPrecision};
pub use quantisation::{Quantisation, QuantisedConv, QuantisedConvs, fit as fit_quantised_convs};
pub use score_histogram::ScoreHistogram;
#[cfg(feature = "train")]
pub(crate) use topology::{BLOCK_POOL, BaselineNet, Conv, Dense, DenseLayer, FusedNet, Norm, STEM_POOL, Topology};
pub use topology::{Role, TensorSpec};
pub use weights_file::{FORMAT, KEY, Metadata, Origin, Provenance, WeightsFile};
