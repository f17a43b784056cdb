//! `lobule quantise`: a weights file and images in; the same file with its dense layers in whole numbers too, and what these
//! are worth.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::cli::output;
use crate::cli::terminal::Terminal;
use crate::cli::weights::WeightsArguments;
use crate::model::{FORMAT, Quantisation};
use crate::report::Section;
use crate::report::text::text;
use crate::system::allocator::keep_large_blocks;
use crate::train::{QuantisationConfig, quantise};

/// Arguments of `lobule quantise`.
#[derive(Debug, Args)]
pub struct QuantiseArguments {
    #[command(flatten)]
    weights: WeightsArguments,
    /// Folder of images, those of the network's training among them: whole numbers are fitted to some of these, and compared
    /// on all.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where the file with whole numbers is written.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(in crate::cli) fn run(arguments: &QuantiseArguments) -> anyhow::Result<()> {
    keep_large_blocks();
    let QuantiseArguments { weights, data, output: path } = arguments;
    output::check_writable(path)?;
    let config = QuantisationConfig { weights: weights.path().map(Into::into), data: data.clone() };
    let mut file = quantise(&config, &mut Terminal::new()?)?;
    file.metadata.format = FORMAT;
    file.write_exact(path).with_context(|| format!("cannot write {}", path.display()))?;
    match &file.metadata.quantisation {
        Some(quantisation) => output::print(&text(&sections(quantisation))).map(drop),
        None => Ok(()),
    }
}

fn sections(found: &Quantisation) -> Vec<Section> {
    let row = |what: &str, found: String, limit: String| vec![what.to_owned(), found, limit];
    let number = |value: f64| format!("{value:.4}");
    let rows = [
        row("largest distance of a probability", number(found.largest), number(Quantisation::LARGEST)),
        row("99th percentile of the distances", number(found.percentile_99), number(Quantisation::PERCENTILE_99)),
        row("images with other flags or another decision", found.changed.to_string(), String::new()),
        row("of these, far from the threshold", found.changed_far.to_string(), "0".to_owned()),
        row(
            "largest distance of a heatmap's sum from its margin",
            format!("{:.1e}", found.heatmap_error),
            format!("{:.1e}", Quantisation::HEATMAP_ERROR),
        ),
    ];
    let title = format!("Whole numbers against floating-point ones, on {} images", found.images);
    let table = Section::table(title, 1, ["what", "found", "at most"], rows);
    let verdict = match found.passed() {
        true => "The gate is passed: where it is faster, the network answers in whole numbers.",
        false => {
            "The gate is NOT passed: the network answers in whole numbers only where LOBULE_PRECISION=int8 asks for it."
        }
    };
    vec![table, Section::Sentence(verdict.to_owned())]
}
