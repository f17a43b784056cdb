//! What is wrong with a copy of BreakHis, or with a split of it.
//!
//! In: a [`Dataset`] and, if there is one, a [`Split`]. Every image is decoded and hashed. Out: an [`Audit`], which
//! holds counts beside the published ones and lists whatever its owner should know before training on it.

mod published;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::breakhis::{BreakhisError, Case, Dataset, ImageFile, Magnification, Part, Split, Subtype};
use crate::diagnosis::Label;
use crate::pixels::{self, DecodeLimits, PixelsError};
use crate::system::path_for_programs;

/// Everything that an audit found.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Images, by their names.
    pub images: usize,
    /// Different slide ids; BreakHis has 81.
    pub slides: usize,
    /// Different cases, that is, persons.
    pub cases: usize,
    /// Images by label (and magnification), beside the published numbers.
    pub labels: Vec<Count>,
    /// Images by subtype, beside the published numbers.
    pub subtypes: Vec<Count>,
    /// Images by width and height, as in `700x460`.
    pub sizes: BTreeMap<String, usize>,
    /// Images that cannot be read or decoded.
    pub unreadable: Vec<Finding>,
    /// Files that look like images of BreakHis, but whose names cannot be read; they are no part of the data set.
    pub misnamed: Vec<Finding>,
    /// Images whose names or folders are not quite as they should be.
    pub doubtful: Vec<Finding>,
    /// Images whose files hold the same bytes.
    pub identical: Vec<Identical>,
    /// Folders and links that cannot be followed, so that images may be missing.
    pub unreachable: Vec<Finding>,
    /// Files that are something else; they are no part of the data set.
    pub ignored: usize,
    /// What the split does, where one was given.
    pub split: Option<SplitAudit>,
}

/// How many images there are of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The kind: a label (`benign`), a label at a magnification (`benign 40X`), or a subtype (`DC`).
    pub kind: String,
    /// Images here.
    pub found: usize,
    /// Images in the whole of BreakHis.
    pub published: usize,
    /// Slides here and in the whole of BreakHis, for subtypes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slides: Option<[usize; 2]>,
}

/// A file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, below the folder of the data set; a `file://` URL where its name is not UTF-8.
    pub file: String,
    /// What is wrong.
    pub reason: String,
}

/// Images whose files hold the same bytes.
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
    /// Images, cases and labels of each part.
    pub parts: BTreeMap<Part, PartCount>,
    /// Cases with images in more than one part: each of them leaks.
    pub shared_cases: Vec<SharedCase>,
}

/// How large a part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartCount {
    /// Benign images.
    pub benign: usize,
    /// Malignant images.
    pub malignant: usize,
    /// Different cases.
    pub cases: usize,
}

/// A case with images in more than one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SharedCase {
    /// The case.
    pub case: Case,
    /// Its images in each part.
    pub images: BTreeMap<Part, usize>,
}

