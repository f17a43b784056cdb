//! An image that is the body itself, as bytes or as text.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;

use super::base64::{DECISIVE, begin_of_base64, begins_as_image, decode, is_text};
use super::memory_limit::{BoxedError, Share};
use super::selection::Selection;
use super::{Expected, File, HOW, no_image, unreadable};
use crate::serve::config::Config;
use crate::serve::error::{Code, HttpError};

/// What a body's type says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image, or bytes: what is no image is named by the decoder.
    Bytes,
    Text,
    /// A form of the old kind (application/x-www-form-urlencoded). curl says this of whatever it sends, so that the
    /// bytes decide.
    OldForm,
}

/// How a PNG begins that `curl -d` has sent, which takes out line breaks and zeros.
const PNG_WITHOUT_LINE_BREAKS: &[u8] = b"\x89PNG\x1a";

/// Reads a body to its end, into one piece of memory: many small frames would take many times their bytes.
pub(super) async fn collect(
    mut body: impl Body<Data = Bytes, Error = BoxedError> + Unpin,
    config: &Config,
) -> Result<Vec<u8>, HttpError> {
    let mut content = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreadable(&*error, config))?;
        content.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref));
    }
    content.shrink_to_fit();
    Ok(content)
}

/// The image that a body is; of a form of the old kind all its fields.
///
/// # Errors
/// 400 when there is none, 415 when the body is plainly something else, and those of a [`Selection`].
pub(super) fn select(
    mut content: Vec<u8>,
    kind: Kind,
    expected: Expected,
    share: &Share,
) -> Result<Selection, HttpError> {
    // A body is not a form's field that somebody may have left empty: without bytes there is no image.
    if content.is_empty() {
        return Err(no_image("The body is empty."));
    }
    let mut selection = Selection::new(expected);
    if let Some(begin) = begin_of_base64(&content) {
        content.drain(..begin);
        content = decode(content);
    } else if kind == Kind::OldForm && is_text(&content) {
        if !share.take(content.len()) {
            return Err(HttpError::overloaded()); // what is decoded is as large again
        }
        select_fields(&content, &mut selection)?;
        return if selection.has_files() {
            Ok(selection)
        } else {
            Err(not_an_image("The body is text and not an image."))
        };
    } else if kind == Kind::Text && !begins_as_image(&content) {
        return Err(not_an_image("The body is text and not an image."));
    } else if content.starts_with(PNG_WITHOUT_LINE_BREAKS) {
        return Err(not_an_image("The body is a PNG without its line breaks, which curl -d and --data take out."));
    }
    selection.add_file(File { name: None, content: content.into() }, false)?;
    Ok(selection)
}

/// The fields of a form of the old kind, in which an image can only be text. In such a form a space is a `+` that was
/// not encoded, and base64 has no spaces.
fn select_fields(content: &[u8], selection: &mut Selection) -> Result<(), HttpError> {
    for (name, value) in form_urlencoded::parse(content) {
        let letters = |text: &[u8]| text.iter().map(|&byte| if byte == b' ' { b'+' } else { byte }).collect::<Vec<_>>();
        let head = letters(&value.as_bytes()[..value.len().min(DECISIVE)]);
        if let Some(begin) = begin_of_base64(&head) {
            let content = decode(letters(&value.as_bytes()[begin..]));
            selection.add_file(File { name: None, content: content.into() }, false)?;
        } else {
            selection.add_text(value.len())?;
            selection.add_field(Some(&name), value.as_bytes())?;
        }
    }
    Ok(())
}

fn not_an_image(what: &str) -> HttpError {
    HttpError::new(Code::NotAnImage, format!("{what} {HOW}."))
}
