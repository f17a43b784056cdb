//! A training as a terminal shows it: a progress bar where there is a terminal, a line an epoch everywhere. Ctrl-C is a
//! wish that the training looks at between two steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;

use crate::cli::interruption::note_interruption;
use crate::cli::progress_bar::images_bar;
use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::Metric;
use crate::report::svg::curves::curves;
use crate::report::{number, tissue};
use crate::system::write_whole;
use crate::train::{Epoch, Finished, Progress, RunFolder, State, TrainError};

/// Shows a training, draws its curves and hands the user's wish to stop on.
pub(super) struct Terminal {
    interrupted: Arc<AtomicBool>,
    bar: ProgressBar,
}

impl Terminal {
    /// Listens for Ctrl-C from here on. The first signal is noted, the second ends the program at once.
    pub(super) fn new() -> anyhow::Result<Self> {
        let interrupted =
            note_interruption("stopping after this step; once more stops at once and loses what is not saved")?;
        Ok(Self { interrupted, bar: ProgressBar::hidden() })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Terminal {
    fn start(&mut self, what: &str, images: usize, done: usize) {
        self.bar.finish_and_clear();
        self.bar = images_bar(what, images, done);
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

    fn note(&mut self, message: &str) {
        self.bar.suspend(|| tracing::info!("{message}"));
    }

    fn warn(&mut self, message: &str) {
        self.bar.suspend(|| tracing::warn!("{message}"));
    }

    fn saved(&mut self, run: &RunFolder, state: &State) -> Result<(), TrainError> {
        let recipe = &run.config.recipe;
        let title = format!("{}, seed {}", recipe.name, run.config.seed);
        let kept = state.kept_epoch(recipe).map(|epoch| (epoch, recipe.keep));
        let path = run.path("curves.svg");
        let svg = curves(&title, &state.history, kept);
        write_whole(&path, svg.as_bytes()).map_err(TrainError::write(path))
    }

    fn finished(&mut self, run: &Finished) {
        self.bar.finish_and_clear();
        let Finished { folder, epoch, train_images, measured, carried_over } = run;
        let weights = folder.path("weights.safetensors");
        let weights = weights.display();
        let Some((part, evaluation)) = measured else {
            let carried = carried_over.as_ref().map_or_else(String::new, |over| {
                format!("; the figures in it are of the cross-validation over {over}")
            });
            tracing::info!(
                "{weights} holds the weights of epoch {epoch}, trained on all {train_images} images: nothing was held \
                 out, so nothing was measured{carried}. {RESEARCH_USE}",
            );
            return;
        };
        let figure = |metric| number(evaluation.all.figures.get(metric));
        tracing::info!(
            "{weights} holds the weights of epoch {epoch}: on the {part} part accuracy {}, NLL {}, F1 {}, ROC AUC {}. \
             {RESEARCH_USE}",
            figure(Metric::Accuracy),
            figure(Metric::Nll),
            figure(Metric::F1),
            figure(Metric::RocAuc),
        );
        tracing::info!("{}", tissue(evaluation));
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
