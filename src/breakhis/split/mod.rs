//! Which image belongs to which part: train, validation or test.
//!
//! In: a [`Dataset`] and a seed, or a split file of `filename,part` rows. Out: a [`Split`], and the images of each part of it. By image is
//! the split of the report (and of most papers): it puts images of one person on both sides. By case does not.

mod by_case;
pub(crate) mod folds;
mod kaggle_folds;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::breakhis::error::examples;
use crate::breakhis::table::{self, Table};
use crate::breakhis::{BreakhisError, Case, Dataset, Folds, ImageFile, SlideName};
use crate::diagnosis::Label;

/// A part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What a network learns from.
    Train,
    /// What training is steered and thresholds are fixed by.
    Validation,
    /// What figures are reported on, and nothing else.
    Test,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The share of the images that the part is to hold: 60, 20 and 20 %.
    pub fn share(self) -> f64 {
        match self {
            Self::Train => 0.6,
            Self::Validation | Self::Test => 0.2,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = Self::ALL.into_iter().find(|part| part.to_string() == text);
        part.ok_or_else(|| format!("{text:?} is not a part; parts are train, validation and test"))
    }
}

/// The part of each image, by file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub(crate) parts: BTreeMap<String, Part>,
}

impl Split {
    /// 60/20/20 by image, each label split in the same proportions: scikit-learn's `train_test_split(stratify=...)`
    /// twice, in sizes though not in its random numbers. **Images of one person land on both sides.**
    ///
    /// # Errors
    /// With fewer than 3 images.
    pub fn by_image(dataset: &Dataset, seed: u64) -> Result<Self, BreakhisError> {
        let total = dataset.images().len();
        if total < 3 {
            return Err(BreakhisError::TooFew(total, "images"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut names = Label::ALL.map(|label| {
            let of_label = dataset.images().iter().filter(|image| image.label() == label);
            of_label.map(|image| image.file_name().to_owned()).collect::<Vec<_>>()
        });
        names.iter_mut().for_each(|names| names.shuffle(&mut rng));

        let mut parts = BTreeMap::new();
        let test = total.div_ceil(5);
        for (part, size) in [(Part::Test, test), (Part::Validation, (total - test).div_ceil(4))] {
            let drawn = proportionally(size, names.each_ref().map(Vec::len));
            for (names, drawn) in names.iter_mut().zip(drawn) {
                parts.extend(names.drain(names.len() - drawn..).map(|name| (name, part)));
            }
        }
        parts.extend(names.into_iter().flatten().map(|name| (name, Part::Train)));
        Ok(Self { parts })
    }

    /// 60/20/20 of the images, as near as whole cases allow; labels and magnifications in the same proportions, as
    /// near again. No case is in two parts, and each part holds both labels wherever the cases allow it.
    ///
    /// # Errors
    /// With fewer than 3 cases.
    pub fn by_case(dataset: &Dataset, seed: u64) -> Result<Self, BreakhisError> {
        let cases: BTreeSet<_> = dataset.images().iter().map(|image| image.name.case).collect();
        if cases.len() < 3 {
            return Err(BreakhisError::TooFew(cases.len(), "cases"));
        }
        let of_case = by_case::assign(dataset.images(), &mut ChaCha8Rng::seed_from_u64(seed));
        let images = dataset.images().iter();
        Ok(Self { parts: images.map(|p| (p.file_name().to_owned(), of_case[&p.name.case])).collect() })
    }

    /// Every image in the train part: nothing is held out, so nothing can be measured.
    pub fn all_for_training(dataset: &Dataset) -> Self {
        let images = dataset.images().iter();
        Self { parts: images.map(|image| (image.file_name().to_owned(), Part::Train)).collect() }
    }

    /// Writes `filename,part` rows in the order of the file names; the file is there whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BreakhisError> {
        table::write(path, "part", &self.parts)
    }

    /// Reads what [`Split::write`] wrote.
    ///
    /// # Errors
    /// When the file is not such a table, names a part that does not exist or an image twice.
    pub fn read(path: &Path) -> Result<Self, BreakhisError> {
        let table = Table::open(path)?;
        if table.find("part").is_none() && table.find("fold").is_some() {
            let hint = "it holds folds, not parts; say which fold to hold out (--fold)";
            return Err(table.error(None, hint.into()));
        }
        Ok(Self { parts: table.by_file_name("part", str::parse)? })
    }

    /// Reads `filename,fold` rows: the images of the fold that is held out are for validation, all others for
    /// training. There is no test part. The `Folds.csv` of Kaggle's copy is read as well, where the column `grp` says
    /// which images a fold holds out.
    ///
    /// # Errors
    /// When the file is not such a table, holds an image twice, or does not hold that fold.
    pub fn from_folds(path: &Path, held_out: u32) -> Result<Self, BreakhisError> {
        let table = Table::open(path)?;
        if kaggle_folds::is_kaggles(&table) {
            return kaggle_folds::held_out(&table, held_out);
        }
        let folds = Folds::of(&table)?;
        match folds.numbers() {
            known if known.contains(&held_out) => Ok(folds.held_out(held_out)),
            known => Err(folds::missing(path, held_out, &known)),
        }
    }

    /// The part of an image, by its file name.
    pub fn part_of(&self, file_name: &str) -> Option<Part> {
        self.parts.get(file_name).copied()
    }

    /// How many images a part has.
    pub fn count(&self, part: Part) -> usize {
        self.parts.values().filter(|other| **other == part).count()
    }

    /// The images of one part, in the order of the data set.
    ///
    /// # Errors
    /// When the split and the data set do not hold the same images: figures from such a pair would be of something
    /// else than the split says.
    pub fn images<'a>(&self, dataset: &'a Dataset, part: Part) -> Result<Vec<&'a ImageFile>, BreakhisError> {
        self.check(dataset)?;
        Ok(dataset.images().iter().filter(|image| self.part_of(image.file_name()) == Some(part)).collect())
    }

