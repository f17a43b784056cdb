//! From a request to the bytes of the images in it, however the client has packed them.
//!
//! An image comes as a file in any field of multipart/form-data, or as the body itself. Every length is limited before
//! it is read; nothing is written to a disk. The name of a file is given back to the client that sent it, and to nobody
//! else.
//!
//! A body itself is an image when its type says so, or says nothing. `curl --data-binary` says of whatever it sends that
//! it is a form of the old kind (application/x-www-form-urlencoded), so there the bytes decide.

use std::error::Error;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use tokio::time::timeout;

use super::config::Config;
use super::error::{Code, HttpError};
use memory_limit::{BoxedError, Counted, MemoryUsedUp};

mod body;
mod form;
#[cfg(fuzzing)]
pub mod fuzzing;
mod memory_limit;

pub(super) use body::RequestBody;
pub(super) use memory_limit::{MemoryLimit, Share};

/// How to send an image, for whoever did not.
const HOW: &str = "Send one image as a file in a field of multipart/form-data, or as the body itself with a content \
                   type such as image/png; with curl: -F image=@image.png";

/// What came with a request.
#[derive(Debug)]
pub(super) struct Upload {
    /// The files in the order in which they came, at least one.
    pub(super) files: Vec<File>,
}

#[derive(Debug)]
pub(super) struct File {
    /// Its name on the client's side, where it has said one.
    pub(super) name: Option<String>,
    /// Its bytes, which give their part of the memory back when the last copy of them is dropped.
    pub(super) content: Bytes,
}

/// How many images a request may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// One, and it is not empty.
    One,
    /// One or more; an empty one gets an answer of its own.
    AtMost(usize),
}

/// Reads the images of a request.
///
/// # Errors
/// 400 when there is none, or more than one where one is expected, or the form is broken; 408 when it takes too long;
/// 413 when it is too large; 415 when the body is something else altogether; 503 when there is no memory for it.
pub(super) async fn read(
    headers: &HeaderMap,
    body: impl Body<Data = Bytes, Error: Into<BoxedError>> + Send + Unpin + 'static,
    expected: Expected,
    memory: &MemoryLimit,
    config: &Config,
) -> Result<Upload, HttpError> {
    let packing = Packing::of(headers)?;
    if content_length(headers).is_some_and(|length| length > config.max_body_bytes as u64) {
        return Err(too_large(config));
    }
    let share = Arc::new(memory.share());
    let body = Counted { body: Limited::new(body, config.max_body_bytes), share: Arc::clone(&share) };
    let reading = async {
        match packing {
            Packing::Raw => read_raw(body, |_| true, config).await,
            Packing::RawIfImage => read_raw(body, |content| image::guess_format(content).is_ok(), config).await,
            Packing::Form(boundary) => form::read(body, boundary, expected, config).await,
        }
    };
    let mut files = timeout(config.read_timeout, reading).await.unwrap_or_else(|_| Err(too_slow(config)))?;
    files.iter_mut().for_each(|file| file.content = share.keep(mem::take(&mut file.content)));
    Ok(Upload { files })
}

/// How the image lies in the body.
enum Packing {
    /// It is the body.
    Raw,
    /// It is the body, if its bytes say so: the type is what curl writes where it is given none.
    RawIfImage,
    /// It is in a form with this boundary.
    Form(String),
}

impl Packing {
    fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(Self::Raw) };
        let content_type = content_type.to_str().unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "multipart/form-data" => Ok(Self::Form(form::boundary(content_type)?)),
            "application/x-www-form-urlencoded" => Ok(Self::RawIfImage),
            "" | "application/octet-stream" => Ok(Self::Raw),
            image if image.starts_with("image/") => Ok(Self::Raw),
            _ => Err(unsupported()),
        }
    }
}

async fn read_raw(
    body: impl Body<Data = Bytes, Error = BoxedError>,
    is_image: impl Fn(&Bytes) -> bool,
    config: &Config,
) -> Result<Vec<File>, HttpError> {
    let content = body.collect().await.map_err(|error| unreadable(&*error, config))?.to_bytes();
    if !is_image(&content) {
        return Err(unsupported());
    }
    // A body is not a form's field that somebody may have left empty: without bytes there is no image.
    if content.is_empty() { Err(no_image("The body is empty.")) } else { Ok(vec![File { name: None, content }]) }
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn unsupported() -> HttpError {
    HttpError::new(Code::UnsupportedMediaType, format!("A body of this content type is not read. {HOW}."))
}

fn no_image(what: &str) -> HttpError {
    HttpError::new(Code::NoImage, format!("{what} {HOW}."))
}

fn too_large(config: &Config) -> HttpError {
    let limit = config.max_body_bytes;
    let detail = format!("The request's body is larger than {limit} bytes. Send a smaller or better compressed image.");
    HttpError::new(Code::TooLarge, detail)
}

fn too_slow(config: &Config) -> HttpError {
    let seconds = config.read_timeout.as_secs_f32();
    HttpError::new(Code::Timeout, format!("The request's body did not arrive within {seconds} seconds. Send it again."))
}

fn unreadable(error: &(dyn Error + Send + Sync + 'static), config: &Config) -> HttpError {
    if error.is::<LengthLimitError>() {
        return too_large(config);
    }
    if error.is::<MemoryUsedUp>() {
        return HttpError::overloaded();
    }
    let broken = HttpError::new(Code::BadRequest, "The request's body ended before it was complete. Send it again.");
    HttpError { log: Some(error.to_string()), ..broken }
}
