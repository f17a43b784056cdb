//! Images in multipart/form-data: every file is one, whatever its field is called.

use bytes::Bytes;
use http_body_util::BodyDataStream;
use hyper::body::Body;
use multer::{Constraints, Field, Multipart, SizeLimit};

use super::{BoxedError, Expected, File, no_image, too_large, unreadable};
use crate::serve::config::Config;
use crate::serve::error::{Code, HttpError};

/// Fields of a form that are not images; what a page sends beside them is few.
const OTHER_FIELDS: usize = 32;

/// The boundary between a form's fields, which its content type has.
pub(super) fn boundary(content_type: &str) -> Result<String, HttpError> {
    let lacks = "The content type multipart/form-data lacks its boundary. Let your HTTP client write this header.";
    multer::parse_boundary(content_type).map_err(|_| HttpError::new(Code::BadMultipart, lacks))
}

/// Reads a form's files, with the errors of [`super::read`].
pub(super) async fn read(
    body: impl Body<Data = Bytes, Error = BoxedError> + Send + 'static,
    boundary: String,
    expected: Expected,
    config: &Config,
) -> Result<Vec<File>, HttpError> {
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
    let kind = field.content_type();
    field.file_name().is_some()
        || kind.is_some_and(|kind| kind.type_() == "image" || kind.essence_str() == "application/octet-stream")
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
