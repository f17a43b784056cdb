//! The colour space l-alpha-beta: logarithms of the eye's cone responses, decorrelated on natural images.
//!
//! In and out: images as rows of pixels of R, G and B from 0 to 1. Channel l is lightness, alpha yellow against blue, beta
//! red against green. Matrices and formulae are those of Reinhard et al., "Color Transfer between Images" (IEEE CG&A
//! 21(5), 2001).

use super::ColourMoments;
use super::planes::{BLOCK, Planes};
use crate::kernels::Level;
use crate::kernels::logarithm::{exp, ln};

/// Cone responses (long, medium, short) from R, G and B, a response a row.
const LMS_FROM_RGB: [[f64; 3]; 3] = [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]];

/// The smallest response that differs from 0; its logarithm is finite.
pub(crate) const DARKEST: f32 = 1.0 / 255.0;

/// The matrices of the ways there and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LAlphaBeta {
    pub(crate) lms_from_rgb: [[f32; 3]; 3],
    pub(crate) lab_from_lms: [[f32; 3]; 3],
    pub(crate) lms_from_lab: [[f32; 3]; 3],
    pub(crate) rgb_from_lms: [[f32; 3]; 3],
}

impl LAlphaBeta {
    pub(crate) fn new() -> Self {
        let (l, a, b) = (1.0 / 3.0_f64.sqrt(), 1.0 / 6.0_f64.sqrt(), 1.0 / 2.0_f64.sqrt());
        let lab_from_lms = [[l, l, l], [a, a, -2.0 * a], [b, -b, 0.0]];
        Self {
            lms_from_rgb: single(LMS_FROM_RGB),
            lab_from_lms: single(lab_from_lms),
            lms_from_lab: single(inverse(lab_from_lms)),
            rgb_from_lms: single(inverse(LMS_FROM_RGB)),
        }
    }
}

/// An image as the logarithms of its cones' responses. What is linear in l, alpha and beta is linear in them, so a change
/// of colours takes one product a pixel instead of three.
pub(super) struct ConeLogarithms {
    space: LAlphaBeta,
    level: Level,
    /// [`BLOCK`] pixels each; beyond the last pixel stand zeros, which add nothing to sums.
    blocks: Vec<Planes>,
    pixels: usize,
}

impl ConeLogarithms {
    /// Those of an image; what is darker than [`DARKEST`] counts as that.
    pub(super) fn of(image: &[f32]) -> Self {
        Self::at(Level::default(), image)
    }

    fn at(level: Level, image: &[f32]) -> Self {
        let (space, pixels) = (LAlphaBeta::new(), image.as_chunks::<3>().0);
        let mut blocks = Vec::with_capacity(pixels.len().div_ceil(BLOCK));
        level.vectorize(
            #[inline(always)]
            || {
                for block in pixels.chunks(BLOCK) {
                    let mut cones = Planes::of(block).times(&space.lms_from_rgb);
                    cones.each(
                        #[inline(always)]
                        |response| ln(response.max(DARKEST)),
                    );
                    cones.0.iter_mut().for_each(|cone| cone[block.len()..].fill(0.0));
                    blocks.push(cones);
                }
            },
        );
        Self { space, level, blocks, pixels: pixels.len() }
    }

    /// The mean and the covariance of l, alpha and beta; of an image without pixels they are 0.
    pub(super) fn moments(&self) -> ColourMoments {
        let sums = self.level.vectorize(
            #[inline(always)]
            || {
                let mut sums = [[0.0; SUMS]; 9];
                self.blocks.iter().for_each(
                    #[inline(always)]
                    |block| add_products(block, &mut sums),
                );
                sums
            },
        );
        let count = self.pixels.max(1) as f64;
        let [l, m, s, ll, lm, ls, mm, ms, ss] = sums.map(|sums| sums.into_iter().sum::<f64>() / count);
        let (mean, products) = ([l, m, s], [[ll, lm, ls], [lm, mm, ms], [ls, ms, ss]]);
        let covariance = matrix(|row, column| products[row][column] - mean[row] * mean[column]);
        let lab = double(self.space.lab_from_lms);
        let transposed = matrix(|row, column| lab[column][row]);
        ColourMoments { mean: times(&lab, mean), covariance: product(&product(&lab, &covariance), &transposed) }
    }

    /// Writes the image as R, G and B, cut off at 0 and 1, with its colours changed in l-alpha-beta: the colour `from`
    /// becomes `to`, and how far others are from there is multiplied by `change`.
    pub(super) fn write(&self, change: &[[f64; 3]; 3], from: [f64; 3], to: [f64; 3], image: &mut [f32]) {
        let LAlphaBeta { lab_from_lms, lms_from_lab, rgb_from_lms, .. } = &self.space;
        let (there, back) = (double(*lab_from_lms), double(*lms_from_lab));
        let change = single(product(&back, &product(change, &there)));
        let away = times(&back, from).map(|value| -value as f32);
        let to = times(&back, to).map(|value| value as f32);
        let pixels = image.as_chunks_mut::<3>().0;
        self.level.vectorize(
            #[inline(always)]
            || {
                for (cones, block) in self.blocks.iter().zip(pixels.chunks_mut(BLOCK)) {
                    let mut cones = *cones;
                    cones.add(away);
                    let mut cones = cones.times(&change);
                    cones.add(to);
                    cones.each(exp);
                    let mut colours = cones.times(rgb_from_lms);
                    colours.each(
                        #[inline(always)]
                        |value| value.clamp(0.0, 1.0),
                    );
                    colours.write(block);
                }
            },
        );
    }
}

