//! What can be wrong with a folder, a manifest or a split, in words by which its owner can mend it.

use std::io;
use std::path::PathBuf;

use super::SlideNameError;

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
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder holds no image of BreakHis.
    #[error(
        "no BreakHis image in {}: {found}. Images keep their original names, such as SOB_M_DC-14-2523-40-010.png, \
         because these hold the label and the case", dir.display()
    )]
    NoImages {
        /// The folder.
        dir: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// Two files have one name, so a split could not name them.
    #[error(
        "{file_name} is there twice, as {} and as {}; give a folder with one copy of the data",
        first.display(), second.display()
    )]
    Twice {
        /// The name.
        file_name: String,
        /// One of the files.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
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
    #[error("{file_name} in the split: {reason}")]
    Misnamed {
        /// The name.
        file_name: String,
        /// What is wrong with it.
        reason: SlideNameError,
    },
    /// Too few images or cases to fill three parts.
    #[error("cannot split {found} {what} into train, validation and test; at least 3 are needed")]
    TooFew {
        /// `images` or `cases`.
        what: &'static str,
        /// How many there are.
        found: usize,
    },
    /// Cases that cannot be dealt into so many folds.
    #[error("cannot deal {cases} cases into {folds} folds; there must be at least 2 folds, and a case for each")]
    TooFewForFolds {
        /// How many cases there are.
        cases: usize,
        /// How many folds were asked for.
        folds: u32,
    },
    /// A split and a data set hold different images.
    #[error("the split does not fit the images in {}: {difference}", dir.display())]
    OtherData {
        /// The folder of the data set.
        dir: PathBuf,
        /// How many and which images only one of them holds.
        difference: String,
    },
}

impl BreakhisError {
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }
}

/// The number of names and the first few of them: `12 images (a.png, b.png, c.png, ...)`.
pub(crate) fn examples(what: &str, names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let shown = names[..names.len().min(SHOWN)].join(", ");
    format!("{} {what}{} ({shown}{more})", names.len(), if names.len() == 1 { "" } else { "s" })
}
