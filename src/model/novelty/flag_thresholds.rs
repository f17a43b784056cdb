//! Where flags begin, and what they do on images of held-out folds: what a weights file says of its flags.

use serde::{Deserialize, Serialize};

use crate::diagnosis::{Flag, Flags, Probability, Threshold};
use crate::model::{BeforeAfter, Metadata, Prediction, ScoreHistogram};

/// Where the flags of a network begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlagThresholds {
    /// The flag `foreign` holds above this [`super::Novelty::foreign`].
    pub foreign: f64,
    /// The flag `stain` holds above this [`super::Novelty::stain`].
    pub stain: f64,
    /// The flag `uncertain` holds where a margin is nearer than this to the margin of the decision threshold.
    pub uncertain: f64,
    /// How they were found, and what they do.
    pub found: FlagFigures,
}

/// How the thresholds of flags were found, and what they do on the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlagFigures {
    /// In words.
    pub method: String,
    /// Images that were measured out of fold.
    pub images: usize,
    /// Their cases.
    pub cases: usize,
    /// Folds of each repeat.
    pub folds: usize,
    /// The seeds of the repeats.
    pub seeds: Vec<u64>,
    /// The shares of these images that are flagged, at the threshold of the weights file.
    pub shares: FlagShares,
    /// The same where each fold is flagged at thresholds that the other folds gave: an estimate for other persons.
    pub cross_fitted: FlagShares,
    /// The probabilities of these images, all repeats together; none in a file that was calibrated before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreHistogram>,
    /// The share of the images that are `foreign` and `stain` at once.
    pub foreign_and_stain: Probability,
    /// The share of wrong labels among all images (before), and among those about which a decision is made (after).
    pub error: BeforeAfter,
}

/// The share of the images that each flag holds for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlagShares {
    /// By [`Flag::Foreign`].
    pub foreign: ClassShares,
    /// By [`Flag::Stain`].
    pub stain: ClassShares,
    /// By [`Flag::Uncertain`].
    pub uncertain: ClassShares,
    /// Those about which no decision is made.
    pub abstain: ClassShares,
}

impl FlagShares {
    /// That of one flag.
    pub fn of(&self, flag: Flag) -> ClassShares {
        match flag {
            Flag::Foreign => self.foreign,
            Flag::Stain => self.stain,
            Flag::Uncertain => self.uncertain,
        }
    }
}

/// A share of all images, and of those of each class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassShares {
    /// Of all.
    pub all: Probability,
    /// Of the benign ones.
    pub benign: Probability,
    /// Of the malignant ones.
    pub malignant: Probability,
}

impl FlagThresholds {
    /// Where the flags begin.
    pub fn limits(&self) -> FlagLimits {
        let Self { foreign, stain, uncertain, .. } = *self;
        FlagLimits { foreign, stain, uncertain }
    }

    /// What is wrong with numbers from a file, if anything.
    pub(in crate::model) fn check(&self) -> Result<(), String> {
        let Self { foreign, stain, uncertain, found: FlagFigures { error, .. } } = self;
        let numbers = [*foreign, *stain, *uncertain, error.before, error.after];
        match numbers.iter().all(|number| number.is_finite()) && *uncertain >= 0.0 {
            true => Ok(()),
            false => Err(format!("the thresholds and figures of its flags are {numbers:?}")),
        }
    }
}

impl Metadata {
    /// The flags of a prediction whose decision is made at this threshold; none where the weights file has no statistics
    /// for them, which is another thing than an empty set.
    pub fn flags_of(&self, prediction: &Prediction, threshold: Threshold) -> Option<Flags> {
        self.flags.as_ref()?.limits().flags(prediction, threshold)
    }
}

/// Where flags begin: the three numbers of [`FlagThresholds`] alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlagLimits {
    /// [`FlagThresholds::foreign`].
    pub foreign: f64,
    /// [`FlagThresholds::stain`].
    pub stain: f64,
    /// [`FlagThresholds::uncertain`].
    pub uncertain: f64,
}

impl FlagLimits {
    /// That of one flag.
    pub fn of(&self, flag: Flag) -> f64 {
        match flag {
            Flag::Foreign => self.foreign,
            Flag::Stain => self.stain,
            Flag::Uncertain => self.uncertain,
        }
    }

    /// The flags of a prediction whose decision is made at this threshold; none where its novelty was not measured.
    pub fn flags(&self, prediction: &Prediction, threshold: Threshold) -> Option<Flags> {
        let novelty = prediction.novelty?;
        let holds = |flag: &Flag| match flag {
            Flag::Foreign => novelty.foreign > self.foreign,
            Flag::Stain => novelty.stain > self.stain,
            Flag::Uncertain => (prediction.margin - threshold.margin()).abs() < self.uncertain,
        };
        Some(Flag::ALL.into_iter().filter(holds).collect())
    }
}
