//! The networks in candle, the classifier around one, and the weights file it comes from.
//! In: pictures and a weights file. Out: a [`Prediction`] a picture. Knows no HTTP, no command line, no data set.

mod classifier;

pub use classifier::{Classifier, ModelCard, Prediction};

/// What goes wrong with a network or its weights file.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// stub
    #[error("stub: {0}")]
    Stub(String),
    /// A picture could not be brought to a tensor.
    #[error(transparent)]
    Pixels(#[from] crate::pixels::PixelsError),
}
