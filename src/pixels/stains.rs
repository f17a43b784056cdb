//! Haematoxylin and eosin, separated by how they absorb light, and changed one by one.
//!
//! In and out: images as rows of pixels of R, G and B from 0 to 1. Stains absorb light, so they add up as optical
//! densities (Ruifrok and Johnston, "Quantification of histochemical staining by color deconvolution", 2001).
//! Laboratories stain and scan differently: training jitters the stains, and evaluation shifts them.

use rand::Rng;

use super::l_alpha_beta::{inverse, matrix};
use super::planes::{BLOCK, Planes};
use crate::kernels::Level;
use crate::kernels::logarithm::{exp, ln};

/// How haematoxylin, eosin and what is left (DAB in the source) absorb red, green and blue: Ruifrok and Johnston's
/// vectors, a stain a row.
const STAINS: [[f64; 3]; 3] = [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]];

/// The darkest shade that differs from black; its density is finite.
const DARKEST: f32 = 1.0 / 255.0;

/// The rows of [`STAINS`], each of length 1.
fn unit_stains() -> [[f64; 3]; 3] {
    STAINS.map(|stain| {
        let length = stain.iter().map(|v| v * v).sum::<f64>().sqrt();
        stain.map(|v| v / length)
    })
}

/// The amounts of haematoxylin, eosin and what is left in a pixel of R, G and B, in natural optical density.
pub fn stain_amounts(rgb: [f32; 3]) -> [f32; 3] {
    let amounts = inverse(unit_stains());
    let density = rgb.map(|value| f64::from(-ln(value.max(DARKEST))));
    std::array::from_fn(|stain| (0..3).map(|c| density[c] * amounts[c][stain]).sum::<f64>() as f32)
}

/// A change of all stains' strengths: `amount -> amount * scale + shift` for each stain, as one affine map of the
/// densities of red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StainChange {
    /// Times the densities as a column.
    matrix: [[f32; 3]; 3],
    shift: [f32; 3],
}

impl StainChange {
    /// Haematoxylin, eosin and what is left, each scaled and then shifted.
    pub fn new(scale: [f64; 3], shift: [f64; 3]) -> Self {
        let stains = unit_stains();
        let amounts = inverse(stains);
        // density (a row) * amounts = amount of each stain; those * stains = density.
        let entry = |from: usize, to: usize| (0..3).map(|s| amounts[from][s] * scale[s] * stains[s][to]).sum::<f64>();
        Self {
            matrix: matrix(|to, from| entry(from, to) as f32),
            shift: std::array::from_fn(|to| (0..3).map(|s| shift[s] * stains[s][to]).sum::<f64>() as f32),
        }
    }

    /// Each stain's amount is scaled by 1 and at most `strength` more or less, and shifted by at most a fifth of that.
    pub fn random(strength: f64, rng: &mut impl Rng) -> Self {
        let scale: [f64; 3] = std::array::from_fn(|_| 1.0 + strength * rng.random_range(-1.0..=1.0));
        let shift: [f64; 3] = std::array::from_fn(|_| 0.2 * strength * rng.random_range(-1.0..=1.0));
        Self::new(scale, shift)
    }

    /// Changes an image in place.
    pub fn apply(&self, image: &mut [f32]) {
        let pixels = image.as_chunks_mut::<3>().0;
        Level::default().vectorize(
            #[inline(always)]
            || {
                for block in pixels.chunks_mut(BLOCK) {
                    let mut densities = Planes::of(block);
                    densities.each(
                        #[inline(always)]
                        |value| -ln(value.max(DARKEST)),
                    );
                    let mut densities = densities.times(&self.matrix);
                    densities.add(self.shift);
                    densities.each(
                        #[inline(always)]
                        |density| exp(-density).min(1.0),
                    );
                    densities.write(block);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::colour_transfer::tests::near;
    use super::*;

    const PIXELS: [f32; 9] = [0.8, 0.5, 0.7, 0.35, 0.25, 0.55, 0.75, 0.4, 0.6];

    #[test]
    fn stains_that_do_not_change_leave_the_image() {
        let mut after = PIXELS;
        StainChange::new([1.0; 3], [0.0; 3]).apply(&mut after);
        near(&after, &PIXELS, 1e-5);
    }

    /// ```python
    /// import numpy as np
    /// m = np.array([[.65, .70, .29], [.07, .99, .11], [.27, .57, .78]]); m /= np.linalg.norm(m, axis=1, keepdims=True)
    /// hed = -np.log([.8, .5, .7]) @ np.linalg.inv(m)
    /// print(np.exp(-((hed * [1.2, .9, 1.05] + [.01, -.02, .03]) @ m)))
    /// ```
    #[test]
    fn stains_change_as_numpy_changes_them() {
        let mut after = [0.8, 0.5, 0.7];
        StainChange::new([1.2, 0.9, 1.05], [0.01, -0.02, 0.03]).apply(&mut after);
        near(&after, &[0.771_932_1, 0.501_208_1, 0.670_990_1], 1e-5);
    }

    /// ```python
    /// import numpy as np; from skimage.color import rgb2hed, hed2rgb
    /// h = rgb2hed(np.array([[[.8, .5, .7], [.35, .25, .55], [.75, .4, .6]]]))
    /// print(hed2rgb(h * [1.25, .8, 1]))
    /// # scikit-image divides by ln(1e-6) and does not bring the stains to length 1
    /// print(h * -np.log(1e-6) * np.linalg.norm([[.65, .70, .29], [.07, .99, .11], [.27, .57, .78]], axis=1))
    /// ```
    #[test]
    fn stains_are_separated_and_changed_as_by_scikit_image() {
        let mut after = PIXELS;
        StainChange::new([1.25, 0.8, 1.0], [0.0; 3]).apply(&mut after);
        let changed = [
            [0.783_906, 0.525_38, 0.697_960_5],
            [0.274_258_2, 0.200_445_3, 0.495_075],
            [0.734_448_7, 0.428_878_7, 0.599_159_8],
        ];
        near(&after, changed.as_flattened(), 1e-5);
        let amounts = [
            [0.158_420_5, 0.389_760_1, 0.344_291_6],
            [1.517_750_6, 0.227_646_8, 0.169_576_6],
            [0.172_108, 0.503_712, 0.521_275_7],
        ];
        for (pixel, amounts) in PIXELS.as_chunks::<3>().0.iter().zip(amounts) {
            near(&stain_amounts(*pixel), &amounts, 1e-5);
        }
    }

    #[test]
    fn white_stays_white_but_for_the_shift_and_nothing_leaves_the_scale() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..50 {
            let mut after = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.9, 0.1, 0.5];
            StainChange::random(0.1, &mut rng).apply(&mut after);
            assert!(after.iter().all(|v| (0.0..=1.0).contains(v)), "{after:?}");
            assert!(after[..3].iter().all(|v| *v > 0.95), "{after:?}");
        }
    }
}
