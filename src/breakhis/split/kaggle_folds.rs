//! `Folds.csv`, which comes with Kaggle's copy of BreakHis, and the official `dsfold1.txt` to `dsfold5.txt`: for each of its folds a row an image, with the part that the
//! image has there.
//!
//! In: columns `fold`, `grp` (`train` or `test`) and `filename`, a path inside of the data set, of which the base name
//! decides; `mag` says nothing that the name does not. Out: the [`Split`] that holds a fold's test images out.

use std::collections::{BTreeMap, BTreeSet};

use crate::breakhis::table::{Row, Table};
use crate::breakhis::{BreakhisError, Part, Split};

/// The column that other tables of folds have not.
const GROUP: &str = "grp";

/// Whether a table of folds is of this kind.
pub(super) fn is_kaggles(table: &Table<'_>) -> bool {
    table.find(GROUP).is_some()
}

/// The split of one fold: its test images are the validation part, as those of every fold that is held out are.
pub(super) fn held_out(table: &Table<'_>, fold: u32) -> Result<Split, BreakhisError> {
    let [number, group, path] = [table.require("fold")?, table.require(GROUP)?, table.require("filename")?];
    let (mut parts, mut known) = (BTreeMap::new(), BTreeSet::new());
    for row in &table.rows {
        let refused = |reason| table.error(Some(row), reason);
        let of_row = super::folds::number(row.cell(number)).map_err(refused)?;
        known.insert(of_row);
        if of_row != fold {
            continue;
        }
        let name = base_name(row, path);
        if parts.insert(name.to_owned(), part(row.cell(group)).map_err(refused)?).is_some() {
            return Err(refused(format!("{name} is listed a second time in fold {fold}")));
        }
    }
    if parts.is_empty() {
        return Err(super::folds::missing(table.path, fold, &known));
    }
    Ok(Split { parts })
}

fn base_name(row: &Row, path: usize) -> &str {
    let path = row.cell(path);
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn part(group: &str) -> Result<Part, String> {
    match group {
        "train" => Ok(Part::Train),
        "test" => Ok(Part::Validation),
        other => Err(format!("{other:?} is not a group ({GROUP}); groups are train and test")),
    }
}
