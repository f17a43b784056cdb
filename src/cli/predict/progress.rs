//! How far `lobule predict` is: a bar on a terminal, elsewhere a line a minute.

use std::io::{IsTerminal, stderr, stdout};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::cli::progress_bar::images_bar;

const BETWEEN_LINES: Duration = Duration::from_secs(60);

pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    begun: Instant,
    said: Instant,
    before: usize,
    done: usize,
    of: usize,
}

impl Progress {
    /// Of so many images, of which some were done before. Where the answers themselves come onto a terminal, they show it.
    pub(super) fn new(done: usize, of: usize, is_printed: bool) -> Self {
        let is_terminal = stderr().is_terminal();
        let is_shown = is_terminal && !(is_printed && stdout().is_terminal());
        let bar = if is_shown { images_bar("predicting", of, done) } else { ProgressBar::hidden() };
        Self { bar, is_terminal, begun: Instant::now(), said: Instant::now(), before: done, done, of }
    }

    /// One more.
    pub(super) fn advance(&mut self) {
        self.done += 1;
        self.bar.inc(1);
        if !self.is_terminal && self.said.elapsed() >= BETWEEN_LINES {
            self.said = Instant::now();
            tracing::info!("{}", self.line(self.begun.elapsed()));
        }
    }

    fn line(&self, passed: Duration) -> String {
        let Self { done, of, before, .. } = self;
        let rate = (done - before) as f64 / passed.as_secs_f64().max(f64::MIN_POSITIVE);
        let left = (of - done) as f64 / rate.max(f64::MIN_POSITIVE) / 60.0;
        format!("{done} of {of} images, {rate:.1} images/s, {left:.0} minutes left")
    }

    /// Does what may print something, while the bar is out of its way.
    pub(super) fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_rate_of_this_run_alone() {
        let mut progress = Progress::new(100, 1300, true);
        progress.done = 700;
        assert_eq!(progress.line(Duration::from_secs(60)), "700 of 1300 images, 10.0 images/s, 1 minutes left");
    }
}
