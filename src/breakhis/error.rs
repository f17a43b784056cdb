//! What can be wrong with a folder, a manifest or a split, in words by which its owner can mend it.

use std::io;
use std::path::PathBuf;

use super::SlideNameError;
use crate::system::printable;

/// What goes wrong with a data set or a split of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BreakhisError {
    /// The folder is not there.
    #[error("there is no folder {}", .0.display())]
    Missing(PathBuf),
    /// A file stands where a folder should.
    #[error("{} is a file; give the folder that holds the images", .0.display())]
    NotAFolder(PathBuf),
    /// A file or folder cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A file cannot be written.
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The folder holds no image of BreakHis, but what the text says.
    #[error(
        "no BreakHis image in {}: {}. Images keep their original names, such as SOB_M_DC-14-2523-40-010.png, because \
         these hold the label and the case", .0.display(), .1
    )]
    NoImages(PathBuf, String),
    /// Folders and links below the folder cannot be followed, a line each.
    #[error("images may be missing from {}, because these cannot be read; mend or remove them:{}", .0.display(), .1)]
    Unreachable(PathBuf, String),
    /// Two files have one name, so a split could not name them.
    #[error("{} is there twice, as {} and as {}; give a folder with one copy of the data", .0, .1.display(), .2.display())]
    Twice(String, PathBuf, PathBuf),
    /// A table (a manifest or a split) is not what it should be.
    #[error("{}{}: {reason}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Table {
        /// The CSV file.
        path: PathBuf,
        /// Its line, from 1 (the header); `None` for what concerns the whole file.
        line: Option<u64>,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An image of a split whose name does not say its case.
    #[error("{0} in the split: {1}")]
    Misnamed(String, SlideNameError),
    /// Too few images or cases to fill three parts.
    #[error("cannot split {0} {1} into train, validation and test; at least 3 are needed")]
    TooFew(usize, &'static str),
    /// So many cases cannot be dealt into so many folds.
    #[error("cannot deal {0} cases into {1} folds; there must be at least 2 folds, and a case for each")]
    TooFewForFolds(usize, u32),
    /// A split and the data set of a folder hold different images.
    #[error("the split does not fit the images in {}: {}", .0.display(), .1)]
    OtherData(PathBuf, String),
}

/// The number of names and the first few of them: `12 images (a.png, b.png, c.png, ...)`.
pub(crate) fn examples(what: &str, names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 3;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| printable(name.as_ref())).collect();
    let shown = shown.join(", ");
    format!("{} {what}{} ({shown}{more})", names.len(), if names.len() == 1 { "" } else { "s" })
}
