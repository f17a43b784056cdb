//! The directions in which points vary most: the leading eigenvectors of a matrix of second moments.
//!
//! In: points as rows. Out: a [`PrincipalSpace`].

use candle_core::{Device, Result, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Orthonormal directions, and how much of the points' squared length lies along them.
pub(super) struct PrincipalSpace {
    /// (directions, dimensions), row by row. A row of zeros where the points have no more directions.
    pub(super) directions: Vec<f64>,
    /// The sum of the squared lengths of the points.
    pub(super) total: f64,
    /// The share of it that lies outside of the directions, as a sum of squares; 0 or more.
    pub(super) outside: f64,
}

/// Steps after which it ends in any case.
const MOST_STEPS: usize = 200;

/// It ends where a step adds less than this share of all to what lies along the directions.
const STILL: f64 = 1e-7;

/// By subspace iteration: what directions with equal shares stay mixed with each other, which changes nothing, since only
/// the space that they span is used.
///
/// # Errors
/// When candle fails.
pub(super) fn principal_space(points: Vec<f64>, dimensions: usize, directions: usize) -> Result<PrincipalSpace> {
    let count = points.len() / dimensions.max(1);
    let points = Tensor::from_vec(points, (count, dimensions), &Device::Cpu)?;
    let moments = points.t()?.matmul(&points)?;
    let diagonal = |matrix: &[f64], columns: usize| matrix.iter().step_by(columns + 1).sum::<f64>();
    let total = diagonal(&moments.flatten_all()?.to_vec1()?, dimensions);
    // Any start will do that no eigenvector is orthogonal to.
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut rows: Vec<f64> = (0..directions * dimensions).map(|_| rng.random_range(-1.0..1.0)).collect();
    orthonormalise(&mut rows, dimensions);
    let mut along = 0.0;
    for _ in 0..MOST_STEPS {
        let before = Tensor::from_slice(&rows, (directions, dimensions), &Device::Cpu)?;
        // The moments are symmetric, so rows can be multiplied from the left.
        let mut after = before.matmul(&moments)?.flatten_all()?.to_vec1::<f64>()?;
        let now: f64 = after.iter().zip(&rows).map(|(after, before)| after * before).sum();
        orthonormalise(&mut after, dimensions);
        rows = after;
        if now - along <= STILL * total {
            along = now.max(along);
            break;
        }
        along = now;
    }
    Ok(PrincipalSpace { directions: rows, total, outside: (total - along).max(0.0) })
}

/// Gram and Schmidt's way, twice, for the sake of rows that are nearly parallel; what is left of a row that the others span
/// is rounding, and becomes 0.
fn orthonormalise(rows: &mut [f64], dimensions: usize) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for index in 0..rows.len() / dimensions.max(1) {
        let (done, rest) = rows.split_at_mut(index * dimensions);
        let row = &mut rest[..dimensions];
        let length = dot(row, row).sqrt();
        for _ in 0..2 {
            for other in done.chunks_exact(dimensions) {
                let share = dot(row, other);
                row.iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
            }
        }
        let left = dot(row, row).sqrt();
        let scale = if left > 1e-10 * length { 1.0 / left } else { 0.0 };
        row.iter_mut().for_each(|value| *value *= scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of 6 dimensions with the eigenvalues of numpy's.
    fn points() -> Vec<f64> {
        let value = |i: usize, j: usize| ((i * 37 + j * 11 + i * i * (j + 1)) % 29) as f64 / (j * j + 1) as f64;
        (0..20).flat_map(|i| (0..6).map(move |j| value(i, j))).collect()
    }

    /// ```python
    /// import numpy as np
    /// i, j = np.mgrid[:20, :6]; x = (i * 37 + j * 11 + i * i * (j + 1)) % 29 / (j * j + 1)
    /// e, v = np.linalg.eigh(x.T @ x); v = v[:, ::-1][:, :2]
    /// print(e.sum(), e[:-2].sum(), (v @ v.T)[0])
    /// ```
    #[test]
    fn the_space_is_numpys() {
        let PrincipalSpace { directions, total, outside } = principal_space(points(), 6, 2).unwrap();
        let (numpy_total, numpy_outside, projection) =
            (5773.607011527, 106.069905391, [0.994237, -0.023458, 0.061585, 0.033172, 0.014968, 0.007867]);
        assert!((total - numpy_total).abs() < 1e-6 && (outside / numpy_outside - 1.0).abs() < 1e-4, "{outside}");
        for (column, want) in projection.into_iter().enumerate() {
            let got: f64 = directions.chunks_exact(6).map(|row| row[0] * row[column]).sum();
            assert!((got - want).abs() < 1e-2, "{got} instead of {want}");
        }
    }

    #[test]
    fn points_of_fewer_directions_have_nothing_outside_and_no_nan() {
        let line: Vec<f64> = (0..10).flat_map(|i| [1.0, 2.0, -1.0].map(|v| v * f64::from(i))).collect();
        let space = principal_space(line, 3, 2).unwrap();
        assert!(space.outside < 1e-6 * space.total && space.directions.iter().all(|value| value.is_finite()));
        let nothing = principal_space(vec![0.0; 12], 3, 2).unwrap();
        assert_eq!((nothing.total, nothing.outside), (0.0, 0.0));
        assert!(nothing.directions.iter().all(|value| value.is_finite()));
    }
}
