//! The statistics by which novelty is measured, from the images of a training; and the thresholds of the flags, from images
//! of held-out folds.
//!
//! In: what a backbone sees of images and of altered copies of them. Out: [`NoveltyStatistics`], and a [`FlagFit`].

mod altered_copy;
mod colour_fit;
mod flag_fit;
mod principal_space;
mod space_fit;

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

pub use altered_copy::altered_copy;
pub use flag_fit::{FlagFit, HeldOutImage};

use crate::model::{ModelError, NoveltyFeatures, NoveltyStatistics};

/// Groups of cases that the scores of a training's images are standardised by, each by the fit to the others.
const GROUPS: usize = 5;

/// An image of a training, as its network sees it.
#[derive(Clone, Debug)]
pub struct TrainedImage {
    /// The person it comes from.
    pub case: String,
    /// What is seen of the image.
    pub plain: NoveltyFeatures,
    /// What is seen of an altered copy of it, see [`altered_copy`].
    pub altered: NoveltyFeatures,
}

/// Fits to the images of a training what novelty is measured by, at dense blocks of these numbers. None where all images are
/// of one case.
///
/// # Errors
/// When candle fails.
pub fn fit_novelty(
    blocks: &[usize],
    images: &[TrainedImage],
    seed: u64,
) -> Result<Option<NoveltyStatistics>, ModelError> {
    let Some(groups) = groups(images, seed) else { return Ok(None) };
    let blocks = space_fit::fit(blocks, images, &groups)?;
    Ok(Some(NoveltyStatistics { blocks, colours: colour_fit::fit(images) }))
}

/// The group of each image: the cases are dealt in a random order.
fn groups(images: &[TrainedImage], seed: u64) -> Option<Vec<usize>> {
    let mut cases: BTreeMap<&str, usize> = images.iter().map(|image| (&*image.case, 0)).collect();
    let mut order: Vec<&str> = cases.keys().copied().collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    for (place, case) in order.iter().enumerate() {
        cases.insert(case, place % GROUPS);
    }
    (cases.len() > 1).then(|| images.iter().map(|image| cases[&*image.case]).collect())
}
