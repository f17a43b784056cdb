//! How far a network's answers in whole numbers are from its own in floating-point ones, and how far they may be.

use serde::{Deserialize, Serialize};

/// How the whole numbers of a weights file were fitted, and what the gate found: their answers on images beside those of
/// floating-point, of the same file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantisation {
    /// Images that the whole numbers were fitted to.
    pub fitted_to: usize,
    /// Images that both were asked about.
    pub images: usize,
    /// The largest distance of two probabilities.
    pub largest: f64,
    /// That which one in a hundred exceeds.
    pub percentile_99: f64,
    /// Images with other flags or another decision, at the threshold or at any operating point.
    pub changed: usize,
    /// Of these, those whose floating-point numbers are not near the threshold that they passed.
    pub changed_far: usize,
    /// The largest distance of a heatmap's sum from its margin.
    pub heatmap_error: f64,
}

impl Quantisation {
    /// What [`Self::images`] must be: of fewer, a 99th percentile says nothing.
    pub const LEAST_IMAGES: usize = 100;
    /// What [`Self::largest`] may be.
    pub const LARGEST: f64 = 0.03;
    /// What [`Self::percentile_99`] may be.
    pub const PERCENTILE_99: f64 = 0.01;
    /// What [`Self::heatmap_error`] may be.
    pub const HEATMAP_ERROR: f64 = 1e-3;

    /// Whether the whole numbers may answer where nobody asks for them.
    pub fn passed(&self) -> bool {
        self.images >= Self::LEAST_IMAGES
            && self.largest <= Self::LARGEST
            && self.percentile_99 <= Self::PERCENTILE_99
            && self.changed_far == 0
            && self.heatmap_error <= Self::HEATMAP_ERROR
    }

    /// Whether these are figures that a gate can have found.
    pub(in crate::model) fn check(&self) -> Result<(), String> {
        let distances = [self.largest, self.percentile_99, self.heatmap_error];
        let sound = distances.iter().all(|distance| distance.is_finite() && *distance >= 0.0)
            && self.percentile_99 <= self.largest
            && self.largest <= 1.0
            && self.changed_far <= self.changed
            && self.changed <= self.images;
        if sound { Ok(()) } else { Err(format!("the figures of its whole numbers are impossible: {self:?}")) }
    }
}
