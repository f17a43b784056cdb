//! Ctrl-C and SIGTERM as a wish to stop, which long work looks at between its steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// What a shell calls the end by Ctrl-C: 128 and the signal's number.
pub(super) const INTERRUPTED: i32 = 130;

/// Listens for Ctrl-C from here on: the first signal is noted and answered with a message, the second ends the program.
pub(super) fn note_interruption(message: &'static str) -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&interrupted);
    let handler = move || {
        if noted.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
        tracing::warn!("{message}");
    };
    ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")?;
    Ok(interrupted)
}
