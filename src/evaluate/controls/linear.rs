//! Systems of linear equations with a symmetric, positive definite matrix; all threads share in the work.
//!
//! In and out: matrices as one slice, a row after the other.

use rayon::prelude::*;

/// The matrix of all products of two rows: `result[i, j] = sum over k of a[i, k] * b[j, k]`, where `a` and `b` hold
/// `count` rows each.
pub(crate) fn products(a: &[f64], b: &[f64], count: usize) -> Vec<f64> {
    let length = a.len() / count.max(1);
    let mut result = vec![0.0; count * count];
    result.par_chunks_mut(count.max(1)).enumerate().for_each(|(i, row)| {
        let left = &a[i * length..(i + 1) * length];
        for (value, right) in row.iter_mut().zip(b.chunks_exact(length.max(1))) {
            *value = dot(left, right);
        }
    });
    result
}

/// The sum of products of two rows, in eight sums beside each other, so that the processor's lanes are filled.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// A lower triangular matrix whose product with its transpose is the given one (Cholesky's factor).
pub(crate) struct Factor {
    size: usize,
    lower: Vec<f64>,
}

impl Factor {
    /// Factors a matrix of `size` rows, of which the lower triangle is read.
    pub(crate) fn of(mut matrix: Vec<f64>, size: usize) -> Self {
        for i in 0..size {
            let (above, rest) = matrix.split_at_mut(i * size);
            let row = &mut rest[..size];
            for j in 0..i {
                let other = &above[j * size..j * size + size];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            // Rounding may leave nothing of a pivot that is barely positive.
            row[i] = (row[i] - dot(&row[..i], &row[..i])).max(f64::MIN_POSITIVE).sqrt();
        }
        Self { size, lower: matrix }
    }

    /// The solution for a right-hand side.
    pub(crate) fn solve(&self, mut side: Vec<f64>) -> Vec<f64> {
        let row = |i: usize| &self.lower[i * self.size..(i + 1) * self.size];
        for i in 0..self.size {
            side[i] = (side[i] - dot(&row(i)[..i], &side[..i])) / row(i)[i];
        }
        for i in (0..self.size).rev() {
            side[i] /= row(i)[i];
            let value = side[i];
            side[..i].iter_mut().zip(row(i)).for_each(|(other, factor)| *other -= factor * value);
        }
        side
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_gives_the_right_hand_side_again() {
        let rows: Vec<f64> = (0..12 * 20).map(|i| f64::from(i * 37 % 101) / 100.0).collect();
        let mut matrix = products(&rows, &rows, 12);
        (0..12).for_each(|i| matrix[i * 12 + i] += 1.0);
        let wanted: Vec<f64> = (0..12).map(f64::from).collect();
        let solution = Factor::of(matrix.clone(), 12).solve(wanted.clone());
        for (row, wanted) in matrix.chunks_exact(12).zip(wanted) {
            assert!((dot(row, &solution) - wanted).abs() < 1e-6, "{} {wanted}", dot(row, &solution));
        }
    }
}
