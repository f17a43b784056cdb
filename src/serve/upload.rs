//! From a request to the bytes of the images in it, however the client has packed them.
//!
//! An image comes as a file in any field of multipart/form-data, or as the body itself. Every length is limited before
//! it is read; nothing is written to a disk. The name of a file is given back to the client that sent it, and to nobody
//! else.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyDataStream, BodyExt, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use multer::{Constraints, Field, Multipart, SizeLimit};
use tokio::time::timeout;

use super::budget::{Budget, Budgeted, NoRoom, Share};
use super::config::Config;
use super::error::{Code, HttpError};

/// Fields of a form that are no images; what a page sends beside them is few.
const OTHER_FIELDS: usize = 32;

/// How to send an image, for whoever did not.
const HOW: &str = "Send one image as a file in a field of multipart/form-data, or as the body itself with a content \
                   type such as image/png; with curl: -F image=@image.png";

/// What came with a request, and the memory that it takes.
#[derive(Debug)]
pub(super) struct Upload {
    /// The files in the order in which they came, at least one.
    pub(super) files: Vec<File>,
    _share: Arc<Share>,
}

/// A file of an upload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct File {
    /// Its name on the client's side, where it told one.
    pub(super) name: Option<String>,
    /// Its bytes.
    pub(super) content: Bytes,
}

/// How many images a request may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// One, and it is not empty.
    One,
    /// One or more; what an empty one is answered is its own business.
    AtMost(usize),
}

/// Reads the images of a request.
///
/// # Errors
/// 400 when there is none, or more than one where one is expected, or the form is broken; 408 when it takes too long;
/// 413 when it is too large; 415 when the body is something else altogether; 503 when there is no memory for it.
pub(super) async fn read<B>(
    headers: &HeaderMap,
    body: B,
    expected: Expected,
    budget: &Budget,
    config: &Config,
) -> Result<Upload, HttpError>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let packing = Packing::of(headers)?;
    if content_length(headers).is_some_and(|length| length > config.max_body_bytes as u64) {
        return Err(too_large(config));
    }
    let share = Arc::new(budget.share());
    let body = Budgeted { body: Limited::new(body, config.max_body_bytes), share: Arc::clone(&share) };
    let reading = async {
        match packing {
            Packing::Raw => read_raw(body, expected, config).await,
            Packing::Form { boundary } => read_form(body, boundary, expected, config).await,
        }
    };
    let files = timeout(config.read_timeout, reading).await.unwrap_or_else(|_| Err(too_slow(config)))?;
    Ok(Upload { files, _share: share })
}

/// How the image lies in the body.
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

/// A body with everything that limits it.
type Incoming<B> = Budgeted<Limited<B>>;

async fn read_raw<B>(body: Incoming<B>, expected: Expected, config: &Config) -> Result<Vec<File>, HttpError>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    let content = body.collect().await.map_err(|error| unreadable(&*error, config))?.to_bytes();
    // A body is no entry of a form that somebody may have left empty: without bytes there is no image.
    if content.is_empty() {
        return Err(no_image("The body is empty."));
    }
    accept(vec![File { name: None, content }], false, expected)
}

async fn read_form<B>(
    body: Incoming<B>,
    boundary: String,
    expected: Expected,
    config: &Config,
) -> Result<Vec<File>, HttpError>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let limit = config.max_body_bytes as u64;
    let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(limit).per_field(limit));
    let mut form = Multipart::with_constraints(BodyDataStream::new(body), boundary, constraints);
    let broken = |error: multer::Error| bad_form(error, config);

    let mut files = Vec::new();
    let mut chosen_nothing = false;
    let mut others = 0;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.file_name().filter(|name| !name.is_empty()).map(str::to_owned);
        if is_file(&field) {
            let content = field.bytes().await.map_err(broken)?;
            if !content.is_empty() || name.is_some() {
                files.push(File { name, content });
                too_many(&files, expected)?;
                continue;
            }
            chosen_nothing = true; // so a browser sends a file input in which nothing was chosen
        } // `next_field` reads over what is left of any other field.
        others += 1;
        if others > OTHER_FIELDS {
            let detail = format!("The form has more than {OTHER_FIELDS} fields besides its images. Send fewer.");
            return Err(HttpError::new(Code::TooLarge, detail));
        }
    }
    accept(files, chosen_nothing, expected)
}

fn too_many(files: &[File], expected: Expected) -> Result<(), HttpError> {
    match expected {
        Expected::One if files.len() > 1 => Err(HttpError::new(
            Code::SeveralImages,
            "There is more than one file in this form. Send one image a request, or all of them to /predict/batch.",
        )),
        Expected::AtMost(most) if files.len() > most => Err(HttpError::new(
            Code::TooLarge,
            format!("There are more than {most} files in this form. Send them in several requests."),
        )),
        _ => Ok(()),
    }
}

fn accept(files: Vec<File>, chosen_nothing: bool, expected: Expected) -> Result<Vec<File>, HttpError> {
    match files.as_slice() {
        [] if chosen_nothing => Err(no_image("No image was chosen.")),
        [] => Err(no_image("There is no file in this form.")),
        [file] if file.content.is_empty() && expected == Expected::One => Err(no_image("The file is empty.")),
        _ => Ok(files),
    }
}

/// A file has a name, or at least the type of one.
fn is_file(field: &Field<'_>) -> bool {
    let typed = field
        .content_type()
        .is_some_and(|kind| kind.type_() == "image" || kind.essence_str() == "application/octet-stream");
    field.file_name().is_some() || typed
}

/// The length that the headers tell of a body.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn no_image(what: &str) -> HttpError {
    HttpError::new(Code::NoImage, format!("{what} {HOW}."))
}

fn too_large(config: &Config) -> HttpError {
    let limit = config.max_body_bytes;
    HttpError::new(
        Code::TooLarge,
        format!("The request's body is larger than {limit} bytes. Send a smaller or better compressed image."),
    )
}

fn too_slow(config: &Config) -> HttpError {
    let seconds = config.read_timeout.as_secs_f32();
    HttpError::new(Code::Timeout, format!("The request's body did not arrive within {seconds} seconds. Send it again."))
}

/// What the body's error means, which lies in the boxes of whoever has passed it on.
fn unreadable(error: &(dyn Error + Send + Sync + 'static), config: &Config) -> HttpError {
    if error.is::<LengthLimitError>() {
        return too_large(config);
    }
    if error.is::<NoRoom>() {
        return HttpError::overloaded();
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
