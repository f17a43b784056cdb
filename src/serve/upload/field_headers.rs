//! What the headers of a form's field say: whether it is a file, of which name and type, and how it is encoded.

use hyper::HeaderMap;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

use super::base64::{begin_of_base64, begins_as_image};
use super::parameters::{extended, parameter, parameters, text};
use super::{essence, refuse_content_encoding};
use crate::serve::error::{Code, HttpError};

/// Bytes that the name of a file may have.
const NAME_BYTES: usize = 1024;

const CONTENT_TRANSFER_ENCODING: HeaderName = HeaderName::from_static("content-transfer-encoding");

#[derive(Debug)]
pub(super) struct FieldHeaders {
    /// The name of its field.
    pub(super) field: Option<String>,
    /// The name of its file, unless that is empty or cannot be read.
    pub(super) file_name: Option<String>,
    has_file_name: bool,
    /// Its type, in lower case and without parameters; empty where it has none.
    kind: String,
    transfer_encoding: String,
}

impl FieldHeaders {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let disposition =
            headers.get(CONTENT_DISPOSITION).map(|value| parameters(value.as_bytes())).unwrap_or_default();
        let [field, plain, encoded] = ["name", "filename", "filename*"].map(|name| parameter(&disposition, name));
        // RFC 6266: of both, the extended one counts, where it can be read.
        let file_name = encoded.and_then(extended).or_else(|| plain.map(text));
        let word = |name: &HeaderName| headers.get(name).map(essence).unwrap_or_default();
        Self {
            field: field.map(text),
            file_name: file_name.filter(|name| !name.is_empty()),
            has_file_name: plain.is_some() || encoded.is_some(),
            kind: word(&CONTENT_TYPE),
            transfer_encoding: word(&CONTENT_TRANSFER_ENCODING),
        }
    }

    /// Whether it is a file, as far as its headers say: it has a name, or at least the type of one.
    pub(super) fn says_file(&self) -> bool {
        self.has_file_name || self.kind.starts_with("image/") || is_bytes(&self.kind)
    }

    /// Whether it is a file by its headers or its first bytes.
    pub(super) fn is_file(&self, head: &[u8]) -> bool {
        self.says_file() || begins_as_image(head) || begin_of_base64(head).is_some()
    }

    /// Whether it says of itself that it is text or JSON, as what a program sends beside an image does.
    pub(super) fn is_document(&self) -> bool {
        self.kind.starts_with("text/") || self.kind == "application/json" || self.kind.ends_with("+json")
    }

    pub(super) fn is_base64(&self) -> bool {
        self.transfer_encoding == "base64"
    }

    /// Refuses a file whose bytes are none as they come, and a name that is too long.
    ///
    /// # Errors
    /// 413 or 415.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), HttpError> {
        refuse_content_encoding(headers.get_all(CONTENT_ENCODING))?;
        if !matches!(self.transfer_encoding.as_str(), "" | "binary" | "8bit" | "7bit" | "base64") {
            let coding =
                if self.transfer_encoding == "quoted-printable" { "quoted-printable" } else { "an unknown one" };
            let detail = format!(
                "A file of this form has a Content-Transfer-Encoding that is not read: {coding}. Send it as it is, \
                 or as base64."
            );
            return Err(HttpError::new(Code::UnsupportedMediaType, detail));
        }
        if self.file_name.as_ref().is_some_and(|name| name.len() > NAME_BYTES) {
            let detail = format!("The name of a file is longer than {NAME_BYTES} bytes. Send a shorter one, or none.");
            return Err(HttpError::new(Code::TooLarge, detail));
        }
        Ok(())
    }
}

/// Whether a type says no more than that these are bytes.
pub(super) fn is_bytes(kind: &str) -> bool {
    matches!(kind, "application/octet-stream" | "binary/octet-stream")
}
