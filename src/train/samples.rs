//! The pictures of one part, prepared once and kept in memory, and the batches that are drawn from them.
//!
//! In: pictures by path with their labels. Out: tensors (batch, size, size, 3) and labels. A picture of 128x128 takes
//! 192 KiB; what augmentation makes of it is made for the batch and forgotten.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::error::{TrainError, Unreadable};
use super::recipe::{Augmentation, Views};
use super::seed::{Purpose, stream};
use crate::breakhis::{Case, Picture};
use crate::diagnosis::Label;
use crate::pixels::{DecodeLimits, Dihedral, Preprocess, StainJitter, read, report_views, zoom};

/// Pictures that a network takes at once where nothing is learned.
pub(super) const CHUNK: usize = 32;

/// The prepared pictures of one part.
pub struct Samples {
    preprocess: Preprocess,
    pictures: Vec<Vec<f32>>,
    labels: Vec<Label>,
    /// A number for the person that each is of.
    persons: Vec<usize>,
}

/// A picture as an epoch shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Which picture.
    pub(super) index: usize,
    pub(super) symmetry: Dihedral,
    /// How much it is magnified.
    zoom: f32,
    stain: Option<StainJitter>,
}

impl Samples {
    /// Reads, decodes and prepares the pictures that can be read; the others are told with their reasons.
    pub fn load(pictures: &[&Picture], preprocess: &Preprocess) -> (Self, Vec<Unreadable>) {
        let limits = DecodeLimits::default();
        let prepare = |picture: &&Picture| {
            let prepared = read(&picture.path, &limits).and_then(|image| preprocess.pixels(&image));
            prepared.map_err(|source| Unreadable { path: picture.path.clone(), source })
        };
        let prepared: Vec<Result<Vec<f32>, Unreadable>> = pictures.par_iter().map(prepare).collect();
        let mut samples = Self::of(preprocess.clone(), Vec::new(), Vec::new());
        let mut unreadable = Vec::new();
        let cases: BTreeSet<Case> = pictures.iter().map(|picture| picture.name.case()).collect();
        let numbers: BTreeMap<Case, usize> = cases.into_iter().zip(0..).collect();
        for (picture, prepared) in pictures.iter().zip(prepared) {
            match prepared {
                Ok(pixels) => {
                    samples.pictures.push(pixels);
                    samples.labels.push(picture.label());
                    samples.persons.push(numbers[&picture.name.case()]);
                }
                Err(error) => unreadable.push(error),
            }
        }
        (samples, unreadable)
    }

    /// Prepared pictures of `size` times `size` times 3 values, with a label each, each of another person.
    pub(super) fn of(preprocess: Preprocess, pictures: Vec<Vec<f32>>, labels: Vec<Label>) -> Self {
        let persons = (0..pictures.len()).collect();
        Self { preprocess, pictures, labels, persons }
    }

