//! A prediction together with where in the image its margin comes from.

use crate::model::Prediction;
use crate::model::networks::{ContributionMap, Contributions};

/// What a network says of one image, and what each position of each tap adds to it: exact, since the taps reach the
/// head through averages alone and the head is linear for the units that are active on the image.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// As [`super::Classifier::classify`] gives it.
    pub prediction: Prediction,
    /// One a tap, from the finest to the coarsest.
    pub maps: Vec<ContributionMap>,
    /// What the head's biases and norms add to the margin, for the units that are active on this image; no position has
    /// it.
    pub constant: f64,
}

impl Explanation {
    pub(super) fn new(prediction: Prediction, Contributions { maps, constant }: Contributions) -> Self {
        Self { prediction, maps, constant }
    }

    /// The sum of everything: the margin before it is divided by the temperature.
    pub fn margin(&self) -> f64 {
        self.constant + self.maps.iter().flat_map(|map| &map.values).sum::<f64>()
    }
}
