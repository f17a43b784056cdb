use crate::explain::ExplainError;
use crate::model::ModelError;
use crate::pixels::PixelsError;

/// Why an image was not classified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InferenceError {
    #[error("the queue is full")]
    QueueFull,
    /// The image waited for a thread, or for room in the queue, as long as it may.
    #[error("no thread was free in time")]
    WaitTimeout,
    /// The time of the whole request was up before this image was classified.
    #[error("the request's time was up")]
    OutOfTime,
    #[error(transparent)]
    Decode(#[from] PixelsError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// The thread goes on with the next image.
    #[error("a panic while classifying an image: {0}")]
    Panicked(String),
    #[error("an inference thread ended within a job")]
    ThreadEnded,
}
