//! What is known of the answers in a file: with which network, on which machines and for which images they were made. It
//! stands beside them as JSON, and says that they are all there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::drift::{Drift, Expected, Folders, Tally};
use crate::system::{no_file, printable_path, write_whole};

/// What must be the same for answers to stand in one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Asked {
    /// Of the weights file.
    pub(in crate::cli) weights_sha256: String,
    pub(in crate::cli) network: String,
    pub(in crate::cli) threshold: f64,
    /// The name that the threshold was asked for by, which JSON says too.
    pub(in crate::cli) operating_point: Option<String>,
    pub(in crate::cli) views: usize,
    /// `csv` or `json`.
    pub(in crate::cli) format: String,
}

/// A run over a list of images, or over a shard of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Run {
    pub(in crate::cli) asked: Asked,
    /// Of the whole list: its paths, and how many there are.
    pub(in crate::cli) list_sha256: String,
    pub(in crate::cli) listed: usize,
    /// Which share of it, from 0, of how many.
    pub(in crate::cli) shard: u32,
    pub(in crate::cli) shards: u32,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Record {
    pub(in crate::cli) run: Run,
    /// Of the file of answers.
    pub(in crate::cli) sha256: String,
    /// Which of the listed images are in it, in order; none stands for all.
    pub(in crate::cli) images: Option<Vec<usize>>,
    /// The vector instructions and the numbers that were computed in; several where machines differed.
    pub(in crate::cli) machines: BTreeSet<String>,
    /// What came of all images.
    pub(in crate::cli) total: Tally,
    /// And of those of each folder.
    pub(in crate::cli) folders: Folders,
    /// Folders and other places that could not be looked into: their images are not in it.
    pub(in crate::cli) not_found: usize,
    /// What held for the images that the network's training held out.
    pub(in crate::cli) expected: Option<Expected>,
}

impl Record {
    /// Where the record of a file of answers stands.
    pub(in crate::cli) fn path(answers: &Path) -> PathBuf {
        let mut name = answers.file_name().unwrap_or_default().to_owned();
        name.push(".run.json");
        answers.with_file_name(name)
    }

    /// Reads the record of a file of answers.
    ///
    /// # Errors
    /// When there is none, or it is no record.
    pub(in crate::cli) fn of(answers: &Path) -> anyhow::Result<Self> {
        let path = Self::path(answers);
        let text = fs::read(&path).with_context(|| {
            let answers = printable_path(answers);
            format!("{answers} has no record {}; a run that is not finished has none", printable_path(&path))
        })?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no record of a run", printable_path(&path)))
    }

    /// How many rows it stands for.
    pub(in crate::cli) fn rows(&self) -> usize {
        self.total.images.saturating_add(self.total.failed)
    }

    /// Checks that its numbers fit together.
    ///
    /// # Errors
    /// When they do not, so that somebody else has written them.
    pub(in crate::cli) fn check_numbers(&self) -> anyhow::Result<()> {
        let Self { run, images, total, folders, .. } = self;
        if folders.total() != *total || self.rows() > run.listed {
            bail!("its counts do not fit together");
        }
        let fits = match images {
            None => run.shards == 1,
            Some(images) => {
                let ascending = images.windows(2).all(|pair| pair[0] < pair[1]);
                ascending && images.len() == self.rows() && images.last().is_none_or(|last| *last < run.listed)
            }
        };
        if fits { Ok(()) } else { bail!("it does not say which images it is of") }
    }

    /// How the images differ from those of the training.
    pub(in crate::cli) fn drift(&self) -> Drift {
        let Asked { network, threshold, .. } = &self.run.asked;
        Drift {
            network: network.clone(),
            threshold: *threshold,
            expected: self.expected.clone(),
            folders: self.folders.clone(),
        }
    }

    /// Checks that the file of answers is as it was when it was finished.
    ///
    /// # Errors
    /// When it is not, or cannot be read.
    pub(in crate::cli) fn check(&self, answers: &Path) -> anyhow::Result<()> {
        let named = || format!("cannot read {}", printable_path(answers));
        let (mut file, mut hash) = (BufReader::new(File::open(answers).with_context(named)?), Sha256::new());
        loop {
            let piece = file.fill_buf().with_context(named)?;
            if piece.is_empty() {
                break;
            }
            hash.update(piece);
            let length = piece.len();
            file.consume(length);
        }
        if hex(hash) != self.sha256 {
            bail!("{} was changed since it was finished; make it again", printable_path(answers));
        }
        Ok(())
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::cli) fn write(&self, answers: &Path) -> anyhow::Result<()> {
        let path = Self::path(answers);
        let text = serde_json::to_string(self)? + "\n";
        write_whole(&path, text.as_bytes()).with_context(|| format!("cannot write {}", printable_path(&path)))
    }
}

impl Asked {
    /// What the other has that this has not, in words.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let named = |point: &Option<String>| point.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        if self.weights_sha256 != other.weights_sha256 {
            return Some(format!("other weights, {} ({})", other.network, other.weights_sha256));
        }
        if (self.threshold, &self.operating_point) != (other.threshold, &other.operating_point) {
            let (was, is) = (named(&other.operating_point), named(&self.operating_point));
            return Some(format!("a threshold of {}{was}, and not of {}{is}", other.threshold, self.threshold));
        }
        if self.views != other.views {
            return Some(format!("{} views, and not {}", other.views, self.views));
        }
        (self != other).then(|| format!("the format {}, and not {}", other.format, self.format))
    }
}

impl Run {
    /// Whether what was begun as `other` can go on as this.
    ///
    /// # Errors
    /// A sentence that says what differs.
    pub(super) fn goes_on_with(&self, other: &Self) -> anyhow::Result<()> {
        if let Some(difference) = self.asked.difference(&other.asked) {
            bail!("it was begun with {difference}");
        }
        if (self.shard, self.shards) != (other.shard, other.shards) {
            bail!("it was begun as the shard {}/{}", other.shard, other.shards);
        }
        if (self.listed, &self.list_sha256) != (other.listed, &other.list_sha256) {
            match other.listed == self.listed {
                true => bail!(
                    "it was begun for other images or other spellings of their paths, though as many ({})",
                    self.listed
                ),
                false => bail!("it was begun for a list of {} images, and there are {} now", other.listed, self.listed),
            }
        }
        Ok(())
    }
}

/// Refuses a place for answers where something stands that no run has written, for it would be lost.
pub(super) fn check_place(answers: &Path, has_parts: bool) -> anyhow::Result<()> {
    let named = || printable_path(answers);
    if answers.file_name().is_none() {
        bail!("cannot write {}: it is a folder", named());
    }
    let Ok(there) = fs::metadata(answers) else { return Ok(()) };
    if let Some(what) = no_file(there.file_type()) {
        bail!("cannot write {}: it is {what}, and not a file", named());
    }
    if there.len() > 0 && !has_parts && !Record::path(answers).exists() {
        bail!("{} is there, and no run of lobule predict has written it; remove it, or name another file", named());
    }
    Ok(())
}

/// A hash in hexadecimal digits.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
