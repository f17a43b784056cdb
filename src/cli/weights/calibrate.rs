//! `lobule calibrate`: a weights file and images in, with a cross-validation of its recipe where it was trained on all of them;
//! the same file with the temperature, the operating points and the flags that these give out.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::cli::output;
use crate::cli::terminal::Terminal;
use crate::diagnosis::{Flag, Probability};
use crate::model::{ClassShares, FORMAT, FlagThresholds, Metadata};
use crate::report::text::text;
use crate::report::{Section, number};
use crate::system::allocator::keep_large_blocks;
use crate::train::{CalibrationConfig, calibrate};

/// Arguments of `lobule calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArguments {
    /// Weights file: one that was trained on all images (`lobule train --all`), or on none of them, such as an imported one.
    #[arg(value_name = "WEIGHTS")]
    weights: PathBuf,
    /// Folder of the images.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder of a cross-validation of the same recipe on them (`lobule train --folds`), for a file that was trained on all.
    #[arg(long, value_name = "DIR")]
    cross_validation: Option<PathBuf>,
    /// Where the calibrated file is written.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(in crate::cli) fn run(arguments: &CalibrateArguments) -> anyhow::Result<()> {
    keep_large_blocks();
    let CalibrateArguments { weights, data, cross_validation, output: path } = arguments;
    output::check_writable(path)?;
    let config =
        CalibrationConfig { weights: weights.clone(), data: data.clone(), cross_validation: cross_validation.clone() };
    let mut file = calibrate(&config, &mut Terminal::new()?)?;
    file.metadata.format = FORMAT;
    // Calibrating changes no weight: what was in f16 stays so, and nothing else is rounded.
    file.write_exact(path).with_context(|| format!("cannot write {}", path.display()))?;
    output::print(&text(&sections(&file.metadata))).map(drop)
}

/// What the file says now of how sure it is.
fn sections(metadata: &Metadata) -> Vec<Section> {
    let share = |share: Probability| number(Some(share.get()));
    let points = metadata.operating_points.iter().map(|point| {
        let numbers = [point.threshold.get(), point.sensitivity.get(), point.specificity.get()];
        std::iter::once(point.name.to_string()).chain(numbers.map(|value| number(Some(value)))).collect()
    });
    let title = format!("Operating points, with a temperature of {:.4}", metadata.temperature);
    let points = Section::table(title, 1, ["name", "threshold", "sensitivity", "specificity"], points);
    let Some(flags) = &metadata.flags else { return vec![points, Section::Sentence("No flags.".to_owned())] };
    let FlagThresholds { found, .. } = flags;
    let rows = Flag::ALL.map(|flag| {
        let limit = number(Some(flags.limits().of(flag)));
        (flag.key(), limit, found.shares.of(flag), found.cross_fitted.of(flag))
    });
    let abstain = ("abstaining", String::new(), found.shares.abstain, found.cross_fitted.abstain);
    let row = |(name, limit, shares, crossed): (&str, String, ClassShares, ClassShares)| {
        let shares = [shares.all, shares.benign, shares.malignant, crossed.all, crossed.benign, crossed.malignant];
        [name.to_owned(), limit].into_iter().chain(shares.map(share)).collect()
    };
    let title = "Flags: shares of the images of held-out folds; crossed: by the thresholds of the other folds";
    let header = ["flag", "threshold", "all", "benign", "malignant", "crossed", "benign", "malignant"];
    let flags = Section::table(title, 1, header, rows.into_iter().chain([abstain]).map(row));
    let lines = vec![
        format!("foreign and stain at once: {}", share(found.foreign_and_stain)),
        format!(
            "wrong decisions: {} of all, {} of those that are made",
            number(Some(found.error.before)),
            number(Some(found.error.after))
        ),
    ];
    vec![points, flags, Section::Lines(lines)]
}
