//! What goes wrong: for one request, an [`HttpError`]; for the service as a whole, a [`ServeError`].
//!
//! An [`HttpError`] has two readers who must not be confused. The *client* sent something, or came at a bad moment: it
//! reads what was wrong, where, and what to do next, in one sentence for a person and one [`Code`] for a program. The
//! code is a promise and never changes; the sentence may. The *log* is for whoever runs the service: it may name a
//! tensor or carry a panic's message, which is nobody else's business, and so it is a field of its own. Where there is
//! nothing more to say than the client reads already, the log's part stays empty.
//!
//! Neither ever holds a pixel, a file name or any other part of an upload: a file name can be a patient's name.
//!
//! Everything that fails while a request is answered becomes an [`HttpError`] as soon as it is known what that means
//! for the client, and not before: `inference`, `pixels` and `model` know nothing of status codes, and the `From`s below
//! are the whole translation. Whether it is written as problem+json, as a page or as another server would is decided by the
//! pending request.

use std::io;
use std::net::SocketAddr;

use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderName, RETRY_AFTER};
use serde::Serialize;

use crate::inference::InferenceError;
use crate::model::ModelError;
use crate::pixels::{Fault, PixelsError};

/// What ends the service, or keeps it from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The network could not be loaded, or failed on a first image.
    #[error("the network cannot be used")]
    Model(#[from] ModelError),
    /// The address could not be bound.
    #[error("cannot listen on {address}: {}", why_not_bound(.source))]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system refused a thread or a signal handler.
    #[error("the service cannot start")]
    Start(#[source] io::Error),
}

fn why_not_bound(error: &io::Error) -> String {
    const OTHER: &str = "choose another with --listen ADDRESS:PORT or the variable PORT";
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("another program listens there already; end it, or {OTHER}"),
        io::ErrorKind::PermissionDenied => format!("this user may not; {OTHER}, with a port of 1024 or more"),
        io::ErrorKind::AddrNotAvailable => format!("this machine does not have that address; {OTHER}"),
        _ => OTHER.to_owned(),
    }
}

/// The stable name of what went wrong; each belongs to one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
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
    pub(super) fn status(self) -> StatusCode {
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
pub(super) struct HttpError {
    pub(super) code: Code,
    /// What the client reads: a sentence that says what was wrong and what to do.
    pub(super) detail: String,
    /// What the log says beyond that.
    pub(super) log: Option<String>,
    /// A header that this answer must have: `Allow`, `Retry-After`, `WWW-Authenticate` or `Accept-Encoding`.
    pub(super) header: Option<(HeaderName, &'static str)>,
}

impl HttpError {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), log: None, header: None }
    }

    /// Our side went wrong: the client learns that and no more.
    pub(super) fn internal(log: impl Into<String>) -> Self {
        let detail = "The service failed on this request. The failure is in its log under this request's id.";
        Self { log: Some(log.into()), ..Self::new(Code::Internal, detail) }
    }

    /// The queue is full, the memory for uploads and answers is used up, or the image waited too long.
    pub(super) fn overloaded() -> Self {
        let detail =
            "The service has as much work waiting or in memory as it takes. Send this request again in a second.";
        Self { header: Some((RETRY_AFTER, "1")), ..Self::new(Code::Overloaded, detail) }
    }

    /// The request took as long as it may. Whatever waits now has been answered or refused when its client comes back.
    pub(super) fn out_of_time() -> Self {
        let detail = "The time that a request may take was up before this one was answered. Send it again later; \
                      where it was large, with fewer or smaller images.";
        Self { header: Some((RETRY_AFTER, "10")), ..Self::new(Code::Overloaded, detail) }
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("This address takes {allow} and no other method.");
        Self { header: Some((ALLOW, allow)), ..Self::new(Code::MethodNotAllowed, detail) }
    }
}

