//! `lobule train --all`: every image is trained on, for a file that is given away; nothing is left to measure it by.

use std::path::Path;

use crate::breakhis::Split;
use crate::cli::cross_validation::CrossValidated;
use crate::cli::train::{Job, Trained, Training};
use crate::diagnosis::RESEARCH_USE;
use crate::train::check_validation;

/// Trains on all images and writes the weights of the last epoch, with the figures of a cross-validation where there
/// is one.
pub(super) fn run(training: &Training<'_>, cross_validation: Option<&Path>) -> anyhow::Result<()> {
    check_validation(training.recipe, &[])?;
    let measured = cross_validation.map(|dir| CrossValidated::read(dir, training)).transpose()?;
    let how = match &measured {
        Some(measured) => format!("trained on all; figures by cross-validation over {}", measured.over),
        None => "trained on all; nothing was held out".to_owned(),
    };
    let job = Job {
        split: Split::all_for_training(training.dataset),
        how,
        seed: training.arguments.seed(),
        out: training.arguments.out().to_owned(),
    };
    let Trained { run, state, parts } = training.train(&job)?;
    let outcome = state.outcome(training.recipe)?;
    let epoch = outcome.epoch.figures.epoch;
    let weights = run.path("weights.safetensors");
    let carried = measured.as_ref().map_or_else(String::new, |measured| {
        format!("; the figures in it are of the cross-validation over {}", measured.over)
    });
    run.weights_file(outcome, measured.map(|measured| measured.figures).unwrap_or_default()).write(&weights)?;
    tracing::info!(
        "{} holds the weights of epoch {epoch}, trained on all {} images: nothing was held out, so nothing was measured\
         {carried}. {RESEARCH_USE}",
        weights.display(),
        parts.train.len(),
    );
    Ok(())
}