impl Audit {
    /// What must be mended before figures from this data mean anything, with numbers; empty for a sound data set.
    pub fn faults(&self) -> Vec<String> {
        let shared = self.split.as_ref().map_or(0, |split| split.shared_cases.len());
        let count = |f: fn(&Identical) -> bool| self.identical.iter().filter(|group| f(group)).count();
        let kinds = [
            (self.unreadable.len(), "unreadable images"),
            (self.unreachable.len(), "folders and links that cannot be followed"),
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
    /// When the split is one of other images.
    pub fn of(split: &Split, dataset: &Dataset) -> Result<Self, BreakhisError> {
        let mut parts = BTreeMap::new();
        let mut of_case: BTreeMap<Case, BTreeMap<Part, usize>> = BTreeMap::new();
        for part in Part::ALL {
            let images = split.images(dataset, part)?;
            for image in &images {
                *of_case.entry(image.name.case).or_default().entry(part).or_default() += 1;
            }
            let benign = images.iter().filter(|image| image.label() == Label::Benign).count();
            let malignant = images.len() - benign;
            let cases = distinct(images.iter().copied(), |image| image.name.case);
            parts.insert(part, PartCount { benign, malignant, cases });
        }
        let shared = of_case.into_iter().filter(|(_, images)| images.len() > 1);
        Ok(Self { parts, shared_cases: shared.map(|(case, images)| SharedCase { case, images }).collect() })
    }
}

/// Reads every image of the data set, in parallel, and lists what is wrong with them and with the split.
///
/// # Errors
/// When the split is one of other images. What is wrong with an image is a finding, not an error.
pub fn audit(dataset: &Dataset, split: Option<&Split>) -> Result<Audit, BreakhisError> {
    let split_audit = split.map(|split| SplitAudit::of(split, dataset)).transpose()?;
    let images = dataset.images();
    let contents: Vec<Content> = images.par_iter().map(|image| read(&image.path)).collect();

    let mut sizes = BTreeMap::new();
    let mut unreadable = Vec::new();
    for (image, content) in images.iter().zip(&contents) {
        match &content.size {
            Ok((width, height)) => *sizes.entry(format!("{width}x{height}")).or_default() += 1,
            Err(reason) => unreadable.push(finding(dataset, &image.path, reason)),
        }
    }
    let doubtful = images.iter().filter(|image| !image.doubts.is_empty());
    let (misnamed, ignored): (Vec<_>, Vec<_>) = dataset.ignored.iter().partition(|file| file.misnamed);
    Ok(Audit {
        images: images.len(),
        slides: distinct(images, |image| &image.name.slide),
        cases: distinct(images, |image| image.name.case),
        labels: count_labels(images),
        subtypes: count_subtypes(images),
        sizes,
        unreadable,
        misnamed: misnamed.into_iter().map(|file| finding(dataset, &file.path, &file.reason)).collect(),
        doubtful: doubtful.map(|image| finding(dataset, &image.path, &image.doubts.join("; "))).collect(),
        identical: find_identical(dataset, &contents, split),
        unreachable: dataset.unreachable.iter().map(|place| finding(dataset, &place.path, &place.reason)).collect(),
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
    let limits = DecodeLimits::local();
    let unread = |reason: String| Content { sha256: None, size: Err(reason) };
    let bytes = match pixels::read_bytes(path, &limits) {
        Ok(bytes) => bytes,
        // The finding names the file, so that these need not.
        Err(PixelsError::Read(_, source)) => return unread(source.to_string()),
        Err(PixelsError::File(_, source)) => return unread(source.to_string()),
        Err(other) => return unread(other.to_string()),
    };
    let size = pixels::decode(&bytes, &limits).map(|decoded| decoded.image.dimensions());
    Content { sha256: Some(Sha256::digest(&bytes).into()), size: size.map_err(|error| error.to_string()) }
}

fn count_labels(images: &[ImageFile]) -> Vec<Count> {
    let mut counts = Vec::new();
    for label in Label::ALL {
        let of_label = || images.iter().filter(|image| image.label() == label);
        let kind = label.lower().to_owned();
        counts.push(Count { kind, found: of_label().count(), published: published::of_label(label), slides: None });
        counts.extend(Magnification::ALL.map(|magnification| Count {
            kind: format!("{} {magnification}", label.lower()),
            found: of_label().filter(|image| image.name.magnification == magnification).count(),
            published: published::of_magnification(label, magnification),
            slides: None,
        }));
    }
    counts
}

fn count_subtypes(images: &[ImageFile]) -> Vec<Count> {
    let count = |subtype: Subtype| {
        let of_subtype = || images.iter().filter(|image| image.name.subtype == subtype);
        let (published, slides) = published::of_subtype(subtype);
        Count {
            kind: subtype.code().to_owned(),
            found: of_subtype().count(),
            published,
            slides: Some([distinct(of_subtype(), |image| &image.name.slide), slides]),
        }
    };
    Subtype::ALL.into_iter().map(count).collect()
}

fn find_identical(dataset: &Dataset, contents: &[Content], split: Option<&Split>) -> Vec<Identical> {
    let mut groups: BTreeMap<[u8; 32], Vec<&ImageFile>> = BTreeMap::new();
    for (image, content) in dataset.images().iter().zip(contents) {
        if let Some(sha256) = content.sha256 {
            groups.entry(sha256).or_default().push(image);
        }
    }
    let twins = groups.into_values().filter(|group| group.len() > 1);
    let mut identical: Vec<Identical> = twins
        .map(|group| Identical {
            labels_differ: differ(&group, ImageFile::label),
            subtypes_differ: differ(&group, |image| image.name.subtype),
            cases_differ: differ(&group, |image| image.name.case),
            parts_differ: split.is_some_and(|split| differ(&group, |image| split.part_of(image.file_name()))),
            files: group.iter().map(|image| below(dataset.root(), &image.path)).collect(),
        })
        .collect();
    identical.sort_by(|a, b| a.files.cmp(&b.files));
    identical
}

fn distinct<'a, K: Ord>(images: impl IntoIterator<Item = &'a ImageFile>, key: impl Fn(&'a ImageFile) -> K) -> usize {
    images.into_iter().map(key).collect::<BTreeSet<_>>().len()
}

fn differ<K: Ord>(group: &[&ImageFile], key: impl Fn(&ImageFile) -> K) -> bool {
    distinct(group.iter().copied(), key) > 1
}

fn finding(dataset: &Dataset, path: &Path, reason: &str) -> Finding {
    Finding { file: below(dataset.root(), path), reason: reason.to_owned() }
}

fn below(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).ok().and_then(Path::to_str);
    below.map_or_else(|| path_for_programs(path).into_owned(), str::to_owned)
}

#[cfg(test)]
mod tests;
