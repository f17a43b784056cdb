//! Writing data to stdout and to files.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::report::{Csv, Exporter, Json, Markdown, Results, SvgFigure, Text};
use crate::system::write_whole;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns of text.
    Text,
    /// Tables for a README or a notebook.
    Markdown,
    /// One table for other programs.
    Csv,
    /// The same, and more where there is more, for programs that read JSON.
    Json,
}

/// Draws results into a file, where one is named, and prints them.
pub(super) fn show(results: &dyn Results, format: Format, figure: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = figure {
        let svg = SvgFigure.export(results)?;
        write_whole(path, svg.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let exporter: &dyn Exporter = match format {
        Format::Text => &Text,
        Format::Markdown => &Markdown,
        Format::Csv => &Csv,
        Format::Json => &Json,
    };
    print(&exporter.export(results)?).map(drop)
}

/// Refuses a file that could not be written at the end, before the work for it begins.
pub(super) fn check_writable(path: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    match std::fs::metadata(path) {
        Ok(existing) if existing.is_dir() => bail!("{}: it is a folder", failed()),
        // A pipe or a terminal is written to when there is something to write.
        Ok(existing) if !existing.is_file() => return Ok(()),
        _ => {}
    }
    let probe = path.with_file_name(format!(".lobule-{}", std::process::id()));
    write_whole(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).with_context(failed)
}

/// Writes to stdout. `false` when nobody reads any more, as in `lobule predict DIR | head`: nothing is left to do then,
/// and nothing went wrong.
///
/// # Errors
/// When stdout cannot be written to for any other reason, such as a full disk.
pub(super) fn print(text: &str) -> anyhow::Result<bool> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write to stdout"),
    }
}
