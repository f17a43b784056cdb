//! Split files: `filename,part` as `lobule dataset split` writes them, and `filename,fold` for cross-validation.

use std::collections::BTreeMap;
use std::path::Path;

use crate::breakhis::table::{Row, Table};
use crate::breakhis::{BreakhisError, Folds, Split};
use crate::system::write_whole;

impl Split {
    /// Writes `filename,part` rows in the order of the file names; the file is there whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BreakhisError> {
        let failed = |source| BreakhisError::Write { path: path.to_owned(), source };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["filename", "part"]).map_err(|error| failed(error.into()))?;
        for (file_name, part) in &self.parts {
            writer.write_record([file_name, &part.to_string()]).map_err(|error| failed(error.into()))?;
        }
        let bytes = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        write_whole(path, &bytes).map_err(failed)
    }

    /// Reads what [`Split::write`] wrote.
    ///
    /// # Errors
    /// When the file is not such a table, names a part that does not exist or an image twice.
    pub fn read(path: &Path) -> Result<Self, BreakhisError> {
        let table = Table::open(path)?;
        if table.find("part").is_none() && table.find("fold").is_some() {
            let hint = "it holds folds, not parts; say which fold to hold out (--fold)";
            return Err(table.error(None, hint.into()));
        }
        let column = table.require("part")?;
        let parts = rows_once(&table, |row| row.cell(column).parse())?;
        Ok(Self { parts })
    }

    /// Reads `filename,fold` rows: the images of the fold that is held out are for validation, all others for
    /// training. There is no test part.
    ///
    /// # Errors
    /// When the file is not such a table, holds an image twice, or does not hold that fold.
    pub fn from_folds(path: &Path, held_out: u32) -> Result<Self, BreakhisError> {
        let folds = Folds::read(path)?;
        let known = folds.numbers();
        if !known.contains(&held_out) {
            let known: Vec<String> = known.iter().map(u32::to_string).collect();
            let reason = format!("there is no fold {held_out}; its folds are {}", known.join(", "));
            return Err(BreakhisError::Table { path: path.to_owned(), line: None, reason });
        }
        Ok(folds.held_out(held_out))
    }
}

/// What each row says of its file; a file with two rows is refused.
pub(crate) fn rows_once<T>(
    table: &Table<'_>,
    value: impl Fn(&Row) -> Result<T, String>,
) -> Result<BTreeMap<String, T>, BreakhisError> {
    let column = table.require("filename")?;
    let mut values = BTreeMap::new();
    for row in table.rows() {
        let file_name = row.cell(column);
        let value = value(row).map_err(|reason| table.error(Some(row), reason))?;
        if values.insert(file_name.to_owned(), value).is_some() {
            return Err(table.error(Some(row), format!("{file_name} is listed a second time")));
        }
    }
    if values.is_empty() {
        return Err(table.error(None, "it holds no images".into()));
    }
    Ok(values)
}
