//! The folds of a cross-validation: which images are held out together.
//!
//! In: a [`Dataset`], how many folds and a seed; or a file of `filename,fold` rows. Out: [`Folds`], and for each of
//! them the [`Split`] that holds it out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::breakhis::split::kaggle_folds;
use crate::breakhis::table::{self, Table};
use crate::breakhis::{BreakhisError, Case, Dataset, Part, Split};
use crate::diagnosis::Label;

/// The fold of each image, by file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    folds: BTreeMap<String, u32>,
}

impl Folds {
    /// Deals the cases of a data set into so many folds, each label by itself and even in images: large cases first, the
    /// next one to the fold that holds the fewest images of its label.
    ///
    /// Cases count as equally large within a factor of two, and the seed decides their order; by exact sizes all seeds
    /// would deal nearly the same folds, and a repeated cross-validation would repeat little.
    ///
    /// # Errors
    /// With fewer than two folds, or fewer cases than folds.
    pub fn deal(dataset: &Dataset, count: u32, seed: u64) -> Result<Self, BreakhisError> {
        // A person with images of both labels is dealt once, where most of them belong.
        let mut of_case: BTreeMap<Case, [usize; 2]> = BTreeMap::new();
        for image in dataset.images() {
            of_case.entry(image.name.case).or_default()[image.label().index()] += 1;
        }
        if count < 2 || of_case.len() < count as usize {
            return Err(BreakhisError::TooFewForFolds(of_case.len(), count));
        }

        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut fold_of_case = BTreeMap::new();
        let mut all = vec![0; count as usize];
        for label in Label::ALL {
            let called =
                |[benign, malignant]: [usize; 2]| if malignant > benign { Label::Malignant } else { Label::Benign };
            let cases = of_case.iter().filter(|(_, images)| called(**images) == label);
            let mut cases: Vec<(Case, usize)> = cases.map(|(case, images)| (*case, images.iter().sum())).collect();
            cases.shuffle(&mut rng);
            cases.sort_by_key(|(_, images)| std::cmp::Reverse(images.ilog2()));
            let mut of_label = vec![0; count as usize];
            for (case, images) in cases {
                let emptiest = (0..all.len()).min_by_key(|&fold| (of_label[fold], all[fold])).unwrap_or_default();
                of_label[emptiest] += images;
                all[emptiest] += images;
                fold_of_case.insert(case, emptiest as u32);
            }
        }
        let fold = |case: Case| fold_of_case.get(&case).copied().unwrap_or_default();
        let rows = dataset.images().iter().map(|image| (image.file_name().to_owned(), fold(image.name.case)));
        Ok(Self { folds: rows.collect() })
    }

    /// Reads a file of `filename,fold` rows.
    ///
    /// # Errors
    /// When the file is not such a table, or holds an image twice.
    pub fn read(path: &Path) -> Result<Self, BreakhisError> {
        Self::of(&Table::open(path)?)
    }

    pub(super) fn of(table: &Table<'_>) -> Result<Self, BreakhisError> {
        if table.find("fold").is_none() && table.find("part").is_some() {
            return Err(table.error(None, "it holds parts, not folds; leave the fold (--fold) out".into()));
        }
        if kaggle_folds::is_kaggles(table) {
            let reason = "its folds (Kaggle's) overlap, so they are no cross-validation that holds each image out once; \
                          --split with --fold takes one of them";
            return Err(table.error(None, reason.into()));
        }
        Ok(Self { folds: table.by_file_name("fold", number)? })
    }

    /// Writes `filename,fold` rows in the order of the file names; the file is there whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BreakhisError> {
        table::write(path, "fold", &self.folds)
    }

    /// The numbers of the folds.
    pub fn numbers(&self) -> BTreeSet<u32> {
        self.folds.values().copied().collect()
    }

    /// The file names of the images.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.folds.keys().map(String::as_str)
    }

    /// The split that holds a fold out: its images are for validation, all others for training; no image is for a test.
    pub fn held_out(&self, fold: u32) -> Split {
        let part = |of_image: u32| if of_image == fold { Part::Validation } else { Part::Train };
        Split { parts: self.folds.iter().map(|(name, fold)| (name.clone(), part(*fold))).collect() }
    }
}

/// The number of a fold, from a cell of a table.
pub(super) fn number(cell: &str) -> Result<u32, String> {
    cell.parse().map_err(|_| format!("{cell:?} is not the number of a fold"))
}

/// The error of a fold that a file does not hold.
pub(super) fn missing(path: &Path, fold: u32, known: &BTreeSet<u32>) -> BreakhisError {
    let known: Vec<String> = known.iter().map(u32::to_string).collect();
    let reason = format!("there is no fold {fold}; its folds are {}", known.join(", "));
    BreakhisError::Table { path: path.to_owned(), line: None, reason }
}

#[cfg(test)]
#[path = "folds_tests.rs"]
mod tests;