/// How many numbers are added up side by side, so that vectors of any length give the same bits.
const SUMS: usize = 8;

/// Adds a block to the sums of the long, medium and short cones' logarithms and of their products: ll, lm, ls, mm, ms, ss.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "the compiler sees no vectors through iterators here")]
fn add_products(Planes([l, m, s]): &Planes, sums: &mut [[f64; SUMS]; 9]) {
    for group in 0..BLOCK / SUMS {
        for i in 0..SUMS {
            let at = group * SUMS + i;
            let (l, m, s) = (f64::from(l[at]), f64::from(m[at]), f64::from(s[at]));
            sums[0][i] += l;
            sums[1][i] += m;
            sums[2][i] += s;
            sums[3][i] += l * l;
            sums[4][i] += l * m;
            sums[5][i] += l * s;
            sums[6][i] += m * m;
            sums[7][i] += m * s;
            sums[8][i] += s * s;
        }
    }
}

fn single(matrix: [[f64; 3]; 3]) -> [[f32; 3]; 3] {
    matrix.map(|row| row.map(|value| value as f32))
}

fn double(matrix: [[f32; 3]; 3]) -> [[f64; 3]; 3] {
    matrix.map(|row| row.map(f64::from))
}

/// A matrix, a row each, times a column.
fn times(matrix: &[[f64; 3]; 3], column: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|row| (0..3).map(|i| matrix[row][i] * column[i]).sum())
}

pub(super) fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    matrix(|row, column| (0..3).map(|i| a[row][i] * b[i][column]).sum())
}

/// By Cramer's rule; the rows are linearly independent.
pub(super) fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    matrix(|r, c| minor(c, r) / determinant)
}

/// A matrix from its entries by row and column.
pub(super) fn matrix<T>(entry: impl Fn(usize, usize) -> T) -> [[T; 3]; 3] {
    std::array::from_fn(|row| std::array::from_fn(|column| entry(row, column)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    /// Colours of all kinds, and so many that the last block is not full.
    fn image() -> Vec<f32> {
        (0..3 * (2 * BLOCK + 5)).map(|i| (i * 37 % 101) as f32 / 100.0).collect()
    }

    #[test]
    fn the_way_there_and_back_leaves_the_pixels() {
        let image = image();
        let mut again = vec![9.0; image.len()];
        ConeLogarithms::of(&image).write(&UNIT, [0.0; 3], [0.0; 3], &mut again);
        // Darker than the darkest response is nothing that comes back.
        let bright = |pixel: &[f32]| pixel.iter().all(|value| *value > 0.05);
        let pixels = image.chunks(3).zip(again.chunks(3)).filter(|(pixel, _)| bright(pixel));
        assert!(pixels.clone().count() > BLOCK);
        for (pixel, again) in pixels {
            assert!(pixel.iter().zip(again).all(|(a, b)| (a - b).abs() < 2e-6), "{again:?} {pixel:?}");
        }
        let black = ConeLogarithms::of(&[0.0; 3]).moments();
        assert!(black.mean.iter().all(|value| value.is_finite()), "black is finite");
    }

    /// As the standard library computes it, pixel by pixel in f64.
    #[test]
    fn moments_are_those_of_the_definition() {
        let image = image();
        let lab = double(LAlphaBeta::new().lab_from_lms);
        let colour = |pixel: &[f32; 3]| {
            times(&lab, times(&LMS_FROM_RGB, pixel.map(f64::from)).map(|cone| cone.max(f64::from(DARKEST)).ln()))
        };
        let colours: Vec<[f64; 3]> = image.as_chunks().0.iter().map(colour).collect();
        let average = |of: &dyn Fn(&[f64; 3]) -> f64| colours.iter().map(of).sum::<f64>() / colours.len() as f64;
        let moments = ConeLogarithms::of(&image).moments();
        for row in 0..3 {
            let mean = |channel: usize| average(&|colour| colour[channel]);
            assert!((moments.mean[row] - mean(row)).abs() < 1e-6);
            for column in 0..3 {
                let want = average(&|colour| (colour[row] - mean(row)) * (colour[column] - mean(column)));
                assert!((moments.covariance[row][column] - want).abs() < 1e-6, "{row} {column}");
            }
        }
    }

    /// Training and the service may run on different processors.
    #[test]
    fn every_level_gives_the_same_bits() {
        let at = |level: Level| {
            let (image, change) = (image(), [[1.3, 0.2, -0.1], [0.1, 0.9, 0.3], [0.0, -0.2, 1.1]]);
            let logarithms = ConeLogarithms::at(level, &image);
            let (moments, mut changed) = (logarithms.moments(), vec![9.0; image.len()]);
            logarithms.write(&change, moments.mean, [-0.7, 0.05, 0.01], &mut changed);
            (moments, changed.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
        for level in Level::available() {
            assert!(at(level) == at(Level::Portable), "{level}");
        }
    }
}
