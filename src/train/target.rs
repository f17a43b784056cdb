//! What each picture of the training part is taught as: its label, and how surely.
//!
//! In: the part and a recipe. Out: a [`Target`] for each picture. Where the recipe distils, a teacher that sees nothing
//! but the mean colour says how malignant each picture looks, and that is a share of the target. The strength of the
//! stain is most of what can be learned from few persons, and a network that is taught it need not learn it by heart.

use super::colour::teacher;
use super::recipe::Recipe;
use super::samples::{Sample, Samples};
use crate::diagnosis::Label;

/// What a network should say of a picture.
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

    /// What is taught of a mixture of two pictures: the label of the larger share.
    pub(super) fn mixed(self, other: Self, share: f32) -> Self {
        let larger = if share >= 0.5 { self } else { other };
        Self { malignant: share * self.malignant + (1.0 - share) * other.malignant, ..larger }
    }
}

/// The training part with its targets.
pub(super) struct Taught<'a> {
    pub(super) samples: &'a Samples,
    /// In the order of the pictures.
    targets: Vec<Target>,
}

impl<'a> Taught<'a> {
    pub(super) fn new(samples: &'a Samples, recipe: &Recipe, seed: u64) -> Self {
        let labels = samples.labels();
        let mut targets: Vec<Target> = labels.iter().copied().map(Target::of).collect();
        if let Some(distillation) = &recipe.distillation {
            for (target, taught) in targets.iter_mut().zip(teacher(samples, seed)) {
                target.malignant += (taught - target.malignant) * distillation.colour as f32;
            }
        }
        for target in &mut targets {
            target.malignant += (0.5 - target.malignant) * recipe.label_smoothing as f32;
        }
        Self { samples, targets }
    }

    /// The targets of a batch.
    pub(super) fn of(&self, batch: &[Sample]) -> Vec<Target> {
        batch.iter().map(|sample| self.targets[sample.index]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Preprocess;

    /// Malignant pictures are darker, but for the last of each label.
    fn targets(changes: &[&str]) -> Vec<f32> {
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let recipe = Recipe::named("best", &changes).unwrap();
        let tones = [0.9, 0.8, 0.85, 0.3, 0.2, 0.3, 0.25, 0.9];
        let pictures = tones.map(|tone| vec![tone; 4 * 4 * 3]).to_vec();
        let labels = (0..8).map(|i| Label::ALL[i / 4]).collect();
        let samples = Samples::of(Preprocess { size: 4, ..Preprocess::report() }, pictures, labels);
        let all = samples.as_they_are();
        Taught::new(&samples, &recipe, 1).of(&all).iter().map(|target| target.malignant).collect()
    }

    #[test]
    fn a_target_is_the_label_where_nothing_is_distilled_and_smoothing_keeps_it_from_being_sure() {
        assert_eq!(targets(&["distillation.colour=0"]), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        let smoothed = targets(&["distillation.colour=0", "label_smoothing=0.1"]);
        assert!((smoothed[0] - 0.05).abs() < 1e-6 && (smoothed[7] - 0.95).abs() < 1e-6, "{smoothed:?}");
    }

    #[test]
    fn the_teacher_lowers_what_is_taught_of_a_pale_malignant_picture() {
        let half = targets(&["distillation.colour=0.5"]);
        assert!(half[7] < half[4] && half[3] > half[0] && half[7] > 0.5 && half[3] < 0.5, "{half:?}");
        let whole = targets(&["distillation.colour=1"]);
        assert!(whole[7] < 0.5 && whole[3] > 0.5, "{whole:?}");
    }
}
