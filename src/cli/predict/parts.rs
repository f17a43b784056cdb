//! Answers on their way to a file, by parts: a mounted bucket cannot append to an object, so what was answered is put away
//! in whole ones, and the file is made of them at the end. What a run that was stopped has put away stays, and `--resume`
//! goes on behind it.
//!
//! A part is three things in one file: a line of JSON that says whose it is, the answers, and a line of JSON that says how
//! many images they are of, with their SHA-256. A part that was cut off has no such line, and counts as not written.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::{Record, Run, hex};
use crate::drift::{Expected, Folders, Tally};
use crate::model::sha256;
use crate::system::printable_path;

/// Images of a part, and how long it may grow: what a run that is killed loses.
const MOST_IMAGES: usize = 1000;
const MOST_TIME: Duration = Duration::from_secs(60);

/// The parts of one file of answers.
pub(super) struct Parts {
    answers: PathBuf,
    folder: PathBuf,
    run: Run,
    machine: String,
    /// Those that are put away.
    number: usize,
    /// Images of these.
    pub(super) images: usize,
    machines: BTreeSet<String>,
    folders: Folders,
    /// The part that is growing.
    rows: String,
    own: Footer,
    begun: Instant,
}

#[derive(Serialize, Deserialize)]
struct Header {
    run: Run,
    machine: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Footer {
    images: usize,
    folders: Folders,
    sha256: String,
}

/// What `--output` begins with.
pub(super) enum Opened {
    /// Parts to add to.
    Parts(Parts),
    /// The run that was to be resumed was finished before.
    Finished(Record),
}

impl Parts {
    /// The parts of the file `answers`: those of a run that was stopped where it is to `resume`, or none yet.
    ///
    /// # Errors
    /// When they cannot be read or written, or were begun otherwise.
    pub(super) fn open(answers: &Path, run: Run, machine: String, resume: bool) -> anyhow::Result<Opened> {
        let mut name = answers.file_name().unwrap_or_default().to_owned();
        name.push(".parts");
        let folder = answers.with_file_name(name);
        let mut parts = Self {
            answers: answers.to_owned(),
            folder,
            run,
            machine,
            number: 0,
            images: 0,
            machines: BTreeSet::new(),
            own: Footer::default(),
            folders: Folders::default(),
            rows: String::new(),
            begun: Instant::now(),
        };
        if resume && Record::path(answers).exists() {
            let record = Record::of(answers)?;
            parts
                .run
                .goes_on_with(&record.run)
                .with_context(|| format!("{} is another run", printable_path(answers)))?;
            record.check(answers)?;
            tracing::info!("{} is finished: there is nothing to go on with", printable_path(answers));
            return Ok(Opened::Finished(record));
        }
        if resume {
            parts.take_up().with_context(|| format!("cannot resume {}", printable_path(answers)))?;
        } else {
            parts.clear()?;
        }
        fs::create_dir_all(&parts.folder)
            .with_context(|| format!("cannot make the folder {}", printable_path(&parts.folder)))?;
        Ok(Opened::Parts(parts))
    }

    fn part(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{number:06}"))
    }

    /// Takes up the parts that are there, up to the first that is missing or cut off.
    fn take_up(&mut self) -> anyhow::Result<()> {
        while let Ok(bytes) = fs::read(self.part(self.number)) {
            let Some((Header { run, machine }, _, footer)) = taken_apart(&bytes) else { break };
            self.run.goes_on_with(&run).context("take the same arguments, or leave --resume out to begin again")?;
            self.number += 1;
            self.images += footer.images;
            self.folders.join(&footer.folders);
            self.machines.insert(machine);
        }
        Ok(())
    }

    /// Removes what an earlier run has left.
    fn clear(&self) -> anyhow::Result<()> {
        let record = Record::path(&self.answers);
        let removed = [fs::remove_file(&record), fs::remove_dir_all(&self.folder)];
        for (removed, path) in removed.into_iter().zip([&record, &self.folder]) {
            match removed {
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Err(error).with_context(|| format!("cannot remove {}", printable_path(path)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the row of one image, counts it, and puts the part away when it is large or old enough.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(&mut self, row: &str, image: &Path, count: impl FnOnce(&mut Tally)) -> anyhow::Result<()> {
        if self.own.images == 0 {
            self.begun = Instant::now();
        }
        self.rows += row;
        self.own.images += 1;
        count(self.own.folders.of_image(image));
        if self.own.images >= MOST_IMAGES || self.begun.elapsed() >= MOST_TIME { self.put_away() } else { Ok(()) }
    }

    /// Writes the part that is growing.
    ///
    /// # Errors
    /// When it cannot be written; what was put away before stays.
    pub(super) fn put_away(&mut self) -> anyhow::Result<()> {
        if self.own.images == 0 {
            return Ok(());
        }
        let (rows, mut footer) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.own));
        footer.sha256 = sha256(rows.as_bytes());
        let header = Header { run: self.run.clone(), machine: self.machine.clone() };
        let text = format!("{}\n{rows}{}\n", serde_json::to_string(&header)?, serde_json::to_string(&footer)?);
        let path = self.part(self.number);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.with_context(|| {
            format!(
                "cannot write {}; the answers of {} images are put away, and --resume goes on behind them",
                printable_path(&path),
                self.images
            )
        })?;
        self.number += 1;
        self.images += footer.images;
        self.folders.join(&footer.folders);
        self.machines.insert(self.machine.clone());
        Ok(())
    }

    /// Makes the file of all parts, which begins with `head`, then its record, and removes the parts.
    ///
    /// # Errors
    /// When it cannot be written, or a part was changed meanwhile.
    pub(super) fn finish(
        mut self,
        head: &str,
        images: Option<Vec<usize>>,
        expected: Option<Expected>,
    ) -> anyhow::Result<Record> {
        self.put_away()?;
        let failed = || format!("cannot write {}", printable_path(&self.answers));
        let mut file = BufWriter::new(File::create(&self.answers).with_context(failed)?);
        let mut hash = Sha256::new();
        let mut write = |bytes: &[u8]| {
            hash.update(bytes);
            file.write_all(bytes).with_context(failed)
        };
        write(head.as_bytes())?;
        for number in 0..self.number {
            let path = self.part(number);
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", printable_path(&path)))?;
            let Some((_, rows, _)) = taken_apart(&bytes) else {
                bail!("{} was changed while this ran; run it again with --resume", printable_path(&path));
            };
            write(rows)?;
        }
        file.into_inner().map_err(|error| error.into_error()).and_then(|file| file.sync_all()).with_context(failed)?;
        let record = Record {
            run: self.run,
            sha256: hex(hash),
            images,
            machines: self.machines,
            total: self.folders.total(),
            folders: self.folders,
            expected,
        };
        record.write(&self.answers)?;
        // The answers are there; parts that cannot be removed are in nobody's way.
        let _ = fs::remove_dir_all(&self.folder);
        Ok(record)
    }
}

/// A part's three things; `None` where it was cut off or changed.
fn taken_apart(bytes: &[u8]) -> Option<(Header, &[u8], Footer)> {
    let first = bytes.iter().position(|byte| *byte == b'\n')?;
    let (header, rest) = (serde_json::from_slice(&bytes[..first]).ok()?, &bytes[first + 1..]);
    let whole = rest.strip_suffix(b"\n")?;
    let last = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (rows, footer) = (&rest[..last], serde_json::from_slice::<Footer>(&whole[last..]).ok()?);
    (sha256(rows) == footer.sha256).then_some((header, rows, footer))
}
