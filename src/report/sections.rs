//! What results consist of: sections for people, records for other programs.

use serde::{Serialize, Serializer};

/// A piece of what people read.
#[derive(Clone, Debug)]
pub enum Section {
    /// A table with its title.
    Table(Table),
    /// Lines, or the items of a list.
    Lines(Vec<String>),
    /// A sentence by itself.
    Sentence(String),
}

/// A table of cells; the first columns are words, the others numbers.
#[derive(Clone, Debug)]
pub struct Table {
    /// What it is of; empty where that is clear.
    pub title: String,
    /// How many columns are words.
    pub words: usize,
    /// The names of the columns.
    pub header: Vec<String>,
    /// A cell a column in each.
    pub rows: Vec<Vec<String>>,
}

impl Section {
    /// A table with the names of its columns.
    pub(crate) fn table(
        title: impl Into<String>,
        words: usize,
        header: impl IntoIterator<Item = impl Into<String>>,
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Section {
        let header = header.into_iter().map(Into::into).collect();
        Self::Table(Table { title: title.into(), words, header, rows: rows.into_iter().collect() })
    }
}

/// A row of words, and what follows them.
pub(crate) fn row<'a>(
    words: impl IntoIterator<Item = &'a str>,
    cells: impl IntoIterator<Item = String>,
) -> Vec<String> {
    words.into_iter().map(str::to_owned).chain(cells).collect()
}

/// A figure at four decimals, or what stands for one that is not defined.
pub(crate) fn number(figure: Option<f64>) -> String {
    figure.map_or_else(|| "undefined".to_owned(), |figure| format!("{figure:.4}"))
}

/// An interval at four decimals; empty where there is none.
pub(crate) fn interval(interval: Option<(f64, f64)>) -> String {
    interval.map_or_else(String::new, |(low, high)| format!("{low:.4} to {high:.4}"))
}

/// One table for other programs.
#[derive(Clone, Debug)]
pub struct Records {
    /// The names of its columns.
    pub columns: Vec<&'static str>,
    /// A cell a column in each.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of [`Records`]. What is not defined, or means nothing in a row, is empty.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Nothing: null in JSON.
    #[default]
    Empty,
    /// Words.
    Text(String),
    /// A whole number.
    Count(u64),
    /// Any number.
    Number(f64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Empty, Self::Number)
    }
}

impl Records {
    /// With cells by the names of their columns; the others are empty.
    pub(crate) fn new(columns: Vec<&'static str>, rows: Vec<Vec<(&'static str, Cell)>>) -> Self {
        let row = |cells: Vec<(&'static str, Cell)>| {
            let cell = |column: &&str| cells.iter().find(|(name, _)| name == column).map(|(_, cell)| cell.clone());
            columns.iter().map(|column| cell(column).unwrap_or_default()).collect()
        };
        Self { rows: rows.into_iter().map(row).collect(), columns }
    }
}

/// The rows of records as a list of objects.
impl Serialize for Records {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| Object(&self.columns, row)))
    }
}

struct Object<'a>(&'a [&'static str], &'a [Cell]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}
