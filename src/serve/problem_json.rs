//! An error as a client reads it: problem+json (RFC 9457). A batch has one for each image that failed.

use serde::Serialize;

use super::error::{Code, HttpError};
use super::reply::{Reply, with_type};

/// A problem of RFC 9457.
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
    /// What the client reads of an error.
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

    /// The problem as an answer, whose status is still to be set.
    pub(super) fn reply(&self) -> Reply {
        // A struct of strings and numbers can always be written.
        let text = serde_json::to_string(self).unwrap_or_default();
        with_type("application/problem+json", text + "\n")
    }
}
