//! The colour space l-alpha-beta: logarithms of the eye's cone responses, decorrelated on natural images.
//!
//! In and out: one pixel. Channel l is lightness, alpha yellow against blue, beta red against green. Matrices and
//! formulae are those of Reinhard et al., "Color Transfer between Images" (IEEE CG&A 21(5), 2001).

/// Cone responses (long, medium, short) from R, G and B, a response a row.
const LMS_FROM_RGB: [[f64; 3]; 3] = [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]];

/// The smallest response that differs from 0; its logarithm is finite.
pub(crate) const DARKEST: f32 = 1.0 / 255.0;

/// Converts pixels both ways; the matrices are worked out once.
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
        let single = |m: [[f64; 3]; 3]| m.map(|row| row.map(|value| value as f32));
        Self {
            lms_from_rgb: single(LMS_FROM_RGB),
            lab_from_lms: single(lab_from_lms),
            lms_from_lab: single(inverse(lab_from_lms)),
            rgb_from_lms: single(inverse(LMS_FROM_RGB)),
        }
    }

    /// R, G and B from 0 to 1 as l, alpha and beta.
    #[inline]
    pub(super) fn of(&self, rgb: [f32; 3]) -> [f32; 3] {
        times(&self.lab_from_lms, times(&self.lms_from_rgb, rgb).map(|response| response.max(DARKEST).ln()))
    }

    /// The way back, cut off at 0 and 1.
    #[inline]
    pub(super) fn rgb(&self, lab: [f32; 3]) -> [f32; 3] {
        times(&self.rgb_from_lms, times(&self.lms_from_lab, lab).map(f32::exp)).map(|value| value.clamp(0.0, 1.0))
    }
}

/// A matrix, a row each, times a column. Within a loop over pixels a call takes longer than the product.
#[inline(always)]
pub(super) fn times(matrix: &[[f32; 3]; 3], column: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|row| (0..3).map(|i| matrix[row][i] * column[i]).sum())
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

    #[test]
    fn the_way_there_and_back_leaves_a_pixel() {
        let space = LAlphaBeta::new();
        for rgb in [[0.8, 0.5, 0.7], [0.1, 0.2, 0.9], [1.0, 1.0, 1.0], [0.3, 0.05, 0.2]] {
            let again = space.rgb(space.of(rgb));
            assert!(again.iter().zip(rgb).all(|(a, b)| (a - b).abs() < 1e-4), "{again:?} {rgb:?}");
        }
        assert!(space.of([0.0; 3]).iter().all(|value| value.is_finite()), "black is finite");
    }
}
