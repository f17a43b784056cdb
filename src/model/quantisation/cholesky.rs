//! The Cholesky factor of a symmetric matrix.
//!
//! In: the upper triangle of a positive definite matrix. Out: the upper triangular U with `transpose(U) U` equal to it.

use rayon::prelude::*;

/// Rows that are finished before the rows below them are touched: they stay in a level-2 cache meanwhile.
const PANEL: usize = 32;

/// Overwrites the upper triangle of a matrix, row-major and (size, size), with its factor; what is below the diagonal is
/// neither read nor written. No square of a diagonal element of the factor is below the smallest eigenvalue of the
/// matrix: `least` is a bound of that, which stands in where rounding would bring one lower.
pub(super) fn factorise(matrix: &mut [f64], size: usize, least: f64) {
    for first in (0..size).step_by(PANEL) {
        let end = (first + PANEL).min(size);
        let (above, below) = matrix.split_at_mut(end * size);
        let panel = &mut above[first * size..];
        for row in first..end {
            let (done, rest) = panel.split_at_mut((row - first) * size);
            let current = &mut rest[..size];
            subtract(current, done, size, row);
            let pivot = current[row].max(least).sqrt();
            current[row] = pivot;
            current[row + 1..].iter_mut().for_each(|value| *value /= pivot);
        }
        let panel = &*panel;
        let rows = below.par_chunks_exact_mut(size).enumerate();
        rows.for_each(|(index, current)| subtract(current, panel, size, end + index));
    }
}

/// Takes from row number `row` what finished rows contribute to it: each times its own element in column `row`. Four
/// rows go at once, since a pass over the row costs more than the arithmetic.
fn subtract(current: &mut [f64], finished: &[f64], size: usize, row: usize) {
    let current = &mut current[row..];
    let mut fours = finished.chunks_exact(4 * size);
    for four in &mut fours {
        let [a, b, c, d] = [0, 1, 2, 3].map(|index| &four[index * size + row..(index + 1) * size]);
        let [fa, fb, fc, fd] = [a[0], b[0], c[0], d[0]];
        for ((((value, a), b), c), d) in current.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *value -= fa * a + fb * b + fc * c + fd * d;
        }
    }
    for one in fours.remainder().chunks_exact(size) {
        let one = &one[row..];
        let factor = one[0];
        current.iter_mut().zip(one).for_each(|(value, one)| *value -= factor * one);
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Rows that share a common part, so that the matrix of their products is far from diagonal, and that matrix.
    fn products(size: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let rows = size + 3;
        let a: Vec<f64> = (0..rows * size).map(|_| rng.random_range(-0.5..1.0)).collect();
        let mut matrix = vec![0.0; size * size];
        for row in a.chunks_exact(size) {
            for (i, j) in (0..size).flat_map(|i| (0..size).map(move |j| (i, j))) {
                matrix[i * size + j] += row[i] * row[j];
            }
        }
        matrix
    }

    #[test]
    fn the_factor_times_itself_is_the_matrix() {
        // One panel that is not full, just full ones, and several with a rest.
        for size in [1, 2, 31, 64, 75] {
            let matrix = products(size);
            let mut factor = matrix.clone();
            factorise(&mut factor, size, 0.0);
            for (i, j) in (0..size).flat_map(|i| (i..size).map(move |j| (i, j))) {
                let product: f64 = (0..=i).map(|k| factor[k * size + i] * factor[k * size + j]).sum();
                let wanted = matrix[i * size + j];
                assert!((product - wanted).abs() < 1e-9 * size as f64, "{size} {i} {j}: {product} {wanted}");
            }
            assert!((0..size).all(|i| factor[i * size + i] > 0.0));
        }
    }

    #[test]
    fn what_is_below_the_diagonal_is_not_looked_at() {
        let size = 40;
        let (mut whole, mut half) = (products(size), products(size));
        for (i, j) in (0..size).flat_map(|i| (0..i).map(move |j| (i, j))) {
            half[i * size + j] = f64::NAN;
        }
        factorise(&mut whole, size, 0.0);
        factorise(&mut half, size, 0.0);
        let upper = |matrix: &[f64]| -> Vec<f64> {
            (0..size).flat_map(|i| matrix[i * size + i..(i + 1) * size].to_vec()).collect()
        };
        assert_eq!(upper(&whole), upper(&half));
    }
}
