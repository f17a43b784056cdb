//! The target of each image of the train part: its label, and how surely.
//!
//! In: the part and a recipe. Out: a [`Target`] for each image. It comes from the label alone, never from the image, so
//! that nothing in it depends on colour.

use crate::diagnosis::Label;
use crate::train::data::samples::{Sample, Samples};
use crate::train::recipe::Recipe;

/// What a network should say of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// What it should call it.
    pub label: Label,
    /// How probable it should call it that the tumour is malignant.
    pub malignant: f32,
}

impl Target {
    /// A label, for sure.
    pub fn of(label: Label) -> Self {
        Self { label, malignant: label.index() as f32 }
    }
}

/// The train part with its targets.
pub(crate) struct Targets<'a> {
    pub(crate) samples: &'a Samples,
    /// In the order of the images.
    targets: Vec<Target>,
}

impl<'a> Targets<'a> {
    pub(crate) fn new(samples: &'a Samples, recipe: &Recipe) -> Self {
        let labels = samples.labels();
        let mut targets: Vec<Target> = labels.iter().copied().map(Target::of).collect();
        for target in &mut targets {
            target.malignant += (0.5 - target.malignant) * recipe.label_smoothing as f32;
        }
        Self { samples, targets }
    }

    /// The targets of a batch.
    pub(crate) fn of(&self, batch: &[Sample]) -> Vec<Target> {
        batch.iter().map(|sample| self.targets[sample.index]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Preprocess;

    /// The targets of eight images in these tones, the last four malignant.
    fn targets(tones: [f32; 8], smoothing: &str) -> Vec<f32> {
        let recipe = Recipe::named("best", &[format!("label_smoothing={smoothing}")]).unwrap();
        let images = tones.map(|tone| vec![tone; 4 * 4 * 3]).to_vec();
        let labels = (0..8).map(|i| Label::ALL[i / 4]).collect();
        let samples = Samples::of(Preprocess { size: 4, ..Preprocess::report() }, images, labels);
        let all = samples.as_they_are();
        Targets::new(&samples, &recipe).of(&all).iter().map(|target| target.malignant).collect()
    }

    const DARK_IS_MALIGNANT: [f32; 8] = [0.9, 0.8, 0.85, 0.3, 0.2, 0.3, 0.25, 0.9];

    #[test]
    fn a_target_is_the_label_and_smoothing_keeps_it_from_being_sure() {
        assert_eq!(targets(DARK_IS_MALIGNANT, "0.0"), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        let smoothed = targets(DARK_IS_MALIGNANT, "0.1");
        assert!((smoothed[0] - 0.05).abs() < 1e-6 && (smoothed[7] - 0.95).abs() < 1e-6, "{smoothed:?}");
    }

    #[test]
    fn data_sets_that_differ_in_colour_only_have_the_same_targets() {
        let other_colours = DARK_IS_MALIGNANT.map(|tone| 1.0 - tone);
        assert_eq!(targets(DARK_IS_MALIGNANT, "0.2"), targets(other_colours, "0.2"));
    }
}
