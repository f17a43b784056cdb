//! From a request to the bytes of the images in it, however the client has packed them.
//!
//! An image comes as a file in any field of multipart/form-data, or as the body itself. Every length is limited before
//! it is read; nothing is written to a disk. The name of a file is given back to the client that sent it, and to nobody
//! else.
//!
//! | | |
//! |---|---|
//! | `form`, `field_headers`, `parameters` | multipart/form-data, what the headers of a field say, and how clients write them |
//! | `raw` | a body that is an image |
//! | `base64` | images as text |
//! | `json` | JSON, in memory that its text bounds |
//! | `selection` | which of what came is classified, and how much may come beside it |
//! | `memory_limit`, `body` | what all uploads may take together; what is left unread of one |

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::{iter, mem};

use bytes::Bytes;
use http_body_util::{LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::Body;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::config::Config;
use super::error::{Code, HttpError};
use memory_limit::{BoxedError, Counted, MemoryUsedUp};

mod base64;
mod body;
mod field_headers;
mod form;
#[cfg(fuzzing)]
pub mod fuzzing;
pub(super) mod json;
mod memory_limit;
mod parameters;
mod raw;
mod selection;
#[cfg(test)]
mod tests;

pub(super) use base64::{Damage, begin_of_base64, decode_text};
pub(super) use body::RequestBody;
pub(super) use memory_limit::{MemoryLimit, Reservation};

/// How to send an image, for whoever did not.
pub(super) const HOW: &str = "Send one image as a file in a field of multipart/form-data, or as the body itself, whose \
                              type may be left out; with curl: -F image=@image.png";

const JSON: &str = "application/json";

/// What came with a request.
#[derive(Debug)]
pub(super) struct Upload {
    /// The files in the order in which they came, at least one.
    pub(super) files: Vec<File>,
    pub(super) fields: Fields,
}

/// Names and values of a form's fields that are no files.
pub(super) type Fields = Vec<(String, String)>;

#[derive(Debug)]
pub(super) struct File {
    /// Its name on the client's side, where it has said one.
    pub(super) name: Option<String>,
    /// Its bytes, which give their part of the memory back when the last copy of them is dropped.
    pub(super) content: Bytes,
    /// What is wrong with the base64 that they came in: they are not all of it.
    pub(super) damage: Option<Damage>,
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
/// 413 when it is too large; 415 when it is something else altogether, or compressed; 503 when there is no memory for it.
pub(super) async fn read(
    headers: &HeaderMap,
    body: impl Body<Data = Bytes, Error: Into<BoxedError>> + Send + Unpin + 'static,
    expected: Expected,
    memory: &MemoryLimit,
    config: &Config,
) -> Result<Upload, HttpError> {
    refuse_encodings(headers)?;
    let packing = Packing::of(headers)?;
    let (body, reservation) = limited(headers, body, memory, config)?;
    let reading = async {
        let selection = match packing {
            Packing::Raw(kind) => raw::select(raw::collect(body, config).await?, kind, expected, &reservation).await,
            Packing::Form(boundary) => form::select(body, boundary, expected, config).await,
        };
        selection?.finish()
    };
    let (files, fields) = in_time(reading, config).await?;
    Ok(Upload::that_keeps(&reservation, files, fields))
}

/// Reads a body whole, whatever its type says, and takes images and fields from it as another server's clients put them
/// there; what else they asked for comes with it. The reservation has the body's length twice by then, once for the body and
/// once for what is taken from it: where that is more, `take` reserves the rest.
///
/// # Errors
/// Those of [`read`] that are not about what lies in the body, and those of `take`.
pub(super) async fn read_whole<T: Send + 'static>(
    headers: &HeaderMap,
    body: impl Body<Data = Bytes, Error: Into<BoxedError>> + Send + Unpin + 'static,
    memory: &MemoryLimit,
    config: &Config,
    take: impl FnOnce(&[u8], &Reservation) -> Result<(Vec<File>, Fields, T), HttpError> + Send + 'static,
) -> Result<(Upload, T), HttpError> {
    refuse_encodings(headers)?;
    let (body, reservation) = limited(headers, body, memory, config)?;
    let reading = async {
        let (content, held) = (raw::collect(body, config).await?, Arc::clone(&reservation));
        off_the_loop(content.len(), move || {
            // Texts and samples that are taken out are as large again at most, and a text with escapes is copied once more.
            let copies = 1 + usize::from(content.contains(&b'\\'));
            if !held.take(content.len().saturating_mul(copies)) {
                return Err(HttpError::overloaded());
            }
            take(&content, &held)
        })
        .await?
    };
    let (files, fields, more) = in_time(reading, config).await?;
    Ok((Upload::that_keeps(&reservation, files, fields), more))
}

impl Upload {
    /// An upload whose files have their parts of this reservation.
    fn that_keeps(reservation: &Reservation, mut files: Vec<File>, fields: Fields) -> Self {
        files.iter_mut().for_each(|file| file.content = reservation.keep(mem::take(&mut file.content)));
        Self { files, fields }
    }

    /// Its file, where one was expected.
    ///
    /// # Errors
    /// 500 where there is none.
    pub(super) fn only_file(self) -> Result<File, HttpError> {
        self.files.into_iter().next().ok_or_else(|| HttpError::internal("an upload without a file"))
    }
}

/// A body within the limits of bytes and memory, and the part of the memory that it takes.
fn limited<B: Body<Data = Bytes, Error: Into<BoxedError>> + Unpin>(
    headers: &HeaderMap,
    body: B,
    memory: &MemoryLimit,
    config: &Config,
) -> Result<(Counted<Limited<B>>, Arc<Reservation>), HttpError> {
    if content_length(headers).is_some_and(|length| length > config.max_body_bytes as u64) {
        return Err(too_large(config));
    }
    let reservation = Arc::new(memory.reservation());
    let body = Counted { body: Limited::new(body, config.max_body_bytes), reservation: Arc::clone(&reservation) };
    Ok((body, reservation))
}

async fn in_time<T>(reading: impl Future<Output = Result<T, HttpError>>, config: &Config) -> Result<T, HttpError> {
    timeout(config.read_timeout, reading).await.unwrap_or_else(|_| Err(too_slow(config)))
}

/// How the image lies in the body.
enum Packing {
    /// It is the body.
    Raw(raw::Kind),
    /// It is in a form with this boundary.
    Form(String),
}

impl Packing {
    fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(Self::Raw(raw::Kind::Bytes)) };
        match essence(content_type).as_str() {
            "multipart/form-data" => Ok(Self::Form(form::boundary(content_type)?)),
            "application/x-www-form-urlencoded" => Ok(Self::Raw(raw::Kind::OldForm)),
            "text/plain" => Ok(Self::Raw(raw::Kind::Text)),
            // The decoder names these two, which people send.
            "" | "application/pdf" | "application/dicom" => Ok(Self::Raw(raw::Kind::Bytes)),
            kind if field_headers::is_bytes(kind) || kind.starts_with("image/") => Ok(Self::Raw(raw::Kind::Bytes)),
            kind => {
                let what = if kind == JSON { "JSON" } else { "A body of this content type" };
                Err(HttpError::new(Code::UnsupportedMediaType, format!("{what} is not read. {HOW}.")))
            }
        }
    }
}

