//! From a request to the bytes of the one picture in it, however the client has packed it.
//!
//! A picture comes as a file in any field of multipart/form-data, or as the body itself. Every length is limited before
//! it is read; nothing is written to a disk, and the name of a file is looked at only to tell a file from other fields.

use bytes::Bytes;
use http_body_util::{BodyDataStream, BodyExt, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use multer::{Constraints, Field, Multipart, SizeLimit};
use tokio::time::timeout;

use super::body::RequestBody;
use super::config::Config;
use super::error::{Code, HttpError};

/// The most fields that a form may have; one picture needs one.
const MAX_FIELDS: usize = 32;

/// How to send a picture, for whoever did not.
const HOW: &str = "Send one picture as a file in a field of multipart/form-data, or as the body itself with a content \
                   type such as image/png; with curl: -F image=@picture.png";

/// Reads the one picture of a request.
///
/// # Errors
/// 400 when there is none or more than one or the form is broken, 408 when it takes too long, 413 when it is too
/// large, and 415 when the body is something else altogether.
pub(super) async fn read_picture(headers: &HeaderMap, body: RequestBody, config: &Config) -> Result<Bytes, HttpError> {
    let packing = Packing::of(headers)?;
    if content_length(headers).is_some_and(|length| length > config.max_body_bytes as u64) {
        return Err(too_large(config));
    }
    let body = Limited::new(body, config.max_body_bytes);
    let reading = async {
        match packing {
            Packing::Raw => read_raw(body, config).await,
            Packing::Form { boundary } => read_form(body, boundary, config).await,
        }
    };
    timeout(config.read_timeout, reading).await.unwrap_or_else(|_| Err(too_slow(config)))
}

/// How the picture lies in the body.
enum Packing {
    Raw,
    Form { boundary: String },
}

impl Packing {
    fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(Self::Raw) };
        let content_type = content_type.to_str().unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "multipart/form-data" => match multer::parse_boundary(content_type) {
                Ok(boundary) => Ok(Self::Form { boundary }),
                Err(_) => Err(HttpError::new(
                    Code::BadMultipart,
                    "The content type multipart/form-data lacks its boundary. Let your HTTP client write this header.",
                )),
            },
            "" | "application/octet-stream" => Ok(Self::Raw),
            image if image.starts_with("image/") => Ok(Self::Raw),
            _ => Err(HttpError::new(
                Code::UnsupportedMediaType,
                format!("A body of this content type is not read. {HOW}."),
            )),
        }
    }
}

async fn read_raw(body: Limited<RequestBody>, config: &Config) -> Result<Bytes, HttpError> {
    let picture = body.collect().await.map_err(|error| unreadable(&*error, config))?.to_bytes();
    if picture.is_empty() { Err(no_image("The body is empty.")) } else { Ok(picture) }
}

async fn read_form(body: Limited<RequestBody>, boundary: String, config: &Config) -> Result<Bytes, HttpError> {
    let limit = config.max_body_bytes as u64;
    let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(limit).per_field(limit));
    let mut form = Multipart::with_constraints(BodyDataStream::new(body), boundary, constraints);
    let broken = |error: multer::Error| bad_form(error, config);

    let mut picture = None;
    let mut chosen_nothing = false;
    let mut fields = 0;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        fields += 1;
        if fields > MAX_FIELDS {
            return Err(HttpError::new(
                Code::TooLarge,
                format!("The form has more than {MAX_FIELDS} fields. Send one picture in one field."),
            ));
        }
        if !is_file(&field) {
            continue; // `next_field` reads over what is left of it.
        }
        let named = field.file_name().is_some_and(|name| !name.is_empty());
        let content = field.bytes().await.map_err(broken)?;
        if content.is_empty() && !named {
            chosen_nothing = true; // so a browser sends a file input in which nothing was chosen
            continue;
        }
        if picture.replace(content).is_some() {
            return Err(HttpError::new(
                Code::SeveralImages,
                "There is more than one file in this form. Send one picture a request.",
            ));
        }
    }
    match picture {
        Some(picture) if picture.is_empty() => Err(no_image("The file is empty.")),
        Some(picture) => Ok(picture),
        None if chosen_nothing => Err(no_image("No picture was chosen.")),
        None => Err(no_image("There is no file in this form.")),
    }
}

/// A file has a name, or at least the type of one.
fn is_file(field: &Field<'_>) -> bool {
    let typed = field
        .content_type()
        .is_some_and(|kind| kind.type_() == "image" || kind.essence_str() == "application/octet-stream");
    field.file_name().is_some() || typed
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn no_image(what: &str) -> HttpError {
    HttpError::new(Code::NoImage, format!("{what} {HOW}."))
}

fn too_large(config: &Config) -> HttpError {
    let limit = config.max_body_bytes;
    HttpError::new(
        Code::TooLarge,
        format!("The request's body is larger than {limit} bytes. Send a smaller or better compressed picture."),
    )
}

fn too_slow(config: &Config) -> HttpError {
    let seconds = config.read_timeout.as_secs_f32();
    HttpError::new(Code::Timeout, format!("The request's body did not arrive within {seconds} seconds. Send it again."))
}

fn unreadable(error: &(dyn std::error::Error + Send + Sync + 'static), config: &Config) -> HttpError {
    if error.is::<LengthLimitError>() {
        return too_large(config);
    }
    let broken = HttpError::new(Code::BadRequest, "The request's body ended before it was complete. Send it again.");
    HttpError { log: Some(error.to_string()), ..broken }
}

fn bad_form(error: multer::Error, config: &Config) -> HttpError {
    match error {
        multer::Error::StreamReadFailed(error) => unreadable(&*error, config),
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => too_large(config),
        // multer's messages name fields, and some of its errors carry their bytes: neither is for the log.
        _ => HttpError::new(
            Code::BadMultipart,
            "The body is not well-formed multipart/form-data, or ends too early. Let your HTTP client write it.",
        ),
    }
}
