//! The flags of a weights file: the statistics of its training's images, and the thresholds that the fold networks give on
//! the images that they did not see.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::breakhis::{ImageFile, Part};
use crate::diagnosis::Probability;
use crate::evaluate::{FailedImage, FlagFit, HeldOutImage, TrainedImage, altered_copy, fit_novelty};
use crate::model::{
    ClassShares, FlagFigures, FlagShares, FlagThresholds, ModelError, NoveltyFeatures, NoveltyObserver,
    NoveltyStatistics, Prediction, ScoreHistogram, WeightsFile,
};
use crate::pixels::{DecodeLimits, PixelsError, Preprocess, Resampling, RgbImage, read};
use crate::train::run::calibration::{Fold, FoldNetwork, Repeat, network_of};
use crate::train::run::single_run::case_numbers;
use crate::train::samples::CHUNK;
use crate::train::{Progress, TrainError};

/// An image at the network's size, and its altered copy. Both are kept in bytes, at a quarter of the memory.
struct Kept<'a> {
    file: &'a ImageFile,
    plain: RgbImage,
    altered: RgbImage,
}

/// Puts flags into a calibrated file; leaves it without where its network has nothing that novelty is measured from.
pub(super) fn fit(
    file: &mut WeightsFile,
    repeats: &[Repeat],
    images: &[&ImageFile],
    progress: &mut dyn Progress,
) -> Result<(), TrainError> {
    let blocks = NoveltyStatistics::blocks_of(&file.metadata.architecture);
    let preprocess = &file.metadata.preprocess;
    if blocks.is_empty() || preprocess.resampling != Resampling::Antialiased {
        progress.note("no flags: they are for networks of dense blocks whose images are resized antialiased");
        return Ok(());
    }
    let seed = file.metadata.provenance.seed;
    let kept = keep(images, preprocess, seed)?;
    let fitting = Fitting { blocks: &blocks, images: &kept, seed };

    let (temperature, threshold) = (file.metadata.temperature, file.metadata.threshold);
    let mut held_out = Vec::new();
    for (number, repeat) in (1..).zip(repeats) {
        let mut folds = Vec::new();
        for (index, fold) in repeat.folds.iter().enumerate() {
            let place = format!("repeat {number}, fold {} of {}", index + 1, repeat.folds.len());
            let Some(fold) = fitting.fold(fold, temperature, &place, progress)? else {
                progress.warn("no flags: all cases but those of one fold are a single one");
                return Ok(());
            };
            folds.push(fold);
        }
        held_out.push(folds);
    }
    // As the file holds it: that of a training has its convolutions in f16.
    let origin = "the weights";
    let bytes = match network_of(repeats) {
        FoldNetwork::OfCrossValidation => file.bytes()?,
        FoldNetwork::TheFileItself => file.exact_bytes()?,
    };
    let network = NoveltyObserver::new(&WeightsFile::parse(&bytes, origin)?, origin)?;
    let seen = fitting.look(network.as_ref(), |_| true, "all images", progress)?;
    let trained = seen.into_iter().filter_map(|(_, image)| image).collect::<Vec<_>>();
    let statistics = fit_novelty(&blocks, &trained, seed).map_err(TrainError::from)?;
    let Some((statistics, fit)) = statistics.zip(FlagFit::of(&held_out, threshold)) else {
        progress.warn("no flags: there are too few folds or cases");
        return Ok(());
    };
    let cases: BTreeSet<_> = images.iter().map(|image| image.name.case).collect();
    let thresholds = FlagThresholds {
        foreign: fit.limits.foreign,
        stain: fit.limits.stain,
        uncertain: fit.limits.uncertain,
        found: FlagFigures {
            method: method(network_of(repeats)),
            images: images.len(),
            cases: cases.len(),
            folds: repeats.first().map_or(0, |repeat| repeat.folds.len()),
            seeds: repeats.iter().map(|repeat| repeat.seed).collect(),
            shares: fit.shares,
            cross_fitted: fit.cross_fitted,
            scores: Some(scores(&held_out)),
            foreign_and_stain: fit.foreign_and_stain,
            error: fit.error,
        },
    };
    progress.note(&summary(&thresholds.found));
    (file.metadata.flags, file.novelty) = (Some(thresholds), Some(statistics));
    Ok(())
}

/// The probabilities of all images that were held out.
fn scores(held_out: &[Vec<Vec<HeldOutImage>>]) -> ScoreHistogram {
    let mut scores = ScoreHistogram::default();
    held_out.iter().flatten().flatten().for_each(|image| scores.add(image.prediction.probability_malignant));
    scores
}

/// How the thresholds come about, for those who read the file.
fn method(network: FoldNetwork) -> String {
    let unseen = match network {
        FoldNetwork::OfCrossValidation => {
            "the images that the fold networks of a cross-validation by the same settings did not see, all repeats together"
        }
        FoldNetwork::TheFileItself => {
            "images that the network was not trained on, each by the statistics of the other folds' images"
        }
    };
    format!(
        "Foreign: at the first, the second and the last dense block, the logarithm of what of an image's mean channels lies \
         outside of the directions in which those of the training's images and of altered copies of them vary most, \
         standardised by fits that leave a fifth of the cases out; the mean of the three. Stain: the squared Mahalanobis \
         distance of the means, deviations and correlations of the colours in l-alpha-beta, each case weighing the same. \
         Uncertain: the distance of a calibrated margin from that of the threshold. The thresholds are quantiles over \
         {unseen}: 96.5 % of them are not foreign, 95 % not stain, 80 % not uncertain. The statistics are those of all images."
    )
}

