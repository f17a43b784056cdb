//! Gives an image the colour statistics of another one (Reinhard et al., "Color Transfer between Images", 2001).
//!
//! In and out: images as rows of pixels of R, G and B from 0 to 1. Training exchanges colours by this, and evaluation
//! asks by the same what a network says when the colours say nothing.

use super::ColourMoments;
use super::l_alpha_beta::{ConeLogarithms, matrix};

/// The mean and standard deviation of an image in each of l, alpha and beta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourStatistics {
    /// The means.
    pub mean: [f32; 3],
    /// The standard deviations of the population of pixels.
    pub deviation: [f32; 3],
}

/// A channel that varies less than this is flat: stretching it would show nothing but the rounding to 8 bits.
const FLAT: f32 = 1e-3;

impl ColourStatistics {
    /// Those of an image; of one without pixels they are 0.
    pub fn of(image: &[f32]) -> Self {
        Self::from(ColourMoments::of(image))
    }

    /// Shifts and scales each channel of an image until it has these statistics; what leaves the scale from 0 to 1 is
    /// cut off.
    pub fn transfer(&self, image: &mut [f32]) {
        let logarithms = ConeLogarithms::of(image);
        let own = Self::from(logarithms.moments());
        let scale = |channel: usize| f64::from(self.deviation[channel] / own.deviation[channel].max(FLAT));
        let change = matrix(|row, column| if row == column { scale(row) } else { 0.0 });
        logarithms.write(&change, own.mean.map(f64::from), self.mean.map(f64::from), image);
    }
}

impl From<ColourMoments> for ColourStatistics {
    fn from(ColourMoments { mean, covariance }: ColourMoments) -> Self {
        Self {
            mean: mean.map(|value| value as f32),
            deviation: std::array::from_fn(|channel| covariance[channel][channel].max(0.0).sqrt() as f32),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// ```python
    /// import numpy as np
    /// LMS = np.array([[.3811, .5783, .0402], [.1967, .7244, .0782], [.0241, .1288, .8444]])
    /// LAB = np.diag([3**-.5, 6**-.5, 2**-.5]) @ np.array([[1., 1, 1], [1, 1, -2], [1, -1, 0]])
    /// lab = lambda x: np.log(np.maximum(x @ LMS.T, 1 / 255)) @ LAB.T
    /// rgb = lambda l: np.clip(np.exp(l @ np.linalg.inv(LAB).T) @ np.linalg.inv(LMS).T, 0, 1)
    /// i = np.arange(6)
    /// a = np.stack([.9 - .1 * i, .5 + .05 * i, .8 - .02 * i * i], 1)
    /// b = np.stack([.6 + .05 * i, .3 + .02 * i, .5 + .04 * i], 1)
    /// la, lb = lab(a), lab(b)
    /// print(rgb((la - la.mean(0)) / la.std(0) * lb.std(0) + lb.mean(0)))
    /// ```
    const NUMPY: [[f32; 3]; 6] = [
        [0.804_473_9, 0.377_538, 0.659_909_7],
        [0.796_929_5, 0.378_782, 0.657_509_9],
        [0.772_867_2, 0.371_831_4, 0.640_510_3],
        [0.730_917_7, 0.355_814_6, 0.607_564_4],
        [0.667_794_1, 0.328_911_7, 0.555_695_1],
        [0.575_687, 0.287_011_8, 0.478_062],
    ];

    /// The two images of the snippet.
    pub(in crate::pixels) fn images() -> [Vec<f32>; 2] {
        let image = |pixel: fn(f32) -> [f32; 3]| (0..6).flat_map(|i| pixel(i as f32)).collect();
        [
            image(|i| [0.9 - 0.1 * i, 0.5 + 0.05 * i, 0.8 - 0.02 * i * i]),
            image(|i| [0.6 + 0.05 * i, 0.3 + 0.02 * i, 0.5 + 0.04 * i]),
        ]
    }

    pub(in crate::pixels) fn near(got: &[f32], want: &[f32], tolerance: f32) {
        assert_eq!(got.len(), want.len());
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < tolerance), "{got:?} instead of {want:?}");
    }

    #[test]
    fn colours_are_transferred_as_numpy_transfers_them() {
        let [mut image, target] = images();
        ColourStatistics::of(&target).transfer(&mut image);
        near(&image, NUMPY.as_flattened(), 1e-4);
    }

    #[test]
    fn an_image_that_got_the_statistics_of_another_has_them_and_gets_its_own_back() {
        let [image, target] = images();
        let wanted = ColourStatistics::of(&target);
        let mut changed = image.clone();
        wanted.transfer(&mut changed);
        let has = ColourStatistics::of(&changed);
        near(&has.mean, &wanted.mean, 1e-3);
        near(&has.deviation, &wanted.deviation, 1e-3);
        ColourStatistics::of(&image).transfer(&mut changed);
        near(&changed, &image, 1e-3);
    }

    #[test]
    fn flat_and_empty_images_give_numbers() {
        let [_, target] = images();
        for mut image in [vec![0.5; 12], vec![0.0; 12], vec![1.0; 12], Vec::new()] {
            ColourStatistics::of(&target).transfer(&mut image);
            ColourStatistics::of(&image).transfer(&mut image);
            assert!(image.iter().all(|value| (0.0..=1.0).contains(value)), "{image:?}");
        }
    }
}
