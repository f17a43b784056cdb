//! Answers on their way to a file, by parts: a mounted bucket cannot append to an object, so what was answered is put away
//! in whole ones, and the file is made of them at the end. What a run that was stopped has put away stays, and `--resume`
//! goes on behind it.
//!
//! A part is a line of JSON that says whose it is and where it belongs, the answers, a line of JSON that counts them, and a
//! line with the SHA-256 of all of that. A part that was cut off or changed has another, and counts as not written.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::{Record, Run, check_place, hex};
use crate::drift::{Expected, Folders, Tally};
use crate::model::sha256;
use crate::system::{lock_folder, printable_path};

/// Images of a part, and how long it may grow: what a run that is killed loses.
const MOST_IMAGES: usize = 1000;
const MOST_TIME: Duration = Duration::from_secs(60);

/// The parts of one file of answers.
pub(super) struct Parts {
    answers: PathBuf,
    folder: PathBuf,
    run: Run,
    machine: String,
    /// The folder, which no other run may write into as long as it is held open.
    lock: Option<File>,
    /// Of those that are put away, the SHA-256.
    written: Vec<String>,
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
    /// How many images stand before it.
    before: usize,
}

#[derive(Default, Serialize, Deserialize)]
struct Footer {
    images: usize,
    folders: Folders,
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
            lock: None,
            written: Vec::new(),
            images: 0,
            machines: BTreeSet::new(),
            own: Footer::default(),
            folders: Folders::default(),
            rows: String::new(),
            begun: Instant::now(),
        };
        check_place(answers, parts.part(0).exists())?;
        if resume && Record::path(answers).exists() {
            match Record::of(answers) {
                Ok(record) => {
                    let another = || format!("{} is another run", printable_path(answers));
                    parts.run.goes_on_with(&record.run).with_context(another)?;
                    record.check(answers)?;
                    tracing::info!("{} is finished: there is nothing to go on with", printable_path(answers));
                    return Ok(Opened::Finished(record));
                }
                // It was cut off before the parts were removed.
                Err(_) if parts.part(0).exists() => {}
                Err(error) => return Err(error),
            }
        }
        fs::create_dir_all(&parts.folder)
            .with_context(|| format!("cannot make the folder {}", printable_path(&parts.folder)))?;
        parts.lock()?;
        if resume {
            parts.take_up().with_context(|| format!("cannot resume {}", printable_path(answers)))?;
        } else {
            remove(&Record::path(answers))?;
            remove(answers)?;
        }
        // What stands behind a part that is missing is not of this run's list any more.
        parts.remove_from(parts.written.len())?;
        Ok(Opened::Parts(parts))
    }

    fn part(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{number:06}"))
    }

    /// Keeps other runs out of the folder. A mounted bucket cannot, and two runs there are noticed at the end.
    fn lock(&mut self) -> anyhow::Result<()> {
        let in_use =
            || format!("another run is writing {}; wait for it, or name another file", printable_path(&self.answers));
        self.lock = lock_folder(&self.folder).with_context(in_use)?;
        Ok(())
    }

    /// Takes up the parts that are there, up to the first that is missing, cut off or of another place.
    fn take_up(&mut self) -> anyhow::Result<()> {
        while let Ok(bytes) = fs::read(self.part(self.written.len())) {
            let Some(Part { header, footer, sha256, .. }) = Part::read(&bytes) else { break };
            self.run
                .goes_on_with(&header.run)
                .context("take the same arguments, or leave --resume out to begin again")?;
            if header.before != self.images {
                break;
            }
            self.written.push(sha256);
            self.images += footer.images;
            self.folders.join(&footer.folders);
            self.machines.insert(header.machine);
        }
        Ok(())
    }

    /// Removes the parts from this one on, and nothing else that lies in the folder.
    fn remove_from(&self, first: usize) -> anyhow::Result<()> {
        let failed = || format!("cannot read the folder {}", printable_path(&self.folder));
        for entry in fs::read_dir(&self.folder).with_context(failed)? {
            let path = entry.with_context(failed)?.path();
            let number = path.file_name().and_then(|name| name.to_str()).filter(|name| name.len() >= 6);
            if number.and_then(|name| name.parse().ok()).is_some_and(|number: usize| number >= first) {
                remove(&path)?;
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
        let (rows, footer) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.own));
        let header = Header { run: self.run.clone(), machine: self.machine.clone(), before: self.images };
        let mut text = format!("{}\n{rows}{}\n", serde_json::to_string(&header)?, serde_json::to_string(&footer)?);
        let hash = sha256(text.as_bytes());
        text += &hash;
        text += "\n";
        let path = self.part(self.written.len());
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
        self.written.push(hash);
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
        not_found: usize,
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
        for (number, written) in self.written.iter().enumerate() {
            let path = self.part(number);
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", printable_path(&path)))?;
            match Part::read(&bytes) {
                Some(Part { rows, sha256, .. }) if sha256 == *written => write(rows)?,
                _ => bail!("{} was changed while this ran; run it again with --resume", printable_path(&path)),
            }
        }
        file.into_inner().map_err(|error| error.into_error()).and_then(|file| file.sync_all()).with_context(failed)?;
        let record = Record {
            run: self.run.clone(),
            sha256: hex(hash),
            images,
            machines: self.machines.clone(),
            total: self.folders.total(),
            folders: self.folders.clone(),
            not_found,
            expected,
        };
        record.write(&self.answers)?;
        // The answers are there; parts that cannot be removed are in nobody's way, and what is not ours stays.
        let _ = self.remove_from(0).map(|()| fs::remove_dir(&self.folder));
        Ok(record)
    }
}

/// What a part's file holds.
struct Part<'a> {
    header: Header,
    rows: &'a [u8],
    footer: Footer,
    sha256: String,
}

impl<'a> Part<'a> {
    /// `None` where it was cut off or changed.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (content, hash) = split_last_line(bytes)?;
        let sha256 = std::str::from_utf8(hash).ok().filter(|hash| sha256(content) == *hash)?.to_owned();
        let (content, footer) = split_last_line(content)?;
        let first = content.iter().position(|byte| *byte == b'\n')?;
        let (header, footer) = (serde_json::from_slice(&content[..first]).ok()?, serde_json::from_slice(footer).ok()?);
        Some(Self { header, rows: &content[first + 1..], footer, sha256 })
    }
}

/// What stands before the last line, and that line without its end.
fn split_last_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let whole = bytes.strip_suffix(b"\n")?;
    let begin = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Some((&bytes[..begin], &whole[begin..]))
}

/// Removes a file, where there is one.
fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(error).with_context(|| format!("cannot remove {}", printable_path(path)))
        }
        _ => Ok(()),
    }
}
