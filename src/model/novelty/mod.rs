//! How unlike the images of a training an image is: by what the backbone sees of it, and by its colours.
//!
//! In: the means of the channels behind three dense blocks, and the colours of an image before any stretch
//! ([`NoveltyFeatures`]). Out: a [`Novelty`], and with the thresholds of the weights file the flags of a prediction.
//!
//! The images of one laboratory fill few of the directions that the features of a backbone could take. What of an image
//! lies outside of these few is measured at several depths, as in ViM (Wang et al., CVPR 2022) at one.

mod features;
mod flag_thresholds;
mod statistics;

pub use features::{NoveltyFeatures, NoveltyObserver};
pub use flag_thresholds::{ClassShares, FlagFigures, FlagLimits, FlagShares, FlagThresholds};
pub use statistics::{BlockStatistics, ColourDistribution, NoveltyStatistics};

/// How unlike the images of the training an image is. Both numbers are finite, and larger ones less alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Novelty {
    /// By what the backbone sees: the mean of three standardised scores, so about 0 for images like those of the training,
    /// with a standard deviation of at most 1 among them.
    pub foreign: f64,
    /// By its colours: the squared Mahalanobis distance of nine numbers, 0 or more.
    pub stain: f64,
}

#[cfg(test)]
mod tests;
