//! What is wrong with a copy of BreakHis, or with a split of it.
//!
//! In: a [`Dataset`] and, if there is one, a [`Split`]. Every picture is decoded and hashed. Out: an [`Audit`], which
//! holds counts beside the published ones and lists whatever its owner should know before training on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{BreakhisError, Case, Dataset, Magnification, Part, Picture, Split, Subtype, published};
use crate::diagnosis::Label;
use crate::pixels::{self, DecodeLimits};

/// Everything that an audit found.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Pictures, by their names.
    pub pictures: usize,
    /// Different slide ids; BreakHis has 81.
    pub slides: usize,
    /// Different cases, that is, persons.
    pub cases: usize,
    /// Pictures by label (and magnification), beside the published numbers.
    pub labels: Vec<Count>,
    /// Pictures by subtype, beside the published numbers.
    pub subtypes: Vec<Count>,
    /// Pictures by width and height, as in `700x460`.
    pub sizes: BTreeMap<String, usize>,
    /// Pictures that cannot be read or decoded.
    pub unreadable: Vec<Finding>,
    /// Files that look like pictures of BreakHis, but whose names cannot be read; they are no part of the data set.
    pub misnamed: Vec<Finding>,
    /// Pictures whose names or folders are not quite as they should be.
    pub doubtful: Vec<Finding>,
    /// Pictures whose files hold the same bytes.
    pub identical: Vec<Identical>,
    /// Files that are something else; they are no part of the data set.
    pub ignored: usize,
    /// What the split does, where one was given.
    pub split: Option<SplitAudit>,
}

/// How many pictures there are of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The kind: a label (`benign`), a label at a magnification (`benign 40X`), or a subtype (`DC`).
    pub kind: String,
    /// Pictures here.
    pub found: usize,
    /// Pictures in the whole of BreakHis.
    pub published: usize,
    /// Slides here and in the whole of BreakHis, for subtypes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slides: Option<[usize; 2]>,
}

/// A file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, below the folder of the data set.
    pub file: String,
    /// What is wrong.
    pub reason: String,
}

/// Pictures whose files hold the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identical {
    /// The files, below the folder of the data set.
    pub files: Vec<String>,
    /// Whether they lie under benign as well as under malignant.
    pub labels_differ: bool,
    /// Whether they lie under different subtypes, as those of slide 14-13412 do.
    pub subtypes_differ: bool,
    /// Whether they lie under different cases.
    pub cases_differ: bool,
    /// Whether the split has them in different parts.
    pub parts_differ: bool,
}

/// What a split does to the data set.
#[derive(Clone, Debug, Serialize)]
pub struct SplitAudit {
    /// Pictures, cases and labels of each part.
    pub parts: BTreeMap<Part, PartCount>,
    /// Cases with pictures in more than one part: each of them leaks.
    pub shared_cases: Vec<SharedCase>,
}

/// How large a part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartCount {
    /// Benign pictures.
    pub benign: usize,
    /// Malignant pictures.
    pub malignant: usize,
    /// Different cases.
    pub cases: usize,
}

/// A case with pictures in more than one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SharedCase {
    /// The case.
    pub case: Case,
    /// Its pictures in each part.
    pub pictures: BTreeMap<Part, usize>,
}

impl Audit {
    /// What must be mended before figures from this data mean anything, with numbers; empty for a sound data set.
    pub fn faults(&self) -> Vec<String> {
        let shared = self.split.as_ref().map_or(0, |split| split.shared_cases.len());
        let count = |f: fn(&Identical) -> bool| self.identical.iter().filter(|group| f(group)).count();
        let kinds = [
            (self.unreadable.len(), "unreadable pictures"),
            (self.misnamed.len(), "files with names that cannot be read"),
            (count(|group| group.labels_differ), "groups of identical files under both labels"),
            (count(|group| group.cases_differ), "groups of identical files under different cases"),
            (count(|group| group.parts_differ), "groups of identical files in different parts of the split"),
            (shared, "cases in more than one part of the split"),
        ];
        kinds.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{what}: {n}")).collect()
    }
}

impl SplitAudit {
    /// Counts the parts and finds the cases that are in more than one.
    ///
    /// # Errors
    /// When the split is one of other pictures.
    pub fn of(split: &Split, dataset: &Dataset) -> Result<Self, BreakhisError> {
        let mut parts = BTreeMap::new();
        let mut of_case: BTreeMap<Case, BTreeMap<Part, usize>> = BTreeMap::new();
        for part in Part::ALL {
            let pictures = split.pictures(dataset, part)?;
            for picture in &pictures {
                *of_case.entry(picture.name.case()).or_default().entry(part).or_default() += 1;
            }
            let benign = pictures.iter().filter(|picture| picture.label() == Label::Benign).count();
            let malignant = pictures.len() - benign;
            let cases = distinct(pictures.iter().copied(), |picture| picture.name.case());
            parts.insert(part, PartCount { benign, malignant, cases });
        }
        let shared = of_case.into_iter().filter(|(_, pictures)| pictures.len() > 1);
        Ok(Self { parts, shared_cases: shared.map(|(case, pictures)| SharedCase { case, pictures }).collect() })
    }
}

