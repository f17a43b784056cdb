//! The images of one part, read once and kept in memory, and the batches that are drawn from them.
//!
//! In: images by path with their labels. Out: tensors (batch, size, size, 3) and labels. An image of 128x128 takes
//! 192 KiB, whether it is kept at that size or, where parts of it are shown, at twice the side in bytes; what
//! augmentation makes of it is made for the batch and forgotten.

use candle_core::{Device, Tensor};
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::breakhis::ImageFile;
use crate::diagnosis::Label;
use crate::evaluate::FailedImage;
use crate::pixels::{
    ColourStatistics, Crop, DecodeLimits, Dihedral, PixelsError, Preprocess, RgbImage, StainChange, read, report_views,
};
use crate::train::fit::seed::{Purpose, stream};
use crate::train::{Augmentation, Target, TrainError, Views};

/// Images that a network takes at once where nothing is learned.
pub(crate) const CHUNK: usize = 32;

/// The images of one part.
pub(crate) struct Samples {
    preprocess: Preprocess,
    images: Vec<Kept>,
    /// The colour statistics of each image, where an epoch exchanges them.
    colours: Vec<ColourStatistics>,
    pub(crate) labels: Vec<Label>,
}

/// An image in memory.
enum Kept {
    /// At the network's size, as numbers from 0 to 1.
    Resized(Vec<f32>),
    /// Larger, so that a crop of it still has the network's size.
    Larger(RgbImage),
}

/// An image as an epoch shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) index: usize,
    pub(crate) symmetry: Dihedral,
    /// The crop that is shown; none for the whole image.
    crop: Option<Crop>,
    stain: Option<StainChange>,
    /// The image whose colour statistics it gets.
    colours_of: Option<usize>,
}

impl Samples {
    /// Reads and decodes the images that can be read; the others are named with their reasons.
    pub(crate) fn load(
        images: &[&ImageFile],
        preprocess: &Preprocess,
        augmentation: &Augmentation,
    ) -> (Self, Vec<FailedImage>) {
        let limits = DecodeLimits::local();
        let keep = |image: &&ImageFile| {
            let kept =
                read(&image.path, &limits).and_then(|decoded| Kept::of(&decoded.image, preprocess, augmentation));
            kept.map_err(|source| FailedImage::new(image, source))
        };
        let kept: Vec<Result<_, FailedImage>> = images.par_iter().map(keep).collect();
        let mut samples = Self::of(preprocess.clone(), Vec::new(), Vec::new());
        let mut unreadable = Vec::new();
        for (file, kept) in images.iter().zip(kept) {
            match kept {
                Ok((image, colours)) => {
                    samples.images.push(image);
                    samples.colours.extend(colours);
                    samples.labels.push(file.label());
                }
                Err(error) => unreadable.push(error),
            }
        }
        (samples, unreadable)
    }

    /// Images of `size` times `size` times 3 numbers from 0 to 1, with a label each.
    pub(crate) fn of(preprocess: Preprocess, images: Vec<Vec<f32>>, labels: Vec<Label>) -> Self {
        let colours = images.iter().map(|image| ColourStatistics::of(image)).collect();
        Self { preprocess, images: images.into_iter().map(Kept::Resized).collect(), colours, labels }
    }

