//! Images in multipart/form-data: every file is one, whatever its field is called.

use bytes::Bytes;
use http_body_util::BodyDataStream;
use hyper::body::Body;
use hyper::header::HeaderValue;
use multra::{Constraints, Multipart, SizeLimit};

use super::base64::{DECISIVE, begin_of_base64, decode};
use super::field_headers::FieldHeaders;
use super::parameters::{parameter, parameters};
use super::selection::Selection;
use super::{BoxedError, Expected, File, off_the_loop, too_large, unreadable};
use crate::serve::config::Config;
use crate::serve::error::{Code, HttpError};

/// Bytes before the first boundary, which is where a form begins.
const PREAMBLE_BYTES: u64 = 4 << 10;

/// Bytes of the headers of one part.
const HEADER_BYTES: u64 = 8 << 10;

/// Spaces behind a boundary.
const PADDING_BYTES: u64 = 1 << 10;

/// Characters of a boundary (RFC 2046).
const BOUNDARY_LENGTH: usize = 70;

/// The boundary between a form's parts, which its content type has. Clients leave out the quotation marks that some of
/// its characters want.
pub(super) fn boundary(content_type: &HeaderValue) -> Result<String, HttpError> {
    let parameters = parameters(content_type.as_bytes());
    let boundary = parameter(&parameters, "boundary").and_then(|value| std::str::from_utf8(value).ok());
    match boundary {
        Some(boundary) if (1..=BOUNDARY_LENGTH).contains(&boundary.len()) => Ok(boundary.to_owned()),
        Some(boundary) if !boundary.is_empty() => {
            Err(bad_multipart(&format!("The boundary of this form is longer than {BOUNDARY_LENGTH} characters.")))
        }
        _ => Err(bad_multipart("The content type multipart/form-data lacks its boundary.")),
    }
}

/// Reads what a form holds, with the errors of [`super::read`].
pub(super) async fn select(
    body: impl Body<Data = Bytes, Error = BoxedError> + Send + 'static,
    boundary: String,
    expected: Expected,
    config: &Config,
) -> Result<Selection, HttpError> {
    let limit = config.max_body_bytes as u64;
    let sizes = SizeLimit::new().whole_stream(limit).per_field(limit);
    let sizes = sizes.preamble(PREAMBLE_BYTES).headers(HEADER_BYTES).boundary_padding(PADDING_BYTES);
    let constraints = Constraints::new().size_limit(sizes);
    let mut form = Multipart::with_constraints(BodyDataStream::new(body), boundary, constraints);
    let broken = |error: multra::Error| bad_form(error, config);

    let mut selection = Selection::new(expected);
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        let headers = FieldHeaders::of(field.headers());
        if headers.says_file() {
            headers.check(field.headers())?;
        }
        let (mut content, mut is_file) = (Vec::new(), None);
        while let Some(chunk) = field.chunk().await.map_err(broken)? {
            content.extend_from_slice(&chunk);
            if content.len() >= DECISIVE && !*is_file.get_or_insert_with(|| headers.is_file(&content)) {
                selection.check_text(content.len())?;
            }
        }
        let is_file = is_file.unwrap_or_else(|| headers.is_file(&content));
        let begin = if headers.is_base64() { Some(0) } else { begin_of_base64(&content).filter(|_| is_file) };
        let mut damage = None;
        if let Some(begin) = begin {
            (content, damage) = off_the_loop(content.len(), move || decode(content, begin)).await?;
        }
        if !is_file {
            selection.add_field(headers.field.as_deref(), &content)?;
        } else if content.is_empty() && headers.file_name.is_none() {
            selection.add_nothing()?;
        } else {
            content.shrink_to_fit();
            let (is_document, name) = (headers.is_document(), headers.file_name);
            selection.add_file(File { name, content: content.into(), damage }, is_document)?;
        }
    }
    Ok(selection)
}

fn bad_multipart(what: &str) -> HttpError {
    HttpError::new(Code::BadMultipart, format!("{what} Let your HTTP client write the form and its content type."))
}

fn bad_form(error: multra::Error, config: &Config) -> HttpError {
    use multra::Error;
    match error {
        Error::StreamReadFailed(error) => unreadable(&*error, config),
        Error::FieldSizeExceeded { .. } | Error::StreamSizeExceeded { .. } => too_large(config),
        Error::PreambleSizeExceeded { .. } => bad_multipart(&format!(
            "The form does not begin within the first {PREAMBLE_BYTES} bytes of the body: its boundary is not there."
        )),
        Error::HeadersSizeExceeded { .. } => {
            bad_multipart(&format!("The headers of a part of this form are larger than {HEADER_BYTES} bytes."))
        }
        // multra's messages name fields, and some of its errors carry their bytes: neither is for the log.
        _ => bad_multipart("The body is not well-formed multipart/form-data, or ends too early."),
    }
}
