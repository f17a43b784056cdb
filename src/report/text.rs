//! Results as columns of text.

use crate::report::{ExportError, Exporter, Results, Section, Table};
use crate::system::{printable, printable_lines};

/// Tables whose columns are as wide as they must be.
#[derive(Debug)]
pub struct Text;

impl Exporter for Text {
    fn export(&self, results: &dyn Results) -> Result<String, ExportError> {
        Ok(text(&results.sections()))
    }
}

/// Sections with an empty line between them. What comes from file names cannot move a terminal's cursor.
pub(crate) fn text(sections: &[Section]) -> String {
    let line = |line: &String| printable(line).into_owned() + "\n";
    let section = |section: &Section| match section {
        Section::Table(content) => titled(content),
        Section::Lines(lines) => lines.iter().map(line).collect(),
        Section::Sentence(sentence) => sentence.clone() + "\n",
    };
    sections.iter().map(section).collect::<Vec<_>>().join("\n")
}

/// Words to the left and numbers to the right, below the title.
fn titled(Table { title, words, header, rows }: &Table) -> String {
    let cells = |line: &Vec<String>| line.iter().map(|cell| printable(cell).into_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows).map(cells).collect();
    let length = |cell: &String| cell.chars().count();
    let widths: Vec<usize> =
        (0..header.len()).map(|column| lines.iter().map(|line| length(&line[column])).max().unwrap_or(0)).collect();
    let cell = |(column, cell): (usize, &String)| match column < *words {
        true => format!("{cell:<width$}", width = widths[column]),
        false => format!("{cell:>width$}", width = widths[column]),
    };
    let line = |line: &Vec<String>| line.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
    let title = if title.is_empty() { String::new() } else { printable_lines(title) + "\n" };
    title + &lines.iter().map(|cells| line(cells).trim_end().to_owned() + "\n").collect::<String>()
}
