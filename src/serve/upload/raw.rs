//! An image that is the body itself, as bytes or as text.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;

use super::base64::{DECISIVE, begin_of_base64, begins_as_image, decode, is_text};
use super::memory_limit::{BoxedError, Reservation};
use super::selection::Selection;
use super::{Expected, File, HOW, no_image, off_the_loop, unreadable};
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
pub(super) async fn select(
    mut content: Vec<u8>,
    kind: Kind,
    expected: Expected,
    reservation: &Reservation,
) -> Result<Selection, HttpError> {
    // A body is not a form's field that somebody may have left empty: without bytes there is no image.
    if content.is_empty() {
        return Err(no_image("The body is empty."));
    }
    let mut selection = Selection::new(expected);
    let mut damage = None;
    if let Some(begin) = begin_of_base64(&content) {
        (content, damage) = off_the_loop(content.len(), move || decode(content, begin)).await?;
    } else if kind == Kind::OldForm && is_text(&content) {
        // A field is as large again while its plus signs are replaced, and once more when its escapes have been.
        if !reservation.take(content.len().saturating_mul(2)) {
            return Err(HttpError::overloaded());
        }
        let selection = off_the_loop(content.len(), move || select_fields(&content, selection)).await??;
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
    selection.add_file(File { name: None, content: content.into(), damage }, false)?;
    Ok(selection)
}

/// The fields of a form of the old kind, in which an image can only be text. In such a form a space is a `+` that was
/// not encoded, and base64 has no spaces.
fn select_fields(content: &[u8], mut selection: Selection) -> Result<Selection, HttpError> {
    let restore = |text: &mut [u8]| text.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = b'+');
    for (name, value) in form_urlencoded::parse(content) {
        let mut head = value.as_bytes()[..value.len().min(DECISIVE)].to_vec();
        restore(&mut head);
        if let Some(begin) = begin_of_base64(&head) {
            let mut text = value.into_owned().into_bytes();
            restore(&mut text);
            let (content, damage) = decode(text, begin);
            selection.add_file(File { name: None, content: content.into(), damage }, false)?;
        } else {
            selection.add_field(Some(&name), value.as_bytes())?;
        }
    }
    Ok(selection)
}

fn not_an_image(what: &str) -> HttpError {
    HttpError::new(Code::NotAnImage, format!("{what} {HOW}."))
}
