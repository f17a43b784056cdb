//! Reading and writing CSV tables by the names of their columns, with errors that name the file and the line.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::Path;

use csv::StringRecord;

use super::BreakhisError;
use crate::system::write_whole;

/// A CSV file whose first line names the columns, or an official fold.
pub(crate) struct Table<'a> {
    pub(crate) path: &'a Path,
    header: StringRecord,
    pub(crate) rows: Vec<Row>,
}

/// One row, and the line of the file it begins on.
pub(crate) struct Row {
    line: u64,
    record: StringRecord,
}

/// The columns of the folds that come with BreakHis (`dsfold1.txt` to `dsfold5.txt`), which do not name them.
const OFFICIAL_FOLD: [&str; 4] = ["filename", "mag", "fold", "grp"];

/// Whether a file is one of these: `NAME|40|1|train`.
fn is_official_fold(bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let mut fields = first.rsplit(|byte| *byte == b'|');
    matches!(fields.next(), Some(b"train" | b"test")) && fields.count() == OFFICIAL_FOLD.len() - 1
}

impl<'a> Table<'a> {
    pub(crate) fn open(path: &'a Path) -> Result<Self, BreakhisError> {
        let bytes = fs::read(path).map_err(|source| BreakhisError::Read(path.to_owned(), source))?;
        let is_official = is_official_fold(&bytes);
        let mut format = csv::ReaderBuilder::new();
        format.trim(csv::Trim::All).has_headers(!is_official).delimiter(if is_official { b'|' } else { b',' });
        let mut reader = format.from_reader(&*bytes);
        let header = match is_official {
            true => StringRecord::from(OFFICIAL_FOLD.to_vec()),
            false => reader.headers().map_err(|e| broken(path, e))?.clone(),
        };
        let rows = reader.records().map(|record| {
            let record = record.map_err(|e| broken(path, e))?;
            Ok(Row { line: record.position().map_or(0, csv::Position::line), record })
        });
        Ok(Self { path, rows: rows.collect::<Result<_, BreakhisError>>()?, header })
    }

    /// The index of a column, where the file has it.
    pub(crate) fn find(&self, column: &str) -> Option<usize> {
        self.header.iter().position(|name| name == column)
    }

    /// The index of a column that must be there.
    pub(crate) fn require(&self, column: &str) -> Result<usize, BreakhisError> {
        self.find(column).ok_or_else(|| {
            let columns: Vec<&str> = self.header.iter().collect();
            self.error(None, format!("there is no column {column:?}; its columns are {}", columns.join(", ")))
        })
    }

    /// What a column says of each file; a file with two rows is refused.
    pub(crate) fn by_file_name<T>(
        &self,
        column: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<BTreeMap<String, T>, BreakhisError> {
        let (column, file_name) = (self.require(column)?, self.require("filename")?);
        let mut values = BTreeMap::new();
        for row in &self.rows {
            let value = parse(row.cell(column)).map_err(|reason| self.error(Some(row), reason))?;
            if values.insert(row.cell(file_name).to_owned(), value).is_some() {
                return Err(self.error(Some(row), format!("{} is listed a second time", row.cell(file_name))));
            }
        }
        if values.is_empty() {
            return Err(self.error(None, "it holds no images".into()));
        }
        Ok(values)
    }

    /// An error about one row, or about the whole file.
    pub(crate) fn error(&self, row: Option<&Row>, reason: String) -> BreakhisError {
        BreakhisError::Table { path: self.path.to_owned(), line: row.map(|row| row.line), reason }
    }
}

impl Row {
    /// The cell in a column that [`Table::find`] or [`Table::require`] gave.
    pub(crate) fn cell(&self, column: usize) -> &str {
        // The reader refuses rows that are shorter than the header.
        self.record.get(column).unwrap_or_default()
    }
}

/// Writes what a column says of each file; the table is there whole or not at all.
pub(crate) fn write(path: &Path, column: &str, values: &BTreeMap<String, impl Display>) -> Result<(), BreakhisError> {
    let failed = |source| BreakhisError::Write(path.to_owned(), source);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["filename", column]).map_err(|error| failed(error.into()))?;
    for (file_name, value) in values {
        writer.write_record([file_name, &value.to_string()]).map_err(|error| failed(error.into()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    write_whole(path, &bytes).map_err(failed)
}

fn broken(path: &Path, error: csv::Error) -> BreakhisError {
    let line = error.position().map(csv::Position::line);
    let reason = match error.into_kind() {
        csv::ErrorKind::Io(source) => return BreakhisError::Read(path.to_owned(), source),
        csv::ErrorKind::Utf8 { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the header has {expected_len}")
        }
        other => format!("{other:?}"),
    };
    BreakhisError::Table { path: path.to_owned(), line, reason }
}