impl From<InferenceError> for HttpError {
    fn from(error: InferenceError) -> Self {
        match error {
            InferenceError::QueueFull | InferenceError::WaitTimeout => Self::overloaded(),
            InferenceError::OutOfTime => Self::new(
                Code::Overloaded,
                "The time that a request may take was up before this image was classified. Send it again, with fewer \
                 images at a time.",
            ),
            InferenceError::Decode(error) => error.into(),
            InferenceError::Model(error) => error.into(),
            InferenceError::Explain(_) | InferenceError::Panicked(_) | InferenceError::ThreadEnded => {
                Self::internal(error.to_string())
            }
        }
    }
}

impl From<PixelsError> for HttpError {
    fn from(error: PixelsError) -> Self {
        let code = match error.fault() {
            Fault::NotAnImage => Code::NotAnImage,
            Fault::UndecodableImage => Code::UndecodableImage,
            Fault::TooLarge => Code::TooLarge,
            Fault::Unreadable | Fault::Internal => return Self::internal(error.to_string()),
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

/// An error as a client reads it: problem+json (RFC 9457). A batch has one for each image that failed.
#[derive(Serialize)]
pub(super) struct Problem<'a> {
    /// "about:blank" means that the status says what kind of problem it is; `code` says it more precisely.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: Code,
    request_id: &'a str,
}

impl<'a> Problem<'a> {
    pub(super) fn of(error: &'a HttpError, request_id: &'a str) -> Self {
        let status = error.code.status();
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &error.detail,
            code: error.code,
            request_id,
        }
    }
}

/// An error as clients of other servers read it: they look for `error`, and pass over what else there is.
#[derive(Serialize)]
pub(super) struct PlainError<'a> {
    error: &'a str,
    code: Code,
    request_id: &'a str,
}

impl<'a> PlainError<'a> {
    pub(super) fn of(error: &'a HttpError, request_id: &'a str) -> Self {
        Self { error: &error.detail, code: error.code, request_id }
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
    fn a_failure_of_ours_is_500_and_its_reason_is_in_the_log_alone() {
        let preprocess = PixelsError::Preprocess("the mean of channel 2 is NaN".into());
        for (error, reason) in [
            (HttpError::from(preprocess), "the mean of channel 2 is NaN"),
            (HttpError::from(InferenceError::Panicked("an empty image".into())), "an empty image"),
            (HttpError::from(ModelError::NotFinite(f64::NAN)), "the network's margin is NaN"),
        ] {
            assert_eq!((error.code, error.code.status().as_u16()), (Code::Internal, 500));
            assert!(error.log.is_some_and(|log| log.contains(reason)) && !error.detail.contains(reason));
        }
    }

    #[test]
    fn what_is_not_an_image_is_the_clients_to_know() {
        let error = HttpError::from(PixelsError::UnknownFormat { found: "the file is empty".into() });
        assert_eq!(error.code, Code::NotAnImage);
        assert!(error.detail.starts_with("The file is empty") && error.detail.ends_with('.'), "{}", error.detail);
        assert_eq!(error.log, None);
    }

    #[test]
    fn a_full_queue_is_503_with_retry_after() {
        for full in [InferenceError::QueueFull, InferenceError::WaitTimeout] {
            let error = HttpError::from(full);
            assert_eq!((error.code, error.header), (Code::Overloaded, Some((RETRY_AFTER, "1"))));
        }
    }

    #[test]
    fn a_request_whose_time_was_up_is_not_told_to_come_back_in_a_second() {
        for error in [HttpError::out_of_time(), InferenceError::OutOfTime.into()] {
            assert_eq!(error.code, Code::Overloaded);
            assert!(error.detail.starts_with("The time that a request may take was up"), "{}", error.detail);
            assert!(!error.detail.contains("second") && error.detail.ends_with('.'));
        }
        assert_eq!(HttpError::out_of_time().header, Some((RETRY_AFTER, "10")));
    }
}
