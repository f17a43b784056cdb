//! `lobule merge`: the tables of all shards in, the table of one run out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use sha2::{Digest, Sha256};

use super::record::{Record, Run, check_place, hex};
use super::summary;
use crate::cli::output::check_other_file;
use crate::drift::Folders;
use crate::system::{WholeFile, printable_path};

/// Arguments of `lobule merge`.
#[derive(Debug, Args)]
pub struct MergeArguments {
    /// Where the table goes, with its record FILE.run.json.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Also write how the images differ from those of the training, as drift.json and drift.html, into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// The files that `lobule predict --shard I/N --output` wrote, with their records beside them.
    #[arg(required = true, value_name = "FILE")]
    shards: Vec<PathBuf>,
}

pub(in crate::cli) fn run(arguments: &MergeArguments) -> anyhow::Result<()> {
    let MergeArguments { output, report, shards: files } = arguments;
    let needed: Vec<&Path> = files.iter().chain([output]).map(PathBuf::as_path).collect();
    report.as_deref().map(|folder| summary::check_report(folder, &needed)).transpose()?;
    files.iter().try_for_each(|file| check_other_file(file, output))?;
    check_place(output, false)?;
    let records = files.iter().map(|file| Record::of(file)).collect::<anyhow::Result<Vec<Record>>>()?;
    let same_list = check(files, &records)?;
    files.iter().zip(&records).try_for_each(|(file, record)| record.check(file))?;

    let sha256 = write(output, files, &records, same_list)?;

    let (mut folders, mut machines) = (Folders::default(), BTreeSet::new());
    for record in &records {
        folders.join(&record.folders);
        machines.extend(record.machines.iter().cloned());
    }
    let record = Record {
        run: Run { shard: 0, shards: 1, ..records[0].run.clone() },
        sha256,
        images: None,
        machines,
        total: folders.total(),
        folders,
        // Each shard looks through all folders.
        not_found: records.iter().map(|record| record.not_found).max().unwrap_or(0),
        expected: records[0].expected.clone(),
    };
    record.write(output)?;
    summary::show(&record, report.as_deref())
}

/// Writes the rows of all shards in their order; the SHA-256 of the table. A table that is there already stays if it fails.
fn write(to: &Path, files: &[PathBuf], records: &[Record], same_list: bool) -> anyhow::Result<String> {
    let failed = || format!("cannot write {}", printable_path(to));
    let (mut table, mut hash) = (BufWriter::new(WholeFile::create(to).with_context(failed)?), Sha256::new());
    let mut write = |text: &[u8]| {
        hash.update(text);
        table.write_all(text).with_context(failed)
    };
    let has_head = records[0].run.asked.format == "csv";
    let mut rows = files
        .iter()
        .zip(records)
        .map(|(file, record)| Rows::open(file, has_head, same_list.then_some(record)))
        .collect::<anyhow::Result<Vec<Rows>>>()?;
    if has_head && let Some(first) = rows.first() {
        write(&first.head)?;
    }
    // Of each shard its next row, by where it belongs.
    let (mut next, mut last) = (BTreeMap::new(), None);
    for (shard, rows) in rows.iter_mut().enumerate() {
        next.extend(rows.next()?.map(|(place, row)| ((place, shard), row)));
    }
    while let Some(((place, shard), row)) = next.pop_first() {
        if last.as_ref().is_some_and(|last| *last >= place) {
            bail!(
                "{}: {place} is there twice or not in its order; make the shards again, all of one list or of one folder",
                printable_path(&files[shard])
            );
        }
        last = Some(place);
        write(&row)?;
        next.extend(rows[shard].next()?.map(|(place, row)| ((place, shard), row)));
    }
    table.into_inner().map_err(|error| error.into_error()).and_then(WholeFile::finish).with_context(failed)?;
    Ok(hex(hash))
}

