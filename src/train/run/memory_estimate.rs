//! Whether there is memory for a training, asked before it begins.
//!
//! In: a recipe and the number of images in each part. Out: an estimate of what the training needs, and what the
//! system can give.

use crate::evaluate::{EXCHANGES, RINGS};
use crate::model::{Architecture, Fused};
use crate::system::available_memory;
use crate::train::fit::step::SUBSET;
use crate::train::{Recipe, TrainError};

/// Bytes of a number.
const NUMBER: usize = 4;

/// Bytes of what the controls see of an image, see [`crate::evaluate::ControlFeatures`]: three mean colours, the rings
/// of the spectrum and nine moments as f64, and the mean of each channel of each tap as f32. A recipe's own network has
/// the taps of the tensors that it started from.
fn features(architecture: &Architecture) -> usize {
    let taps = match architecture {
        Architecture::Baseline(_) => 0,
        Architecture::Fused(Fused { stem, growth, blocks, .. }) => {
            // Half of a block's channels go on to the next one.
            let mut channels = *stem;
            let tap = |layers: &usize| {
                let tap = channels + layers * growth;
                channels = tap / 2;
                tap
            };
            blocks.iter().map(tap).skip(1).sum()
        }
    };
    2 * NUMBER * (3 + RINGS + 9) + NUMBER * taps
}

/// Bytes that a training on a train, a validation and a test part of so many images will need at its peak; measured
/// ones were from .7 to 1 of it.
fn needed(recipe: &Recipe, [train, validation, test]: [usize; 3]) -> usize {
    let size = recipe.preprocess.size as usize;
    let tensors: usize = recipe.architecture.tensors().iter().map(|spec| spec.shape.iter().product::<usize>()).sum();
    // Weights, gradients, two moments, the best epoch's, and what writes them to a file.
    let weights = 9 * tensors;
    // The backbone's own tape keeps each number about once, for the whole batch. candle keeps an operator's input,
    // output and gradients, for the subsets of a batch that are in work.
    let numbers = match recipe.architecture {
        Architecture::Baseline(_) => 8 * recipe.batch.min(SUBSET * rayon::current_num_threads()),
        Architecture::Fused(_) => 2 * recipe.batch,
    };
    let batch = recipe.batch * size * size * 3;
    let step = 2 * batch + numbers * recipe.architecture.activations(size);
    let samples = (train + validation) * size * size * 3;
    // The measurement at the end keeps what the controls see until they are fitted: of each image of the train part,
    // and of each measured image and its copies with exchanged colours.
    let seen = train + (validation + test) * (1 + EXCHANGES);
    NUMBER * (weights + step + samples) + seen * features(&recipe.architecture)
}

/// Refuses a training that cannot fit into memory, where the system says how much it can give; `parts` are the images
/// of the train, validation and test parts.
pub(crate) fn check_memory(recipe: &Recipe, parts: [usize; 3]) -> Result<(), TrainError> {
    let needed = needed(recipe, parts);
    match available_memory() {
        Some(available) if available < needed => {
            let mib = |bytes: usize| bytes >> 20;
            Err(TrainError::Memory { needed: mib(needed), available: mib(available), batch: recipe.batch })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_no_machine_holds_is_refused_and_the_recipes_are_not() {
        for name in Recipe::names() {
            let recipe = Recipe::named(name, &[]).unwrap();
            let gib = needed(&recipe, [771, 257, 257]) as f64 / f64::from(1 << 30);
            assert!((0.3..4.0).contains(&gib), "{name}: {gib} GiB");
        }
        let huge = Recipe::named("best", &["batch=100000000"]).unwrap();
        let refusal = check_memory(&huge, [6, 2, 2]).err().map(|error| error.to_string());
        if available_memory().is_some() {
            assert!(refusal.unwrap().contains("--set batch"));
        }
    }

    #[test]
    fn what_the_controls_see_is_counted_for_the_train_part_and_for_each_copy_of_a_measured_image() {
        // DenseNet121 has taps of 512, 1024 and 1024 channels.
        let best = Recipe::named("best", &[]).unwrap();
        assert_eq!(features(&best.architecture), 8 * (3 + 16 + 9) + 4 * 2560);
        let of = |parts| needed(&best, parts);
        // The samples of the test part are not kept, so all that it adds is what the controls see.
        assert_eq!(of([10, 5, 1]) - of([10, 5, 0]), 4 * features(&best.architecture));
        let size = best.preprocess.size as usize;
        assert_eq!(of([11, 5, 0]) - of([10, 5, 0]), features(&best.architecture) + 4 * 3 * size * size);
    }
}
