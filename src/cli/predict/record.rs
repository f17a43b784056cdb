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
use crate::system::printable_path;

/// What must be the same for answers to stand in one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Asked {
    /// Of the weights file.
    pub(in crate::cli) weights_sha256: String,
    pub(in crate::cli) network: String,
    pub(in crate::cli) threshold: f64,
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

    /// Writes it, by one write, since a bucket's rename is a copy.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::cli) fn write(&self, answers: &Path) -> anyhow::Result<()> {
        let path = Self::path(answers);
        let text = serde_json::to_string(self)? + "\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", printable_path(&path)))
    }
}

impl Run {
    /// Whether what was begun as `other` can go on as this.
    ///
    /// # Errors
    /// A sentence that says what differs.
    pub(super) fn goes_on_with(&self, other: &Self) -> anyhow::Result<()> {
        let (ours, theirs) = (&self.asked, &other.asked);
        if ours.weights_sha256 != theirs.weights_sha256 {
            bail!("it was begun with other weights, {} ({})", theirs.network, theirs.weights_sha256);
        }
        if ours != theirs {
            bail!(
                "it was begun with a threshold of {}, {} views and as {}",
                theirs.threshold,
                theirs.views,
                theirs.format
            );
        }
        if (self.shard, self.shards) != (other.shard, other.shards) {
            bail!("it was begun as the shard {}/{}", other.shard, other.shards);
        }
        if (self.listed, &self.list_sha256) != (other.listed, &other.list_sha256) {
            bail!("it was begun for a list of {} images, and there are {} or others now", other.listed, self.listed);
        }
        Ok(())
    }
}

/// A hash in hexadecimal digits.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