/// Whether all of N shards are there once and belong together; says whether they saw the same list of images.
fn check(files: &[PathBuf], records: &[Record]) -> anyhow::Result<bool> {
    let (first, named) = (&records[0].run, |index: usize| printable_path(&files[index]));
    let mut found = BTreeMap::new();
    for (index, Record { run, .. }) in records.iter().enumerate() {
        if run.asked != first.asked {
            let difference = first.asked.difference(&run.asked).unwrap_or_default();
            bail!("{} and {} do not belong together: the second was made with {difference}", named(0), named(index));
        }
        if run.shards != first.shards {
            bail!("{} is one of {} shards, and {} of {}", named(0), first.shards, named(index), run.shards);
        }
        if let Some(other) = found.insert(run.shard, index) {
            bail!("{} and {} are both the shard {}/{}", named(other), named(index), run.shard, run.shards);
        }
    }
    let missing = first.shards as usize - found.len();
    if missing > 0 {
        let some = (0..first.shards).filter(|shard| !found.contains_key(shard)).take(NAMED);
        let some: Vec<String> = some.map(|shard| shard.to_string()).collect();
        let more = if missing > NAMED { ", ..." } else { "" };
        bail!("of {} shards these are missing: {}{more}", first.shards, some.join(", "));
    }
    for (file, record) in files.iter().zip(records) {
        record.check_numbers().with_context(|| format!("the record of {} was changed", printable_path(file)))?;
    }
    let same_list = records.iter().all(|record| record.run.list_sha256 == first.list_sha256);
    if !same_list {
        tracing::warn!(
            "the shards saw other lists of images, so the table is in the order of the paths, and images may be missing"
        );
    } else if records.iter().map(Record::rows).sum::<usize>() != first.listed {
        bail!("the shards have other images than the {} of their list; make them again", first.listed);
    }
    Ok(same_list)
}

/// Shards that are named of those that are missing.
const NAMED: usize = 20;

/// Where a row belongs: behind those of earlier images.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Number(usize),
    Path(PathBuf),
}

/// The rows of a shard, one after the other.
struct Rows<'a> {
    file: &'a Path,
    reader: BufReader<File>,
    head: Vec<u8>,
    has_head: bool,
    /// The numbers of the images in it, where all shards saw the same list.
    numbers: Option<Box<dyn Iterator<Item = usize> + 'a>>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "the image with the number {number}"),
            Self::Path(path) => f.write_str(&printable_path(path)),
        }
    }
}

impl<'a> Rows<'a> {
    fn open(file: &'a Path, has_head: bool, record: Option<&'a Record>) -> anyhow::Result<Self> {
        let reader = BufReader::new(File::open(file).with_context(|| format!("cannot read {}", printable_path(file)))?);
        let numbers = record.map(|record| match &record.images {
            Some(images) => Box::new(images.iter().copied()) as Box<dyn Iterator<Item = usize>>,
            None => Box::new(0..record.run.listed),
        });
        let mut rows = Self { file, reader, head: Vec::new(), has_head, numbers };
        if has_head {
            rows.head = rows.record()?;
        }
        Ok(rows)
    }

    /// The next row and where it belongs.
    fn next(&mut self) -> anyhow::Result<Option<(Place, Vec<u8>)>> {
        let row = self.record()?;
        if row.is_empty() {
            return match self.numbers.as_mut().and_then(Iterator::next) {
                None => Ok(None),
                Some(_) => bail!("{} has fewer rows than its record says", printable_path(self.file)),
            };
        }
        let place = match &mut self.numbers {
            Some(numbers) => match numbers.next() {
                Some(number) => Place::Number(number),
                None => bail!("{} has more rows than its record says", printable_path(self.file)),
            },
            None => Place::Path(self.path(&row)?.into()),
        };
        Ok(Some((place, row)))
    }

    /// The bytes of the next row with the end of its line, empty at the end: a name in quotation marks may go over lines.
    fn record(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut row = Vec::new();
        loop {
            let read = self.reader.read_until(b'\n', &mut row);
            let read = read.with_context(|| format!("cannot read {}", printable_path(self.file)))?;
            let marks = row.iter().filter(|byte| **byte == b'"').count();
            if read == 0 || !self.has_head || marks.is_multiple_of(2) {
                return Ok(row);
            }
        }
    }

    fn path(&self, row: &[u8]) -> anyhow::Result<String> {
        let broken = || format!("{} has a row without a path", printable_path(self.file));
        if self.has_head {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row);
            let first = reader.records().next().with_context(broken)?.with_context(broken)?;
            return first.get(0).map(str::to_owned).with_context(broken);
        }
        let row: serde_json::Value = serde_json::from_slice(row).with_context(broken)?;
        row["file"].as_str().map(str::to_owned).with_context(broken)
    }
}