/// Whether a body says of itself that it is JSON.
pub(super) fn says_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).map(essence).is_some_and(|kind| kind == JSON)
}

/// A type or an encoding in lower case, without its parameters.
fn essence(value: &HeaderValue) -> String {
    let value = value.as_bytes();
    let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
    String::from_utf8_lossy(value[..end].trim_ascii()).to_ascii_lowercase()
}

fn refuse_encodings(headers: &HeaderMap) -> Result<(), HttpError> {
    refuse_transfer_encoding(headers)?;
    refuse_content_encoding(headers.get_all(CONTENT_ENCODING))
}

/// Refuses a body that hyper has taken out of its chunks and that is compressed all the same (RFC 9112, 6.1).
fn refuse_transfer_encoding(headers: &HeaderMap) -> Result<(), HttpError> {
    let codings = headers.get_all(TRANSFER_ENCODING).iter().map(essence).collect::<Vec<_>>().join(",");
    if ["", "chunked"].contains(&codings.as_str()) {
        return Ok(());
    }
    let detail = "A Transfer-Encoding other than chunked is not read. Send the image as it is.";
    Err(HttpError::new(Code::BadRequest, detail))
}

/// Refuses what is compressed, with the header that RFC 7694 wants: images are compressed already, and what they unpack
/// to would be limited by nothing that has been looked at.
fn refuse_content_encoding<'a>(encodings: impl IntoIterator<Item = &'a HeaderValue>) -> Result<(), HttpError> {
    const KNOWN: [&str; 6] = ["gzip", "x-gzip", "deflate", "br", "zstd", "compress"];
    let words = encodings.into_iter().map(essence).collect::<Vec<_>>().join(",");
    let Some(coding) = words.split(',').map(str::trim).find(|word| !["", "identity"].contains(word)) else {
        return Ok(());
    };
    let name = KNOWN.into_iter().find(|known| *known == coding).unwrap_or("another one than identity");
    let detail = format!("A Content-Encoding is not read, and this request has {name}. Send the image as it is.");
    let refused = HttpError::new(Code::UnsupportedMediaType, detail);
    Err(HttpError { header: Some((ACCEPT_ENCODING, "identity")), ..refused })
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
    let first: &(dyn Error + 'static) = error;
    let mut causes = iter::successors(Some(first), |&error| error.source());
    let kind = causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let detail = match kind {
        Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) => {
            "The chunks in which the request's body came are not well-formed. Send it again."
        }
        // So it is for a client that has gone, too: hyper has met the end of what it sends, or a reset. Whether anybody
        // reads this shows when it is sent, and the pending request says so.
        _ => "The request's body ended before it was complete. Send it again.",
    };
    HttpError { log: Some(error.to_string()), ..HttpError::new(Code::BadRequest, detail) }
}

/// Bytes that may be decoded where requests are read: what takes a tenth of a millisecond.
const AT_ONCE: usize = 64 << 10;

/// Does work on so many bytes, of which others shall not have to wait for the end: more than a few are left to the
/// threads beside the event loop.
async fn off_the_loop<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HttpError> {
    if bytes <= AT_ONCE {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(|error| HttpError::internal(format!("while a body was decoded: {error}")))
}