    /// The same pictures, with a number for the person that each is of.
    #[cfg(test)]
    pub(super) fn by_persons(self, persons: Vec<usize>) -> Self {
        Self { persons, ..self }
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// Their labels.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// A number for the person that each is of.
    pub(super) fn persons(&self) -> &[usize] {
        &self.persons
    }

    /// The mean of each channel of each picture, as it was prepared.
    pub(super) fn mean_colours(&self) -> Vec<[f64; 3]> {
        let mean = |picture: &Vec<f32>| {
            let mut sums = [0.0; 3];
            for pixel in picture.chunks_exact(3) {
                sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            sums.map(|sum| sum / (picture.len() / 3) as f64)
        };
        self.pictures.par_iter().map(mean).collect()
    }

    /// What an epoch shows, in the order it shows it.
    pub(super) fn shown(&self, augmentation: &Augmentation, seed: u64, epoch: usize) -> Vec<Sample> {
        let views: &[Dihedral] = match augmentation.views {
            Views::Report => &report_views(),
            Views::Identity | Views::Dihedral => &[Dihedral::Identity],
        };
        let mut shown: Vec<Sample> =
            (0..self.len()).flat_map(|index| views.iter().map(move |&view| Sample::plain(index, view))).collect();
        shown.shuffle(&mut stream(seed, Purpose::Order, epoch));
        let mut random = stream(seed, Purpose::Views, epoch);
        for sample in &mut shown {
            if augmentation.views == Views::Dihedral {
                sample.symmetry = Dihedral::ALL[random.random_range(0..8)];
            }
            if augmentation.zoom > 0.0 {
                let most = (1.0 + augmentation.zoom).ln();
                sample.zoom = random.random_range(-most..=most).exp() as f32;
            }
            if augmentation.stain > 0.0 {
                sample.stain = Some(StainJitter::random(augmentation.stain, &mut random));
            }
        }
        shown
    }

    /// All pictures in their order, unchanged.
    pub(super) fn as_they_are(&self) -> Vec<Sample> {
        (0..self.len()).map(|index| Sample::plain(index, Dihedral::Identity)).collect()
    }

    /// The pictures of a batch as (batch, size, size, 3).
    ///
    /// # Errors
    /// When candle fails.
    pub(super) fn batch(&self, batch: &[Sample]) -> Result<Tensor, TrainError> {
        let size = self.preprocess.size as usize;
        let length = size * size * 3;
        let mut data = vec![0.0; batch.len() * length];
        data.par_chunks_exact_mut(length).zip(batch).for_each(|(target, sample)| self.show(sample, target));
        Ok(Tensor::from_vec(data, (batch.len(), size, size, 3), &Device::Cpu)?)
    }

    fn show(&self, sample: &Sample, target: &mut [f32]) {
        let (size, picture) = (self.preprocess.size as usize, &self.pictures[sample.index]);
        if sample.zoom == 1.0 {
            sample.symmetry.apply(picture, size, target);
        } else {
            let mut zoomed = vec![0.0; picture.len()];
            zoom(picture, size, sample.zoom, &mut zoomed);
            sample.symmetry.apply(&zoomed, size, target);
        }
        if let Some(stain) = &sample.stain {
            stain.apply(target, &self.preprocess);
        }
    }

    /// The labels of a batch.
    pub(super) fn labels_of(&self, batch: &[Sample]) -> Vec<Label> {
        batch.iter().map(|sample| self.labels[sample.index]).collect()
    }
}

impl Sample {
    /// A picture in one of its eight views, not changed otherwise.
    pub(super) fn plain(index: usize, symmetry: Dihedral) -> Self {
        Self { index, symmetry, zoom: 1.0, stain: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Recipe;

    fn samples(count: usize) -> Samples {
        let preprocess = Preprocess { size: 4, ..Preprocess::report() };
        let pictures = (0..count).map(|i| (0..48).map(|j| ((i * 48 + j) % 97) as f32 / 97.0).collect()).collect();
        Samples::of(preprocess, pictures, (0..count).map(|i| Label::ALL[i % 2]).collect())
    }

    fn shown(recipe: &str, changes: &[&str], epoch: usize) -> Vec<Sample> {
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        samples(30).shown(&Recipe::named(recipe, &changes).unwrap().augmentation, 1, epoch)
    }

    #[test]
    fn the_report_s_augmentation_triples_the_samples_and_the_baseline_s_does_not() {
        let mut times = BTreeMap::new();
        for sample in shown("augmented", &[], 0) {
            times.entry(sample.index).or_insert_with(Vec::new).push(sample.symmetry);
        }
        assert_eq!(times.len(), 30);
        assert!(times.values().all(|views| report_views().iter().all(|view| views.contains(view)) && views.len() == 3));
        let plain = shown("baseline", &[], 0);
        assert!(plain.len() == 30 && plain.iter().all(|sample| sample.symmetry == Dihedral::Identity));
    }

    #[test]
    fn epochs_differ_in_order_and_views_and_a_seed_repeats_them() {
        let key = |epoch| -> Vec<(usize, Dihedral)> {
            shown("best", &[], epoch).iter().map(|sample| (sample.index, sample.symmetry)).collect()
        };
        assert_eq!(key(0), key(0));
        assert_ne!(key(0), key(1));
    }

    #[test]
    fn jitter_changes_a_picture_a_little_and_each_time_differently() {
        let samples = samples(30);
        let values = |sample: &Sample| -> Vec<f32> {
            samples.batch(std::slice::from_ref(sample)).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        let change = ["augmentation.views=identity", "augmentation.stain=0.1", "augmentation.zoom=0.2"];
        let shown = shown("best", &change, 0);
        let difference = |sample: &Sample| {
            let plain = values(&Sample::plain(sample.index, Dihedral::Identity));
            values(sample).iter().zip(plain).map(|(a, b)| (a - b).abs()).sum::<f32>() / 48.0
        };
        let mut differences: Vec<f32> = shown.iter().map(difference).collect();
        differences.sort_by(f32::total_cmp);
        differences.dedup();
        assert!(differences.len() == 30 && differences[0] > 0.0 && differences[29] < 0.4, "{differences:?}");
    }
}
