//! A table of cells, as columns of text or as Markdown.

pub mod audit;
pub mod comparison;
pub mod cross_validation;
pub mod evaluation;

pub(crate) use crate::evaluate::thousands;

/// A table of cells; the first columns are words, the others numbers.
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) words: usize,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A figure at four decimals, or what stands for one that is not defined.
pub(crate) fn number(figure: Option<f64>) -> String {
    figure.map_or_else(|| "undefined".to_owned(), |figure| format!("{figure:.4}"))
}

/// An interval at four decimals; empty where there is none.
pub(crate) fn interval(interval: Option<(f64, f64)>) -> String {
    interval.map_or_else(String::new, |(low, high)| format!("{low:.4} to {high:.4}"))
}

impl Table {
    /// With the names of its columns.
    pub(crate) fn new(title: impl Into<String>, words: usize, header: &[&str], rows: Vec<Vec<String>>) -> Self {
        let header = header.iter().map(|name| (*name).to_owned()).collect();
        Self { title: title.into(), words, header, rows }
    }

    /// Words to the left and numbers to the right of columns that are as wide as they must be.
    pub(crate) fn aligned(&self) -> String {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let length = |cell: &String| cell.chars().count();
        let widths: Vec<usize> =
            (0..self.header.len()).map(|column| lines().map(|line| length(&line[column])).max().unwrap_or(0)).collect();
        let cell = |(column, cell): (usize, &String)| match column < self.words {
            true => format!("{cell:<width$}", width = widths[column]),
            false => format!("{cell:>width$}", width = widths[column]),
        };
        let line = |line: &Vec<String>| line.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
        lines().map(|cells| line(cells).trim_end().to_owned() + "\n").collect()
    }

    /// The same for a README or a notebook.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            // A folder's name may hold what would end the cell.
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule: Vec<String> =
            (0..self.header.len()).map(|column| if column < self.words { "---" } else { "---:" }.to_owned()).collect();
        [&self.header, &rule].into_iter().chain(&self.rows).map(|cells| line(cells)).collect()
    }
}