    /// The cases with images in more than one part, by the names of the images alone: each of them leaks.
    ///
    /// # Errors
    /// When a name is not one of BreakHis, so that nobody knows whose image it is.
    pub fn shared_cases(&self) -> Result<BTreeSet<Case>, BreakhisError> {
        let mut part_of_case = BTreeMap::new();
        let mut shared = BTreeSet::new();
        for (file_name, part) in &self.parts {
            let name: SlideName =
                file_name.parse().map_err(|error| BreakhisError::Misnamed(file_name.clone(), error))?;
            if part_of_case.insert(name.case, *part).is_some_and(|other| other != *part) {
                shared.insert(name.case);
            }
        }
        Ok(shared)
    }

    /// Refuses a data set that does not hold exactly the images of this split.
    pub(crate) fn check(&self, dataset: &Dataset) -> Result<(), BreakhisError> {
        let present: BTreeSet<&str> = dataset.images().iter().map(ImageFile::file_name).collect();
        let absent: Vec<&str> = self.parts.keys().map(String::as_str).filter(|name| !present.contains(name)).collect();
        let unknown: Vec<&str> = present.iter().copied().filter(|name| !self.parts.contains_key(*name)).collect();
        let differences: Vec<String> = [(absent, "of the split not there"), (unknown, "not in the split")]
            .into_iter()
            .filter(|(names, _)| !names.is_empty())
            .map(|(names, what)| format!("{} {what}", examples("image", &names)))
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(BreakhisError::OtherData(dataset.root().to_owned(), differences.join(", ")))
    }
}

/// Shares `size` out over two strata in proportion to their counts, the remainder to the larger fraction.
fn proportionally(size: usize, counts: [usize; 2]) -> [usize; 2] {
    let total = counts[0] + counts[1];
    // `size` is at most `total`, so neither share exceeds its count; half an image goes to the first stratum.
    let first = (2 * size * counts[0] + total) / (2 * total);
    [first, size - first]
}

#[cfg(test)]
pub(crate) mod tests;
