//! A training as a terminal shows it: a progress bar where there is a terminal, a line an epoch everywhere.

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::cli::interrupt::Interrupt;
use crate::train::{Epoch, Progress, Run, State, TrainError};

/// What the fit loop reports to: the terminal and the run's folder.
pub(super) struct Terminal<'a> {
    run: &'a Run,
    interrupt: &'a Interrupt,
    bar: ProgressBar,
}

impl<'a> Terminal<'a> {
    pub(super) fn new(run: &'a Run, interrupt: &'a Interrupt) -> Self {
        Self { run, interrupt, bar: ProgressBar::hidden() }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Terminal<'_> {
    fn start(&mut self, what: &str, images: usize, done: usize) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::new(images as u64);
        let template = "{msg:28} {bar:30} {pos}/{len} images, {rate} images/s, {eta} left";
        let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            // A terminal that cannot be written to is no reason to stop a training.
            let _ = write!(text, "{:.1}", state.per_sec());
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.with_key("rate", rate));
        }
        self.bar.set_message(what.to_owned());
        self.bar.set_position(done as u64);
        self.bar.reset_eta();
    }

    fn advance(&mut self, images: usize, loss: Option<f64>) {
        if let Some(loss) = loss {
            let what = self.bar.message();
            let what = what.split(", loss").next().unwrap_or_default();
            self.bar.set_message(format!("{what}, loss {loss:.4}"));
        }
        self.bar.inc(images as u64);
    }

    fn epoch(&mut self, epoch: &Epoch) {
        self.bar.finish_and_clear();
        let Epoch { figures, images_per_second, .. } = epoch;
        let figure = |value: Option<f64>| value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.4}"));
        // The loss is defined wherever there is a validation part.
        let validation = figures.validation_loss.map_or_else(
            || "nothing held out".to_owned(),
            |loss| {
                let (accuracy, auc) = (figure(figures.validation_accuracy), figure(figures.validation_roc_auc));
                format!("validation loss {loss:.4}, accuracy {accuracy}, ROC AUC {auc}")
            },
        );
        tracing::info!(
            "epoch {}: loss {:.4}, accuracy {:.4}; {validation}; {images_per_second:.1} images/s",
            figures.epoch,
            figures.train_loss,
            figures.train_accuracy,
        );
    }

    fn save(&mut self, state: &State) -> Result<(), TrainError> {
        self.run.save(state)
    }

    fn interrupted(&self) -> bool {
        self.interrupt.came()
    }
}

/// A bar over images that are predicted; it shows itself again for each walk over them.
pub(super) struct ImageBar(ProgressBar);

impl ImageBar {
    pub(super) fn new() -> Self {
        Self(ProgressBar::new(0))
    }

    /// Shows that so many of so many images are done.
    pub(super) fn show(&self, done: usize, of: usize) {
        if done == 1 {
            self.0.reset();
        }
        self.0.set_length(of as u64);
        self.0.set_position(done as u64);
        if done == of {
            self.0.finish_and_clear();
        }
    }
}
