//! Why an image was not classified.

use crate::model::ModelError;
use crate::pixels::PixelsError;

/// Why an image was not classified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InferenceError {
    /// As many images wait as may.
    #[error("the queue is full")]
    QueueFull,
    /// The image waited for a thread, or for room in the queue, as long as it may.
    #[error("no thread was free in time")]
    WaitTimeout,
    /// The bytes are not an image that is read.
    #[error(transparent)]
    Decode(#[from] PixelsError),
    /// The network failed on the image.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The thread panicked, with this message, and goes on with the next image.
    #[error("a panic while classifying an image: {0}")]
    Panicked(String),
    /// The thread ended before the image was classified.
    #[error("an inference thread ended within a job")]
    ThreadEnded,
}
