//! Whether there is memory for a training, asked before it begins.
//!
//! In: a recipe and the number of images. Out: an estimate of what the training needs, and what the system can give.

use crate::model::Architecture;
use crate::system::available_memory;
use crate::train::error::TrainError;
use crate::train::fit::step::PART;
use crate::train::recipe::Recipe;

/// Bytes of a number.
const NUMBER: usize = 4;

/// Bytes that a training will need at its peak; measured ones were from .7 to 1 of it.
fn needed(recipe: &Recipe, images: usize) -> usize {
    let size = recipe.preprocess.size as usize;
    let tensors: usize = recipe.architecture.tensors().iter().map(|spec| spec.shape.iter().product::<usize>()).sum();
    // Weights, gradients, two moments, the best epoch's, and what writes them to a file.
    let weights = 9 * tensors;
    // The backbone's own tape keeps each number about once, for the whole batch. candle keeps an operator's input, output
    // and gradients, for the parts of a batch that are in work.
    let numbers = match recipe.architecture {
        Architecture::Baseline(_) => 8 * recipe.batch.min(PART * rayon::current_num_threads()),
        Architecture::Fused(_) => 2 * recipe.batch,
    };
    let batch = recipe.batch * size * size * 3;
    let step = 2 * batch + numbers * recipe.architecture.activations(size);
    NUMBER * (weights + step + images * size * size * 3)
}

/// Refuses a training that cannot fit into memory.
///
/// # Errors
/// When the system tells how much it can give, and that is less than the training needs.
pub fn check_memory(recipe: &Recipe, images: usize) -> Result<(), TrainError> {
    let needed = needed(recipe, images);
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
            let gib = needed(&recipe, 1285) as f64 / f64::from(1 << 30);
            assert!((0.3..4.0).contains(&gib), "{name}: {gib} GiB");
        }
        let huge = Recipe::named("best", &["batch=100000000".to_owned()]).unwrap();
        let refusal = check_memory(&huge, 10).err().map(|error| error.to_string());
        if available_memory().is_some() {
            assert!(refusal.unwrap().contains("--set batch"));
        }
    }
}
