//! A folder with a `manifest.csv`: the table decides which images belong to the data set.
//!
//! In: columns `filename` and, where they are there, `label`, `subtype`, `patient`, `case` and `magnification`, which
//! must say what the file name says; `source_width`, the width of the image before it was squeezed for the copy,
//! where it is there; other columns are passed over. The files lie in the root or in `images/`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::breakhis::dataset::Ignored;
use crate::breakhis::table::{Row, Table};
use crate::breakhis::{BreakhisError, ImageFile, SlideName};

/// The name of the table in the root of the folder.
pub(crate) const FILE_NAME: &str = "manifest.csv";

/// What a column holds for a name, as the table should spell it.
type Field = (&'static str, fn(&SlideName) -> String);

const FIELDS: [Field; 5] = [
    ("label", |name| name.label().lower().to_owned()),
    ("subtype", |name| name.subtype.to_string()),
    ("patient", |name| name.slide.clone()),
    ("case", |name| name.case.to_string()),
    ("magnification", |name| name.magnification.times().to_string()),
];

/// The images of the table, and those of `files` (everything under `dir`) that are not among them.
pub(crate) fn read(dir: &Path, files: Vec<PathBuf>) -> Result<(Vec<ImageFile>, Vec<Ignored>), BreakhisError> {
    let path = dir.join(FILE_NAME);
    let table = Table::open(&path)?;
    let file_name = table.require("filename")?;
    let columns: Vec<(usize, Field)> =
        FIELDS.into_iter().filter_map(|field| Some((table.find(field.0)?, field))).collect();

    let source_width = table.find("source_width");
    let present: HashSet<&Path> = files.iter().map(PathBuf::as_path).collect();
    let mut images = Vec::with_capacity(table.rows.len());
    let mut seen = HashSet::new();
    for row in &table.rows {
        let image = || {
            let mut image = image(dir, row.cell(file_name), &present)?;
            agree(row, &columns, &image.name)?;
            image.source_width = source_width.map(|column| pixels(row.cell(column))).transpose()?;
            Ok(image)
        };
        if !seen.insert(row.cell(file_name)) {
            return Err(table.error(Some(row), format!("{} is listed a second time", row.cell(file_name))));
        }
        images.push(image().map_err(|reason| table.error(Some(row), reason))?);
    }

    let listed: HashSet<&Path> = images.iter().map(|image| image.path.as_path()).collect();
    let rest = files.iter().filter(|file| !listed.contains(file.as_path()) && **file != path);
    let ignored = rest
        .map(|file| Ignored { path: file.clone(), reason: "not in the manifest".into(), misnamed: false })
        .collect();
    Ok((images, ignored))
}

fn image(dir: &Path, file_name: &str, present: &HashSet<&Path>) -> Result<ImageFile, String> {
    let name: SlideName = file_name.parse().map_err(|error| format!("{file_name}: {error}"))?;
    let places = [dir.join(file_name), dir.join("images").join(file_name)];
    let path = places.into_iter().find(|path| present.contains(path.as_path()));
    let path = path.ok_or_else(|| format!("{file_name} is neither in {0} nor in {0}/images", dir.display()))?;
    Ok(ImageFile::new(dir, path, file_name.to_owned(), name))
}

fn pixels(cell: &str) -> Result<u32, String> {
    let pixels = cell.parse().ok().filter(|pixels| *pixels > 0);
    pixels.ok_or_else(|| format!("{cell:?} is not a number of pixels (source_width)"))
}

fn agree(row: &Row, columns: &[(usize, Field)], name: &SlideName) -> Result<(), String> {
    for &(column, (title, of_name)) in columns {
        let (says, should) = (row.cell(column), of_name(name));
        if says != should {
            return Err(format!("the column {title} says {says:?}, the file name {name} says {should:?}"));
        }
    }
    Ok(())
}
