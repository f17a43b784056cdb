//! What a request is answered when it cannot be answered.
//!
//! An error here has two readers who must not be confused. The *client* sent something, or came at a bad moment: it is
//! told what was wrong, where, and what to do next, in one sentence for a person and one [`Code`] for a program. The
//! code is a promise and never changes; the sentence may. The *log* is for whoever runs the service: it may name a
//! tensor or carry a panic's message, which is nobody else's business, and so it is a field of its own. Where nothing
//! more is to be said than the client was told already, the log's part stays empty.
//!
//! Both never hold a pixel, a file name or any other part of an upload: a file name can be a patient's name.
//!
//! Everything that fails while a request is answered becomes an [`HttpError`] as soon as it is known what that means
//! for the client, and not before: `pixels` and `model` know nothing of status codes, and the two `From`s below are
//! the whole translation. How it is written, as problem+json (RFC 9457) or as a page, is decided by the exchange.

use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderName, RETRY_AFTER};
use serde::Serialize;

use crate::model::ModelError;
use crate::pixels::PixelsError;

/// The stable name of what went wrong; each belongs to one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    NoImage,
    SeveralImages,
    BadMultipart,
    BadThreshold,
    BadRequest,
    Unauthorized,
    NotFound,
    MethodNotAllowed,
    Timeout,
    TooLarge,
    UnsupportedMediaType,
    NotAnImage,
    UndecodableImage,
    Internal,
    Overloaded,
    Stopping,
}

impl Code {
    /// Every code there is.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 16] = [
        Self::NoImage,
        Self::SeveralImages,
        Self::BadMultipart,
        Self::BadThreshold,
        Self::BadRequest,
        Self::Unauthorized,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::NotAnImage,
        Self::UndecodableImage,
        Self::Internal,
        Self::Overloaded,
        Self::Stopping,
    ];

    /// The status that this code is answered with.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NoImage | Self::SeveralImages | Self::BadMultipart | Self::BadThreshold | Self::BadRequest => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType | Self::NotAnImage => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UndecodableImage => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct HttpError {
    /// What kind of error.
    pub(crate) code: Code,
    /// What the client is told: a sentence that says what was wrong and what to do.
    pub(crate) detail: String,
    /// What the log is told beyond that.
    pub(crate) log: Option<String>,
    /// A header that this answer must have: `Allow`, `Retry-After` or `WWW-Authenticate`.
    pub(crate) header: Option<(HeaderName, &'static str)>,
}

impl HttpError {
    /// The client's side of things went wrong.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), log: None, header: None }
    }

    /// Our side went wrong: the client learns that and no more.
    pub(crate) fn internal(log: impl Into<String>) -> Self {
        let detail = "The service failed on this request. The failure is in its log under this request's id.";
        Self { log: Some(log.into()), ..Self::new(Code::Internal, detail) }
    }

    /// All threads are busy and the queue is full, the memory for uploads is used up, or either would take too long.
    pub(crate) fn overloaded() -> Self {
        let detail = "The service has as many images waiting as it takes. Send this request again in a second.";
        Self { header: Some((RETRY_AFTER, "1")), ..Self::new(Code::Overloaded, detail) }
    }

    /// The route is there and does not take this method.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("This address takes {allow} and no other method.");
        Self { header: Some((ALLOW, allow)), ..Self::new(Code::MethodNotAllowed, detail) }
    }
}

impl From<PixelsError> for HttpError {
    fn from(error: PixelsError) -> Self {
        let code = match error {
            PixelsError::UnknownFormat { .. } => Code::NotAnImage,
            PixelsError::Undecodable { .. } => Code::UndecodableImage,
            PixelsError::TooManyBytes { .. }
            | PixelsError::TooManyPixels { .. }
            | PixelsError::TooMuchMemory { .. } => Code::TooLarge,
            other => return Self::internal(other.to_string()),
        };
        Self::new(code, sentence(&error.to_string()))
    }
}

impl From<ModelError> for HttpError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Pixels(error) => error.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

/// A message of the library, which begins small and ends open, as a sentence.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_ours_tells_the_client_nothing_of_its_reason() {
        let error = HttpError::from(PixelsError::Preprocess("the mean of channel 2 is NaN".into()));
        assert_eq!(error.code.status(), 500);
        assert!(!error.detail.contains("NaN"));
        assert!(error.log.is_some_and(|log| log.contains("the mean of channel 2 is NaN")));
    }

    #[test]
    fn an_image_that_is_none_is_the_clients_to_know() {
        let error = HttpError::from(PixelsError::UnknownFormat { found: "the file is empty".into() });
        assert_eq!(error.code, Code::NotAnImage);
        assert!(error.detail.starts_with("The file is empty") && error.detail.ends_with('.'), "{}", error.detail);
        assert_eq!(error.log, None);
    }
}
