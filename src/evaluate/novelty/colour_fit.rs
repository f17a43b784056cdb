//! What the colours of a training's images are like: a normal distribution in which every case weighs the same.

use std::collections::BTreeMap;

use crate::evaluate::novelty::TrainedImage;
use crate::model::ColourDistribution;
use crate::pixels::ColourMoments;

const NUMBERS: usize = ColourMoments::SHAPE;

/// Fits the mean and the covariance, each case weighing the same.
pub(super) fn fit(images: &[TrainedImage]) -> ColourDistribution {
    let mut of_case: BTreeMap<&str, usize> = BTreeMap::new();
    images.iter().for_each(|image| *of_case.entry(&image.case).or_default() += 1);
    let cases = of_case.len().max(1) as f64;
    let weighted = || images.iter().map(|image| (&image.plain.colours, 1.0 / (cases * of_case[&*image.case] as f64)));
    let mut mean = [0.0; NUMBERS];
    for (colours, weight) in weighted() {
        mean.iter_mut().zip(colours).for_each(|(sum, value)| *sum += weight * value);
    }
    let mut covariance = [[0.0; NUMBERS]; NUMBERS];
    for (colours, weight) in weighted() {
        for (row, sums) in covariance.iter_mut().enumerate() {
            for (column, sum) in sums.iter_mut().enumerate() {
                *sum += weight * (colours[row] - mean[row]) * (colours[column] - mean[column]);
            }
        }
    }
    ColourDistribution {
        mean: mean.map(|mean| mean as f32),
        whitening: whitening(covariance).map(|row| row.map(|value| value as f32)),
    }
}

/// The inverse of the covariance's Cholesky factor.
fn whitening(covariance: [[f64; NUMBERS]; NUMBERS]) -> [[f64; NUMBERS]; NUMBERS] {
    /// Added to the variances, beside their mean: of few images the covariance has no inverse. In f32, the inverse of
    /// nothing is infinite.
    const LEAST: f64 = 1e-9;
    let trace: f64 = (0..NUMBERS).map(|i| covariance[i][i]).sum();
    let least = (LEAST * trace / NUMBERS as f64).max(1e-12);
    let mut factor = [[0.0; NUMBERS]; NUMBERS];
    for row in 0..NUMBERS {
        for column in 0..=row {
            let done: f64 = (0..column).map(|i| factor[row][i] * factor[column][i]).sum();
            let rest = covariance[row][column] - done;
            factor[row][column] =
                if row == column { (rest + least).max(least).sqrt() } else { rest / factor[column][column] };
        }
    }
    let mut inverse = [[0.0; NUMBERS]; NUMBERS];
    for row in 0..NUMBERS {
        let mut solved = [0.0; NUMBERS];
        solved[row] = 1.0;
        for (weight, done) in factor[row].iter().zip(&inverse).take(row) {
            solved.iter_mut().zip(done).for_each(|(value, done)| *value -= weight * done);
        }
        inverse[row] = solved.map(|value| value / factor[row][row]);
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NoveltyFeatures;

    fn image(case: usize, colours: [f64; NUMBERS]) -> TrainedImage {
        let features = NoveltyFeatures { blocks: Vec::new(), colours };
        TrainedImage { case: case.to_string(), plain: features.clone(), altered: features }
    }

    fn colours(i: usize) -> [f64; NUMBERS] {
        std::array::from_fn(|j| ((i * 37 + j * 11 + i * i * (j + 1)) % 29) as f64 / 10.0)
    }

    /// ```python
    /// import numpy as np
    /// i, j = np.mgrid[:40, :9]; x = (i * 37 + j * 11 + i * i * (j + 1)) % 29 / 10; c = np.arange(40) ** 2 % 6
    /// w = np.array([1 / (c == k).sum() for k in c]); w /= w.sum()
    /// m = w @ x; z = x - m; print(np.einsum("ij,jk,ik->i", z, np.linalg.inv((z * w[:, None]).T @ z), z)[:3])
    /// ```
    #[test]
    fn distances_are_numpys_and_cases_weigh_the_same() {
        let images: Vec<TrainedImage> = (0..40).map(|i| image(i * i % 6, colours(i))).collect();
        let fitted = fit(&images);
        for (index, want) in [6.826612, 7.237136, 7.746210].into_iter().enumerate() {
            let got = fitted.distance(&colours(index));
            assert!((got - want).abs() < 1e-4, "{got} instead of {want}");
        }
    }

    #[test]
    fn few_or_equal_images_have_finite_distances() {
        for images in [vec![image(1, colours(1)); 3], vec![image(1, colours(1)), image(2, colours(2))]] {
            let fitted = fit(&images);
            assert!(fitted.whitening.as_flattened().iter().all(|value| value.is_finite()), "{fitted:?}");
            assert!(fitted.distance(&colours(1)) < 10.0 && fitted.distance(&colours(3)) > 1e3, "{fitted:?}");
        }
    }
}
