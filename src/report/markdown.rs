//! Results as Markdown, for a README or a notebook.

use crate::report::{ExportError, Exporter, Results, Section, Table};
use crate::system::printable;

/// Tables below their titles in bold, and lists.
#[derive(Debug)]
pub struct Markdown;

impl Exporter for Markdown {
    fn export(&self, results: &dyn Results) -> Result<String, ExportError> {
        let section = |section: &Section| match section {
            Section::Table(content) => {
                format!("**{}**\n\n{}", printable(&content.title.replace('\n', " ")), table(content))
            }
            Section::Lines(lines) => lines.iter().map(|line| format!("- {}\n", printable(line))).collect(),
            Section::Sentence(sentence) => sentence.clone() + "\n",
        };
        Ok(results.sections().iter().map(section).collect::<Vec<_>>().join("\n"))
    }
}

/// The lines of a table without its title.
pub(super) fn table(Table { words, header, rows, .. }: &Table) -> String {
    let line = |cells: &Vec<String>| {
        // A folder's name may hold what would end the cell.
        let cells: Vec<String> = cells.iter().map(|cell| printable(cell).replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = (0..header.len()).map(|column| if column < *words { "---" } else { "---:" }.to_owned()).collect();
    [header, &rule].into_iter().chain(rows).map(line).collect()
}