    /// What an epoch shows, in the order it shows it.
    pub(crate) fn shown(&self, augmentation: &Augmentation, seed: u64, epoch: usize) -> Vec<Sample> {
        let views: &[Dihedral] = match augmentation.views {
            Views::Report => &report_views(),
            Views::Identity | Views::Dihedral => &[Dihedral::Identity],
        };
        let in_views = |sample: Sample| views.iter().map(move |&symmetry| Sample { symmetry, ..sample });
        let mut shown: Vec<Sample> = self.as_they_are().into_iter().flat_map(in_views).collect();
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
                sample.colours_of = Some(random.random_range(0..self.labels.len()));
            }
        }
        shown
    }

    /// All images in their order, unchanged.
    pub(crate) fn as_they_are(&self) -> Vec<Sample> {
        let plain = |index| Sample { index, symmetry: Dihedral::Identity, crop: None, stain: None, colours_of: None };
        (0..self.labels.len()).map(plain).collect()
    }

    /// The images of a batch as (batch, size, size, 3).
    pub(crate) fn batch(&self, batch: &[Sample]) -> Result<Tensor, TrainError> {
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

    /// The targets of a batch; see [`Target::smoothed`].
    pub(crate) fn targets(&self, batch: &[Sample], smoothing: f64) -> Vec<Target> {
        batch.iter().map(|sample| Target::smoothed(self.labels[sample.index], smoothing)).collect()
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
        if augmentation.zoom == 0.0 {
            let resized = preprocess.resized(image)?;
            let colours = exchanged.then(|| ColourStatistics::of(&resized));
            return Ok((Self::Resized(resized), colours));
        }
        let colours = if exchanged { Some(ColourStatistics::of(&preprocess.resized(image)?)) } else { None };
        let side = (2 * preprocess.size).min(image.width().max(image.height()));
        let larger = Preprocess { size: side, ..preprocess.clone() };
        Ok((Self::Larger(larger.square(image)?), colours))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use image::Rgb;

    use super::*;
    use crate::breakhis::Dataset;
    use crate::train::Recipe;

    fn samples(count: usize) -> Samples {
        let preprocess = Preprocess { size: 4, ..Preprocess::report() };
        let images = (0..count).map(|i| (0..48).map(|j| ((i * 48 + j) % 97) as f32 / 97.0).collect()).collect();
        Samples::of(preprocess, images, (0..count).map(|i| Label::ALL[i % 2]).collect())
    }

    fn shown(recipe: &str, changes: &[&str], epoch: usize) -> Vec<Sample> {
        samples(30).shown(&Recipe::named(recipe, changes).unwrap().augmentation, 1, epoch)
    }

    #[test]
    fn data_sets_that_differ_in_colour_only_have_the_same_targets() {
        let targets = |tones: [f32; 8]| {
            let images = tones.map(|tone| vec![tone; 48]).to_vec();
            let labels = (0..8).map(|i| Label::ALL[i / 4]).collect();
            let samples = Samples::of(Preprocess { size: 4, ..Preprocess::report() }, images, labels);
            samples.targets(&samples.as_they_are(), 0.2).iter().map(|target| target.malignant).collect::<Vec<_>>()
        };
        let dark_is_malignant = [0.9, 0.8, 0.85, 0.3, 0.2, 0.3, 0.25, 0.9];
        assert_eq!(targets(dark_is_malignant), targets(dark_is_malignant.map(|tone| 1.0 - tone)));
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

    /// Six files of 40x30 pixels, no two alike, as a recipe with these changes reads them at 16x16.
    fn drawn(changes: &[&str]) -> (Vec<RgbImage>, Samples, Recipe) {
        let dir = tempfile::tempdir().unwrap();
        let image = |case: u32| {
            RgbImage::from_fn(40, 30, |x, y| {
                let wave = |by: u32| (60 + 17 * case + (x * (by + case) + y * by) % 90) as u8;
                Rgb([wave(3), wave(5), wave(7)])
            })
        };
        let images: Vec<RgbImage> = (0..6).map(image).collect();
        for (case, image) in images.iter().enumerate() {
            let class = if case % 2 == 0 { "B_F" } else { "M_DC" };
            image.save(dir.path().join(format!("SOB_{class}-14-{}-100-001.png", case + 10))).unwrap();
        }
        let dataset = Dataset::open(dir.path()).unwrap();
        let mut files: Vec<&ImageFile> = dataset.images().iter().collect();
        files.sort_by_key(|file| file.name.case);
        let none =
            ["augmentation.views=identity", "augmentation.stain=0", "augmentation.zoom=0", "augmentation.exchange=0"];
        let recipe = Recipe::named("best", &[&none, changes].concat()).unwrap();
        let preprocess = Preprocess { size: 16, ..recipe.preprocess.clone() };
        let (samples, unreadable) = Samples::load(&files, &preprocess, &recipe.augmentation);
        assert!(unreadable.is_empty(), "{unreadable:?}");
        (images, samples, recipe)
    }

    /// What an epoch shows of each image, in the order of the images.
    fn epoch(samples: &Samples, recipe: &Recipe, seed: u64, epoch: usize) -> Vec<Vec<f32>> {
        let mut shown = samples.shown(&recipe.augmentation, seed, epoch);
        shown.sort_by_key(|sample| sample.index);
        let batch = samples.batch(&shown).unwrap();
        (0..samples.labels.len()).map(|i| batch.get(i).unwrap().flatten_all().unwrap().to_vec1().unwrap()).collect()
    }

    #[test]
    fn each_change_shows_in_the_image_is_repeated_by_a_seed_and_differs_by_epoch() {
        let (_, samples, recipe) = drawn(&[]);
        let plain = epoch(&samples, &recipe, 1, 0);
        for change in ["zoom=0.5", "stain=0.2", "exchange=1"] {
            let (_, samples, recipe) = drawn(&[&format!("augmentation.{change}")]);
            let shown = epoch(&samples, &recipe, 1, 0);
            let changed = shown.iter().zip(&plain).filter(|(shown, plain)| shown != plain).count();
            // An image may draw itself as the one whose colours it gets, but not all of them do.
            assert!(changed >= 3, "{change}: {changed} of {} changed", shown.len());
            assert!(shown.iter().flatten().all(|value| value.is_finite()), "{change}");
            assert!(shown == epoch(&samples, &recipe, 1, 0), "{change}: a seed repeats it");
            assert!(shown != epoch(&samples, &recipe, 1, 1), "{change}: another epoch shows something else");
            assert!(shown != epoch(&samples, &recipe, 2, 0), "{change}: so does another seed");
        }
    }

    #[test]
    fn without_changes_a_batch_is_what_a_network_sees_later() {
        let (images, samples, recipe) = drawn(&[]);
        let preprocess = Preprocess { size: 16, ..recipe.preprocess.clone() };
        let wanted: Vec<Vec<f32>> = images.iter().map(|image| preprocess.pixels(image).unwrap()).collect();
        assert!(epoch(&samples, &recipe, 1, 0) == wanted);
        let all = samples.batch(&samples.as_they_are()).unwrap();
        assert!(all.flatten_all().unwrap().to_vec1::<f32>().unwrap() == wanted.concat());
    }

    #[test]
    fn the_share_of_images_that_exchange_colours_is_the_recipe_s() {
        let exchanged = |changes: &[&str]| {
            let all: Vec<Sample> = (0..40).flat_map(|epoch| shown("best", changes, epoch)).collect();
            all.iter().filter(|sample| sample.colours_of.is_some()).count() as f64 / all.len() as f64
        };
        assert!((exchanged(&["augmentation.exchange=0.4"]) - 0.4).abs() < 0.05);
        assert_eq!(exchanged(&["augmentation.exchange=0"]), 0.0);
        assert_eq!(exchanged(&["augmentation.exchange=1"]), 1.0);
    }
}
