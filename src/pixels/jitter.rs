//! Small random changes of a picture's colours and scale, for training: laboratories stain and scan differently.
//!
//! In and out: square pictures as [`super::Preprocess::pixels`] gives them, rows of pixels of three channels. Stains
//! absorb light, so they add up as optical densities (Ruifrok and Johnston, 2001).

use rand::Rng;

use super::Preprocess;

/// How haematoxylin, eosin and what is left (DAB in the source) absorb red, green and blue: Ruifrok and Johnston's
/// vectors, a stain a row.
const STAINS: [[f64; 3]; 3] = [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]];

/// The darkest shade that is told from black; its density is finite.
const DARKEST: f32 = 1.0 / 255.0;

/// A change of all stains' strengths: `density -> density * scale + shift` for each stain, as one affine map of the
/// densities of red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StainJitter {
    matrix: [[f32; 3]; 3],
    shift: [f32; 3],
}

impl StainJitter {
    /// Each stain's amount is scaled by 1 and at most `strength` more or less, and shifted by at most a fifth of that.
    pub fn random(strength: f64, rng: &mut impl Rng) -> Self {
        let scale: [f64; 3] = std::array::from_fn(|_| 1.0 + strength * rng.random_range(-1.0..=1.0));
        let shift: [f64; 3] = std::array::from_fn(|_| 0.2 * strength * rng.random_range(-1.0..=1.0));
        Self::new(scale, shift)
    }

    fn new(scale: [f64; 3], shift: [f64; 3]) -> Self {
        let stains = STAINS.map(|stain| {
            let length = stain.iter().map(|v| v * v).sum::<f64>().sqrt();
            stain.map(|v| v / length)
        });
        let amounts = inverse(stains);
        // density (a row) * amounts = amount of each stain; those * stains = density.
        let entry = |from: usize, to: usize| (0..3).map(|s| amounts[from][s] * scale[s] * stains[s][to]).sum::<f64>();
        Self {
            matrix: std::array::from_fn(|from| std::array::from_fn(|to| entry(from, to) as f32)),
            shift: std::array::from_fn(|to| (0..3).map(|s| shift[s] * stains[s][to]).sum::<f64>() as f32),
        }
    }

    /// Changes a picture in place; `preprocess` says what its numbers mean.
    pub fn apply(&self, picture: &mut [f32], preprocess: &Preprocess) {
        let Preprocess { mean, std, .. } = preprocess;
        for pixel in picture.as_chunks_mut::<3>().0 {
            let density: [f32; 3] = std::array::from_fn(|c| -(pixel[c] * std[c] + mean[c]).max(DARKEST).ln());
            for (to, value) in pixel.iter_mut().enumerate() {
                let changed = (0..3).map(|from| density[from] * self.matrix[from][to]).sum::<f32>() + self.shift[to];
                *value = ((-changed).exp().min(1.0) - mean[to]) / std[to];
            }
        }
    }
}

/// By Cramer's rule; the stains are linearly independent.
fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    std::array::from_fn(|r| std::array::from_fn(|c| minor(c, r) / determinant))
}

/// Writes `source`, magnified by `factor` around its centre, to `target`: bilinear, mirrored beyond the border.
///
/// # Panics
/// When a slice does not hold `size * size * 3` numbers.
pub fn zoom(source: &[f32], size: usize, factor: f32, target: &mut [f32]) {
    assert_eq!(source.len(), size * size * 3, "a picture of side {size}");
    assert_eq!(target.len(), source.len(), "source and target hold pictures of one size");
    let (source, target) = (source.as_chunks::<3>().0, target.as_chunks_mut::<3>().0);
    let centre = (size as f32 - 1.0) / 2.0;
    // The two pixels that a place lies between, and how far it is from the first.
    let places: Vec<(usize, usize, f32)> = (0..size)
        .map(|x| {
            let place = centre + (x as f32 - centre) / factor;
            let low = place.floor();
            (mirrored(low as isize, size), mirrored(low as isize + 1, size), place - low)
        })
        .collect();
    for (row, &(top, bottom, down)) in target.chunks_exact_mut(size.max(1)).zip(&places) {
        for (pixel, &(left, right, across)) in row.iter_mut().zip(&places) {
            let line = |y: usize, c: usize| {
                let (a, b) = (source[y * size + left][c], source[y * size + right][c]);
                a + (b - a) * across
            };
            *pixel = std::array::from_fn(|c| line(top, c) + (line(bottom, c) - line(top, c)) * down);
        }
    }
}

