//! `lobule card`: the figures of cross-validations and a weights file in, a model card that says the same out.

pub(super) mod network_facts;

use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::cli::card::network_facts::describe;
use crate::cli::output::check_writable;
use crate::cli::weights::WeightsArguments;
use crate::model::Classifier;
use crate::report::{CardSources, card, card_metrics};
use crate::system::write_whole;
use crate::train::read_cross_validation;

/// Arguments of `lobule card`.
#[derive(Debug, Args)]
pub struct CardArguments {
    #[command(flatten)]
    weights: WeightsArguments,
    /// The figures, as --cross-validation writes them.
    #[arg(long, value_name = "FILE.json")]
    metrics: PathBuf,
    /// Make the figures anew from the folders that `lobule train --folds` wrote; the first repeat of the first is the one
    /// whose figures the card shows in full.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    cross_validation: Vec<PathBuf>,
    /// The card. Its front matter and what stands between its marks are made anew and the rest is left; where there is
    /// none, one is begun.
    #[arg(long, value_name = "FILE.md")]
    out: PathBuf,
}

pub(super) fn run(arguments: &CardArguments) -> anyhow::Result<()> {
    let CardArguments { weights, metrics, cross_validation, out } = arguments;
    check_writable(out)?;
    if out.canonicalize().is_ok_and(|out| metrics.canonicalize().is_ok_and(|metrics| metrics == out)) {
        bail!("--metrics and --out are the same file, {}; give the card another name", out.display());
    }
    if !cross_validation.is_empty() {
        check_writable(metrics)?;
        let read = |dir: &PathBuf| {
            let name = dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            Ok((name, read_cross_validation(dir)?))
        };
        let figures = card_metrics(&cross_validation.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?)?;
        write_whole(metrics, figures.as_bytes()).with_context(|| format!("cannot write {}", metrics.display()))?;
    }
    let figures = std::fs::read(metrics).with_context(|| format!("cannot read {}", metrics.display()))?;
    let figures = serde_json::from_slice(&figures).with_context(|| format!("{} is not JSON", metrics.display()))?;
    let classifier = Classifier::load(weights.path(), 1)?;
    let metadata = serde_json::to_value(classifier.metadata())?;
    // A device or a pipe holds no card, and may be read for ever.
    let written = match std::fs::metadata(out) {
        Ok(there) if !there.is_file() => None,
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        _ => Some(std::fs::read_to_string(out).with_context(|| format!("cannot read {}", out.display()))?),
    };
    let sources = CardSources { metrics: &figures, metadata: &metadata, facts: &describe(&classifier) };
    let card = card(written.as_deref(), &sources).with_context(|| format!("cannot make {}", out.display()))?;
    write_whole(out, card.as_bytes()).with_context(|| format!("cannot write {}", out.display()))
}
