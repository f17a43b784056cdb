//! How unlike the images of a training an image is: by what the backbone sees of it, and by its colours.
//!
//! In: the means of the channels behind dense blocks, and the colours of an image before any stretch. Out: a [`Novelty`],
//! and with the thresholds of the weights file the flags of a prediction.

mod flag_thresholds;

pub use flag_thresholds::{ClassShares, FlagFigures, FlagShares, FlagThresholds};

/// How unlike the images of the training an image is. Both numbers are finite, and larger ones less alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Novelty {
    /// By what the backbone sees: about 0 for images like those of the training, with a standard deviation of about 1 among
    /// them.
    pub foreign: f64,
    /// By its colours: the squared Mahalanobis distance of nine numbers, 0 or more.
    pub stain: f64,
}