/// The index that a place beyond the border is a mirror image of; the border itself is not doubled.
fn mirrored(index: isize, size: usize) -> usize {
    let last = size as isize - 1;
    let folded = index.rem_euclid((2 * last).max(1));
    folded.min(2 * last - folded).max(0) as usize
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn picture(preprocess: &Preprocess, colours: &[[f32; 3]]) -> Vec<f32> {
        let Preprocess { mean, std, .. } = preprocess;
        colours.iter().flat_map(|colour| (0..3).map(|c| (colour[c] - mean[c]) / std[c])).collect()
    }

    fn near(got: &[f32], want: &[f32], tolerance: f32) {
        assert_eq!(got.len(), want.len());
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < tolerance), "{got:?} instead of {want:?}");
    }

    #[test]
    fn stains_that_do_not_change_leave_the_picture() {
        for preprocess in [Preprocess::report(), Preprocess::imagenet()] {
            let before = picture(&preprocess, &[[0.8, 0.5, 0.7], [0.01, 0.3, 1.0]]);
            let mut after = before.clone();
            StainJitter::new([1.0; 3], [0.0; 3]).apply(&mut after, &preprocess);
            near(&after, &before, 1e-4);
        }
    }

    /// ```python
    /// import numpy as np
    /// m = np.array([[.65, .70, .29], [.07, .99, .11], [.27, .57, .78]]); m /= np.linalg.norm(m, axis=1, keepdims=True)
    /// hed = -np.log([.8, .5, .7]) @ np.linalg.inv(m)
    /// print(np.exp(-((hed * [1.2, .9, 1.05] + [.01, -.02, .03]) @ m)))
    /// ```
    #[test]
    fn stains_change_as_numpy_changes_them() {
        let preprocess = Preprocess::imagenet();
        let mut after = picture(&preprocess, &[[0.8, 0.5, 0.7]]);
        StainJitter::new([1.2, 0.9, 1.05], [0.01, -0.02, 0.03]).apply(&mut after, &preprocess);
        near(&after, &picture(&preprocess, &[NUMPY]), 1e-4);
    }

    const NUMPY: [f32; 3] = [0.771_932_1, 0.501_208_1, 0.670_990_1];

    #[test]
    fn white_stays_white_but_for_the_shift_and_nothing_leaves_the_scale() {
        let preprocess = Preprocess::report();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..50 {
            let mut after = picture(&preprocess, &[[1.0; 3], [0.0; 3], [0.9, 0.1, 0.5]]);
            StainJitter::random(0.1, &mut rng).apply(&mut after, &preprocess);
            assert!(after.iter().all(|v| (0.0..=1.0).contains(v)), "{after:?}");
            assert!(after[..3].iter().all(|v| *v > 0.95), "{after:?}");
        }
    }

    #[test]
    fn a_zoom_by_one_copies_and_one_by_two_spreads_the_middle() {
        let source: Vec<f32> = (0..5 * 5 * 3).map(|i| (i / 3 % 5) as f32).collect();
        let mut target = vec![0.0; source.len()];
        zoom(&source, 5, 1.0, &mut target);
        assert_eq!(target, source);
        zoom(&source, 5, 2.0, &mut target);
        let row: Vec<f32> = target[..15].iter().step_by(3).copied().collect();
        assert_eq!(row, [1.0, 1.5, 2.0, 2.5, 3.0]);
        zoom(&source, 5, 0.5, &mut target);
        let row: Vec<f32> = target[..15].iter().step_by(3).copied().collect();
        assert_eq!(row, [2.0, 0.0, 2.0, 4.0, 2.0]);
    }

    #[test]
    fn places_beyond_the_border_are_mirror_images() {
        let folded: Vec<usize> = (-4..8).map(|i| mirrored(i, 4)).collect();
        assert_eq!(folded, [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!(mirrored(-3, 1), 0);
    }
}