/// Reads every picture of the data set, in parallel, and tells what is wrong with them and with the split.
///
/// # Errors
/// When the split is one of other pictures. What is wrong with a picture is a finding, not an error.
pub fn audit(dataset: &Dataset, split: Option<&Split>) -> Result<Audit, BreakhisError> {
    let split_audit = split.map(|split| SplitAudit::of(split, dataset)).transpose()?;
    let pictures = dataset.pictures();
    let contents: Vec<Content> = pictures.par_iter().map(|picture| read(&picture.path)).collect();

    let mut sizes = BTreeMap::new();
    let mut unreadable = Vec::new();
    for (picture, content) in pictures.iter().zip(&contents) {
        match &content.size {
            Ok((width, height)) => *sizes.entry(format!("{width}x{height}")).or_default() += 1,
            Err(reason) => unreadable.push(finding(dataset, &picture.path, reason)),
        }
    }
    let doubtful = pictures.iter().filter(|picture| !picture.doubts().is_empty());
    let (misnamed, ignored): (Vec<_>, Vec<_>) = dataset.ignored().iter().partition(|file| file.misnamed);
    Ok(Audit {
        pictures: pictures.len(),
        slides: distinct(pictures, |picture| picture.name.slide()),
        cases: distinct(pictures, |picture| picture.name.case()),
        labels: count_labels(pictures),
        subtypes: count_subtypes(pictures),
        sizes,
        unreadable,
        misnamed: misnamed.into_iter().map(|file| finding(dataset, &file.path, &file.reason)).collect(),
        doubtful: doubtful.map(|p| finding(dataset, &p.path, &p.doubts().join("; "))).collect(),
        identical: find_identical(dataset, &contents, split),
        ignored: ignored.len(),
        split: split_audit,
    })
}

/// What a file turned out to hold.
struct Content {
    sha256: Option<[u8; 32]>,
    size: Result<(u32, u32), String>,
}

/// One reading of the file serves the hash and the decoder.
fn read(path: &Path) -> Content {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return Content { sha256: None, size: Err(error.to_string()) },
    };
    let size = pixels::decode(&bytes, &DecodeLimits::default()).map(|image| image.dimensions());
    Content { sha256: Some(Sha256::digest(&bytes).into()), size: size.map_err(|error| error.to_string()) }
}

fn count_labels(pictures: &[Picture]) -> Vec<Count> {
    let mut counts = Vec::new();
    for label in Label::ALL {
        let of_label: Vec<&Picture> = pictures.iter().filter(|picture| picture.label() == label).collect();
        let kind = label.lower().to_owned();
        counts.push(Count { kind, found: of_label.len(), published: published::of_label(label), slides: None });
        for magnification in Magnification::ALL {
            counts.push(Count {
                kind: format!("{} {magnification}", label.lower()),
                found: of_label.iter().filter(|picture| picture.name.magnification() == magnification).count(),
                published: published::of_magnification(label, magnification),
                slides: None,
            });
        }
    }
    counts
}

fn count_subtypes(pictures: &[Picture]) -> Vec<Count> {
    let count = |subtype: Subtype| {
        let of_subtype = || pictures.iter().filter(|picture| picture.name.subtype() == subtype);
        let (published, slides) = published::of_subtype(subtype);
        Count {
            kind: subtype.code().to_owned(),
            found: of_subtype().count(),
            published,
            slides: Some([distinct(of_subtype(), |picture| picture.name.slide()), slides]),
        }
    };
    Subtype::ALL.into_iter().map(count).collect()
}

fn find_identical(dataset: &Dataset, contents: &[Content], split: Option<&Split>) -> Vec<Identical> {
    let mut groups: BTreeMap<[u8; 32], Vec<&Picture>> = BTreeMap::new();
    for (picture, content) in dataset.pictures().iter().zip(contents) {
        if let Some(sha256) = content.sha256 {
            groups.entry(sha256).or_default().push(picture);
        }
    }
    let twins = groups.into_values().filter(|group| group.len() > 1);
    let mut identical: Vec<Identical> = twins
        .map(|group| Identical {
            labels_differ: distinct(group.iter().copied(), Picture::label) > 1,
            subtypes_differ: distinct(group.iter().copied(), |picture| picture.name.subtype()) > 1,
            cases_differ: distinct(group.iter().copied(), |picture| picture.name.case()) > 1,
            parts_differ: split
                .is_some_and(|split| distinct(group.iter().copied(), |p| split.part_of(p.file_name())) > 1),
            files: group.iter().map(|picture| below(dataset.root(), &picture.path)).collect(),
        })
        .collect();
    identical.sort_by(|a, b| a.files.cmp(&b.files));
    identical
}

fn distinct<'a, K: Ord>(pictures: impl IntoIterator<Item = &'a Picture>, key: impl Fn(&'a Picture) -> K) -> usize {
    pictures.into_iter().map(key).collect::<BTreeSet<_>>().len()
}

fn finding(dataset: &Dataset, path: &Path, reason: &str) -> Finding {
    Finding { file: below(dataset.root(), path), reason: reason.to_owned() }
}

fn below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
