//! Ctrl-C and SIGTERM as a wish that long work looks at between two steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Whether the user asked to stop.
pub(super) struct Interrupt(Arc<AtomicBool>);

/// What a shell calls the end by Ctrl-C: 128 and the signal's number.
const STOPPED_BY_CTRL_C: i32 = 130;

impl Interrupt {
    /// Listens from here on. The first signal is noted, the second ends the program at once.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&flag);
        let handler = move || {
            if noted.swap(true, Ordering::Relaxed) {
                std::process::exit(STOPPED_BY_CTRL_C);
            }
            tracing::warn!("stopping after this step; once more stops at once and loses what is not saved");
        };
        ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")?;
        Ok(Self(flag))
    }

    /// Whether a signal came.
    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
