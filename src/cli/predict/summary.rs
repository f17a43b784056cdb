//! What is said at the end of a run over an archive, and written beside it.

use std::path::Path;

use anyhow::bail;

use super::record::Record;
use crate::cli::output;
use crate::report::{DriftResults, Exporter, Json, Text};
use crate::system::{printable, printable_path};

/// What `--report` writes.
const FILES: [&str; 2] = ["drift.json", "drift.html"];

/// Refuses a folder that the report cannot be written into, or where it would take the place of a file that is needed.
pub(super) fn check_report(folder: &Path, needed: &[&Path]) -> anyhow::Result<()> {
    output::check_folder(folder, &FILES)?;
    for file in needed.iter().flat_map(|file| [file.to_path_buf(), Record::path(file)]) {
        let is_it = |name: &&str| std::path::absolute(folder.join(name)).ok() == std::path::absolute(&file).ok();
        if FILES.iter().any(is_it) {
            bail!("--report would write over {}; name another folder", printable_path(&file));
        }
    }
    Ok(())
}

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
    if record.not_found > 0 {
        tracing::warn!("{} places could not be looked into; their images are not in the table", record.not_found);
    }
    if record.machines.len() > 1 {
        let machines: Vec<&str> = record.machines.iter().map(String::as_str).collect();
        let machines = machines.join("; ");
        tracing::warn!("machines of several kinds took part, whose last digits differ: {}", printable(&machines));
    }
    Ok(())
}
