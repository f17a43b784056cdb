//! The images of one part, read once and kept in memory, and the batches that are drawn from them.
//!
//! In: images by path with their labels. Out: tensors (batch, size, size, 3) and labels. An image of 128x128 takes
//! 192 KiB, whether it is kept at that size or, where parts of it are shown, at twice the side in bytes; what
//! augmentation makes of it is made for the batch and forgotten.

use candle_core::{Device, Tensor};
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::error::{TrainError, Unreadable};
use super::recipe::{Augmentation, Views};
use super::seed::{Purpose, stream};
use crate::breakhis::Picture;
use crate::diagnosis::Label;
use crate::pixels::{
    ColourStatistics, Crop, DecodeLimits, Dihedral, PixelsError, Preprocess, RgbImage, StainChange, read, report_views,
};

/// Pictures that a network takes at once where nothing is learned.
pub(super) const CHUNK: usize = 32;

/// The images of one part.
pub struct Samples {
    preprocess: Preprocess,
    images: Vec<Kept>,
    /// The colour statistics of each image, where an epoch exchanges them.
    colours: Vec<ColourStatistics>,
    labels: Vec<Label>,
}

/// An image in memory.
enum Kept {
    /// At the network's size, as numbers from 0 to 1.
    Resized(Vec<f32>),
    /// Larger, so that a part of it still has the network's size.
    Larger(RgbImage),
}

/// An image as an epoch shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Which image.
    pub(super) index: usize,
    pub(super) symmetry: Dihedral,
    /// The part that is shown; none for all of it.
    crop: Option<Crop>,
    stain: Option<StainChange>,
    /// The image whose colour statistics it gets.
    colours_of: Option<usize>,
}

impl Samples {
    /// Reads and decodes the images that can be read; the others are named with their reasons.
    pub fn load(
        pictures: &[&Picture],
        preprocess: &Preprocess,
        augmentation: &Augmentation,
    ) -> (Self, Vec<Unreadable>) {
        let limits = DecodeLimits::default();
        let keep = |picture: &&Picture| {
            let kept = read(&picture.path, &limits).and_then(|image| Kept::of(&image, preprocess, augmentation));
            kept.map_err(|source| Unreadable { path: picture.path.clone(), source })
        };
        let kept: Vec<Result<_, Unreadable>> = pictures.par_iter().map(keep).collect();
        let mut samples = Self::of(preprocess.clone(), Vec::new(), Vec::new());
        let mut unreadable = Vec::new();
        for (picture, kept) in pictures.iter().zip(kept) {
            match kept {
                Ok((image, colours)) => {
                    samples.images.push(image);
                    samples.colours.extend(colours);
                    samples.labels.push(picture.label());
                }
                Err(error) => unreadable.push(error),
            }
        }
        (samples, unreadable)
    }

    /// Images of `size` times `size` times 3 numbers from 0 to 1, with a label each.
    pub(super) fn of(preprocess: Preprocess, images: Vec<Vec<f32>>, labels: Vec<Label>) -> Self {
        let colours = images.iter().map(|image| ColourStatistics::of(image)).collect();
        Self { preprocess, images: images.into_iter().map(Kept::Resized).collect(), colours, labels }
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Their labels.
    pub fn labels(&self) -> &[Label] {
        &self.labels
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
                let side = 1.0 - random.random_range(0.0..=augmentation.zoom);
                let mut place = || random.random_range(0.0..=1.0 - side);
                sample.crop = Some(Crop { left: place(), top: place(), side });
            }
            if augmentation.stain > 0.0 {
                sample.stain = Some(StainChange::random(augmentation.stain, &mut random));
            }
            if augmentation.exchange > 0.0 && random.random_bool(augmentation.exchange) {
                sample.colours_of = Some(random.random_range(0..self.len()));
            }
        }
        shown
    }

    /// All pictures in their order, unchanged.
    pub(super) fn as_they_are(&self) -> Vec<Sample> {
        (0..self.len()).map(|index| Sample::plain(index, Dihedral::Identity)).collect()
    }

    /// The images of a batch as (batch, size, size, 3).
    ///
    /// # Errors
    /// When an image cannot be resized, or candle fails.
    pub(super) fn batch(&self, batch: &[Sample]) -> Result<Tensor, TrainError> {
        let size = self.preprocess.size as usize;
        let length = size * size * 3;
        let mut data = vec![0.0; batch.len() * length];
        let show = |(target, sample): (&mut [f32], &Sample)| self.show(sample, target);
        data.par_chunks_exact_mut(length).zip(batch).try_for_each(show)?;
        Ok(Tensor::from_vec(data, (batch.len(), size, size, 3), &Device::Cpu)?)
    }

    fn show(&self, sample: &Sample, target: &mut [f32]) -> Result<(), TrainError> {
        let whole = Crop { left: 0.0, top: 0.0, side: 1.0 };
        let turn = |image: &[f32], target| sample.symmetry.apply(image, self.preprocess.size as usize, target);
        match &self.images[sample.index] {
            Kept::Resized(image) => turn(image, target),
            Kept::Larger(image) => turn(&self.preprocess.cropped(image, sample.crop.unwrap_or(whole))?, target),
        }
        if let Some(stain) = &sample.stain {
            stain.apply(target);
        }
        if let Some(other) = sample.colours_of {
            self.colours[other].transfer(target);
        }
        self.preprocess.finish(target);
        Ok(())
    }

    /// The labels of a batch.
    pub(super) fn labels_of(&self, batch: &[Sample]) -> Vec<Label> {
        batch.iter().map(|sample| self.labels[sample.index]).collect()
    }
}

impl Sample {
    /// An image in one of its eight views, not changed otherwise.
    pub(super) fn plain(index: usize, symmetry: Dihedral) -> Self {
        Self { index, symmetry, crop: None, stain: None, colours_of: None }
    }
}

impl Kept {
    /// An image as a recipe wants it kept, and its colour statistics where they are exchanged.
    fn of(
        image: &RgbImage,
        preprocess: &Preprocess,
        augmentation: &Augmentation,
    ) -> Result<(Self, Option<ColourStatistics>), PixelsError> {
        let exchanged = augmentation.exchange > 0.0;
        let resized = preprocess.resized(image)?;
        let colours = exchanged.then(|| ColourStatistics::of(&resized));
        if augmentation.zoom == 0.0 {
            return Ok((Self::Resized(resized), colours));
        }
        let side = (2 * preprocess.size).min(image.width().max(image.height()));
        let larger = Preprocess { size: side, ..preprocess.clone() };
        Ok((Self::Larger(larger.square(image)?), colours))
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
