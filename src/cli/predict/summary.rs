//! What is said at the end of a run over an archive, and written beside it.

use std::path::Path;

use super::record::Record;
use crate::cli::output;
use crate::report::{DriftResults, Exporter, Json, Text};

/// What `--report` writes.
pub(super) const FILES: [&str; 2] = ["drift.json", "drift.html"];

/// Prints how the images differ from those of the training, and writes it into a folder where one is named.
///
/// # Errors
/// When it cannot be written.
pub(super) fn show(record: &Record, report: Option<&Path>) -> anyhow::Result<()> {
    let drift = record.drift();
    let results = DriftResults::of(&drift);
    if let Some(folder) = report {
        let [json, html] = FILES;
        output::write_into(folder, &[(json, Json.export(&results)?), (html, results.html())])?;
    }
    output::print(&Text.export(&results)?)?;
    record.total.lines("image").iter().for_each(|line| tracing::info!("{line}"));
    if record.total.failed > 0 {
        tracing::warn!("{} images have no answer; their rows say why", record.total.failed);
    }
    if record.machines.len() > 1 {
        let machines: Vec<&str> = record.machines.iter().map(String::as_str).collect();
        tracing::warn!("machines of several kinds took part, whose last digits differ: {}", machines.join("; "));
    }
    Ok(())
}
