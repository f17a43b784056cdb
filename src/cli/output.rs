//! Writing data to stdout and to files.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
#[cfg(feature = "cli")]
use clap::ValueEnum;

#[cfg(feature = "cli")]
use crate::report::{Csv, Exporter, Json, Markdown, Results, SvgFigure, Text};
use crate::system::{printable, scratch_name, write_whole};

/// How results are printed.
#[cfg(feature = "cli")]
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
#[cfg(feature = "cli")]
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

/// Refuses a folder of such files that could not be made or written into, before the work for it begins.
pub(super) fn check_folder(folder: &Path, files: &[&str]) -> anyhow::Result<()> {
    if folder.exists() {
        return files.iter().try_for_each(|name| check_writable(&folder.join(name)));
    }
    // What is there of its path decides whether it can be made.
    let there = folder.ancestors().skip(1).find(|ancestor| ancestor.as_os_str().is_empty() || ancestor.exists());
    let name = PathBuf::from(folder.file_name().unwrap_or_default());
    check_writable(&there.map_or(name.clone(), |there| there.join(name)))
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Writes files into a folder, which is made where it is missing; each is whole or not there at all.
pub(super) fn write_into(folder: &Path, files: &[(&str, String)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    files.iter().try_for_each(|(name, text)| {
        let path = folder.join(name);
        write_whole(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    })
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
    let probe = path.with_file_name(format!(".lobule-{}", scratch_name()));
    write_whole(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).with_context(failed)
}

/// Refuses to write a file over the one that it is made from.
pub(super) fn check_other_file(source: &Path, output: &Path) -> anyhow::Result<()> {
    match (source.canonicalize(), output.canonicalize()) {
        (Ok(source), Ok(output)) if source == output => {
            bail!("cannot write {}: it is the file that is read; name another one", output.display())
        }
        _ => Ok(()),
    }
}

/// Writes to stdout. `false` when nobody reads any more, as in `lobule predict DIR | head`: nothing is left to do then,
/// and nothing went wrong. On a terminal, names of files in the text cannot drive it; a program gets them as they are.
///
/// # Errors
/// When stdout cannot be written to for any other reason, such as a full disk.
pub(super) fn print(text: &str) -> anyhow::Result<bool> {
    let mut stdout = std::io::stdout().lock();
    let text = if stdout.is_terminal() { Cow::Owned(for_terminal(text)) } else { Cow::Borrowed(text) };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write to stdout"),
    }
}

/// A text in which ends of lines and tabs, and no other characters, move a cursor.
fn for_terminal(text: &str) -> String {
    let piece = |piece: &str| {
        let printed = piece.trim_end_matches(['\n', '\t']);
        printable(printed).into_owned() + &piece[printed.len()..]
    };
    text.split_inclusive(['\n', '\t']).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_lines_and_tabs_and_no_controls() {
        assert_eq!(for_terminal("a,\u{1b}[2J\n\tb\r\n\n"), "a,\\u{1b}[2J\n\tb\\r\n\n");
    }
}
