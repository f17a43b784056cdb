//! The decorrelation stretch: an image's colours get a fixed spread in every direction, and keep their mean.
//!
//! In and out: an image as rows of pixels of R, G and B from 0 to 1. In l-alpha-beta the covariance of the pixels is
//! replaced by a fixed diagonal one, with the least change of colours (Gillespie, Kahle and Walker, "Color enhancement
//! of highly correlated images", Remote Sensing of Environment 20, 1986; known as ZCA whitening elsewhere). How
//! strongly a slide's colours vary, and how alike its two stains are, cannot be seen any more; where in the image there
//! is more of one than of the other, can be seen better. How dark and how pink it is on the whole stays.

use serde::{Deserialize, Serialize};

use super::l_alpha_beta::{ConeLogarithms, matrix, product};
use super::{ColourMoments, PixelsError};

/// The numbers of a decorrelation stretch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecorrelationStretch {
    /// The standard deviation of l, alpha and beta afterwards.
    pub deviation: [f32; 3],
    /// Added to the variance in every direction before, so that noise is not stretched.
    pub noise: f32,
}

impl DecorrelationStretch {
    /// Checks numbers that come from a file.
    ///
    /// # Errors
    /// When one is not a finite number above 0.
    pub(super) fn check(&self) -> Result<(), PixelsError> {
        let numbers = [self.deviation[0], self.deviation[1], self.deviation[2], self.noise];
        if numbers.iter().all(|number| number.is_finite() && *number > 0.0) {
            return Ok(());
        }
        Err(PixelsError::Preprocess(format!("{self:?} must have finite numbers above 0")))
    }

    /// Stretches an image in place; what leaves the scale from 0 to 1 is cut off. Says what its colours were before.
    pub fn apply(&self, image: &mut [f32]) -> ColourMoments {
        let logarithms = ConeLogarithms::of(image);
        let before = logarithms.moments();
        let ColourMoments { mean, covariance } = before;
        let noise = |row, column| if row == column { f64::from(self.noise) } else { 0.0 };
        let whitening = inverse_root(matrix(|row, column| covariance[row][column] + noise(row, column)));
        let stretch = matrix(|row, column| whitening[row][column] * f64::from(self.deviation[row]));
        logarithms.write(&stretch, mean, mean, image);
        before
    }
}

/// Steps of the iteration below. Each multiplies what is small by 1.5 and doubles the digits of what is not: enough for
/// eigenvalues that differ by a factor of 10^8.
pub(crate) const ROOT_STEPS: usize = 40;

/// The inverse of the symmetric square root of a positive definite matrix, by the coupled Newton-Schulz iteration
/// (Higham, "Functions of Matrices", 2008, section 6.7): it needs no eigenvectors, whose signs are arbitrary.
fn inverse_root(of: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let trace: f64 = (0..3).map(|i| of[i][i]).sum();
    let mut root = of.map(|row| row.map(|value| value / trace));
    let mut inverse = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..ROOT_STEPS {
        let together = product(&inverse, &root);
        let step = matrix(|row, column| (if row == column { 1.5 } else { 0.0 }) - 0.5 * together[row][column]);
        (root, inverse) = (product(&root, &step), product(&step, &inverse));
    }
    inverse.map(|row| row.map(|value| value / trace.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::super::colour_transfer::ColourStatistics;
    use super::super::colour_transfer::tests::{images, near};
    use super::*;

    const STRETCH: DecorrelationStretch = DecorrelationStretch { deviation: [0.12, 0.03, 0.02], noise: 1e-4 };

    /// ```python
    /// # after the snippet of colour_transfer.rs
    /// w, v = np.linalg.eigh(np.cov(la.T, bias=True) + 1e-4 * np.eye(3)); W = v @ np.diag(w ** -.5) @ v.T
    /// print(rgb((la - la.mean(0)) @ W.T * [.12, .03, .02] + la.mean(0)))
    /// ```
    const NUMPY: [[f32; 3]; 6] = [
        [0.757_982_9, 0.575_793, 0.618_486_1],
        [0.691_161_6, 0.636_137, 0.629_592_3],
        [0.631_571_9, 0.668_946_3, 0.625_177_9],
        [0.589_538_9, 0.671_217_4, 0.605_193_8],
        [0.579_263_7, 0.641_744_9, 0.569_742_5],
        [0.629_671_2, 0.578_921_6, 0.518_210_1],
    ];

    #[test]
    fn colours_are_stretched_as_numpy_stretches_them() {
        let [mut image, _] = images();
        STRETCH.apply(&mut image);
        near(&image, NUMPY.as_flattened(), 1e-4);
    }

    #[test]
    fn the_mean_stays_and_the_spread_is_the_asked_one_whatever_it_was() {
        for image in images() {
            let mut stretched = image.clone();
            STRETCH.apply(&mut stretched);
            near(&ColourStatistics::of(&stretched).mean, &ColourStatistics::of(&image).mean, 1e-3);
        }
        // A hundred shades in all directions, so that the noise is little beside them.
        let mut image: Vec<f32> = (0..300).map(|i| 0.3 + 0.5 * ((i * 37 % 101) as f32 / 100.0)).collect();
        STRETCH.apply(&mut image);
        near(&ColourStatistics::of(&image).deviation, &STRETCH.deviation, 2e-3);
    }

    #[test]
    fn flat_and_empty_images_stay() {
        for image in [vec![0.5; 12], vec![0.1; 12], Vec::new()] {
            let mut stretched = image.clone();
            STRETCH.apply(&mut stretched);
            near(&stretched, &image, 1e-3);
        }
    }

    #[test]
    fn numbers_that_stretch_nothing_are_refused() {
        assert!(STRETCH.check().is_ok());
        assert!(DecorrelationStretch { noise: 0.0, ..STRETCH }.check().is_err());
        assert!(DecorrelationStretch { deviation: [0.1, f32::NAN, 0.1], ..STRETCH }.check().is_err());
    }
}