/// The shares of the flags in a line.
fn summary(FlagFigures { shares, error, .. }: &FlagFigures) -> String {
    let percent = |share: Probability| format!("{:.1} %", 100.0 * share.get());
    let FlagShares { foreign, stain, uncertain, abstain } = shares;
    let line = |(name, ClassShares { all, benign, malignant }): (&str, &ClassShares)| {
        format!("{name} {} (benign {}, malignant {})", percent(*all), percent(*benign), percent(*malignant))
    };
    let shares = [("foreign", foreign), ("stain", stain), ("uncertain", uncertain), ("abstaining", abstain)].map(line);
    let (before, after) = (100.0 * error.before, 100.0 * error.after);
    format!("flags out of fold: {}; wrong {before:.1} % of all, {after:.1} % of those decided on", shares.join(", "))
}

/// Reads the images and alters a copy of each.
fn keep<'a>(images: &[&'a ImageFile], preprocess: &Preprocess, seed: u64) -> Result<Vec<Kept<'a>>, TrainError> {
    let limits = DecodeLimits::local();
    let keep = |(number, file): (usize, &&'a ImageFile)| {
        let kept = || -> Result<Kept<'a>, PixelsError> {
            let image = read(&file.path, &limits)?.image;
            let altered = altered_copy(&image, preprocess, seed, number as u64)?;
            Ok(Kept { file, plain: preprocess.square(&image)?, altered })
        };
        kept().map_err(|source| FailedImage::new(file, source))
    };
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for kept in images.par_iter().enumerate().map(keep).collect::<Vec<_>>() {
        kept.map_or_else(|image| unreadable.push(image), |image| all.push(image));
    }
    if unreadable.is_empty() { Ok(all) } else { Err(TrainError::Unreadable(unreadable)) }
}

/// What all fits share.
struct Fitting<'a> {
    blocks: &'a [usize],
    images: &'a [Kept<'a>],
    seed: u64,
}

impl Fitting<'_> {
    /// What a fold's network says of the images that it did not see, by statistics of those that it did; none where these
    /// are of one case.
    fn fold(
        &self,
        Fold { weights, split, predictions, network }: &Fold,
        temperature: f64,
        place: &str,
        progress: &mut dyn Progress,
    ) -> Result<Option<Vec<HeldOutImage>>, TrainError> {
        let file = WeightsFile::read(weights)?;
        let is_trained_on = |file: &ImageFile| split.part_of(file.file_name()) == Some(Part::Train);
        let train: Vec<&ImageFile> =
            self.images.iter().map(|kept| kept.file).filter(|image| is_trained_on(image)).collect();
        if *network == FoldNetwork::OfCrossValidation && file.metadata.trained_on != case_numbers(&train) {
            let reason = "was not trained on the cases of its fold's training part, so that it may know the others";
            return Err(TrainError::unusable(weights, reason.to_owned()));
        }
        let network = NoveltyObserver::new(&file, &weights.display().to_string())?;
        let seen = self.look(network.as_ref(), is_trained_on, place, progress)?;
        let mut unseen: BTreeMap<&str, NoveltyFeatures> = BTreeMap::new();
        let mut trained = Vec::new();
        for (kept, (plain, image)) in self.images.iter().zip(seen) {
            match image {
                Some(image) => trained.push(image),
                None => drop(unseen.insert(kept.file.file_name(), plain)),
            }
        }
        let Some(statistics) = fit_novelty(self.blocks, &trained, self.seed)? else { return Ok(None) };
        let images = predictions.subjects.iter().zip(&predictions.network.plain).filter_map(|(subject, margin)| {
            let novelty = Some(statistics.novelty(unseen.get(&*subject.filename)?));
            let prediction = Prediction { novelty, ..Prediction::from_margin(margin / temperature) };
            Some(HeldOutImage { truth: subject.truth, prediction })
        });
        Ok(Some(images.collect()))
    }

    /// What a network sees of each image, and of the altered copies of those that it was trained on.
    fn look(
        &self,
        network: Option<&NoveltyObserver>,
        is_trained_on: impl Fn(&ImageFile) -> bool + Sync,
        place: &str,
        progress: &mut dyn Progress,
    ) -> Result<Vec<(NoveltyFeatures, Option<TrainedImage>)>, TrainError> {
        progress.start(&format!("flags: {place}"), self.images.len(), 0);
        let mut seen = Vec::with_capacity(self.images.len());
        let Some(network) = network else { return Ok(seen) };
        let features = |image: &RgbImage| -> Result<NoveltyFeatures, ModelError> {
            let numbers: Vec<f32> = image.iter().map(|byte| f32::from(*byte) / 255.0).collect();
            network.features(&numbers)
        };
        let look = |kept: &Kept<'_>| {
            let plain = features(&kept.plain)?;
            if !is_trained_on(kept.file) {
                return Ok((plain, None));
            }
            let case = kept.file.name.case.to_string();
            let image = TrainedImage { case, plain: plain.clone(), altered: features(&kept.altered)? };
            Ok((plain, Some(image)))
        };
        for chunk in self.images.chunks(CHUNK) {
            if progress.interrupted() {
                return Err(TrainError::Interrupted(format!("while flags were fitted ({place})")));
            }
            seen.extend(chunk.par_iter().map(look).collect::<Result<Vec<_>, ModelError>>()?);
            progress.advance(chunk.len(), None);
        }
        Ok(seen)
    }
}
