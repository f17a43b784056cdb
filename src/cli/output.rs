//! Writing data to stdout.

use std::io::{ErrorKind, Write};

use anyhow::Context;

/// Writes to stdout. `false` when nobody reads any more, as in `lobule predict DIR | head`: nothing is left to do then,
/// and nothing went wrong.
///
/// # Errors
/// When stdout cannot be written to for any other reason, such as a full disk.
pub(super) fn print(text: &str) -> anyhow::Result<bool> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write to stdout"),
    }
}
