//! The whole numbers of one convolution: the steps of its inputs, and its weights rounded with regard to its inputs.
//!
//! In: the largest activation of each input channel, the weights, and rows of inputs in whole numbers. Out: steps,
//! weights and scales.
//!
//! Weights are rounded one after the other, and each rounding takes back what it can of the errors before it, as the
//! inputs' products with each other say: GPTQ (Frantar et al., "GPTQ: Accurate Post-Training Quantization for
//! Generative Pre-trained Transformers", ICLR 2023). Where it updates all weights that are left after each rounding, by
//! rows of the factor of the inverse of those products, this file reads the same numbers off the factor of the products
//! themselves, without an inverse: the error of the output is the length of `U e`, with e the errors of the weights. From
//! the last element on, each weight is rounded to what brings its element of `U e` nearest to zero.

use rayon::prelude::*;

use crate::kernels::Level;
use crate::kernels::matmul::{Matrix, Sizes, matmul, transpose};
use crate::model::quantisation::cholesky::factorise;

/// The largest level of an activation.
pub(super) const LEVELS: f32 = u8::MAX as f32;
/// The largest weight, on either side of zero.
const LARGEST: f64 = i8::MAX as f64;
/// How much of the difference between the channels' ranges their steps follow; the rest is left to the weights. All of
/// it would be best for the activations, and none for the weights.
const BALANCE: f64 = 0.7;
/// Channels whose range is below this share of the largest one's are given steps as if it were that share.
const LEAST_RANGE: f64 = 1e-3;
/// What is added to the diagonal of the products, as a share of its mean, since they are sums over a sample only.
const DAMPING: f64 = 0.01;
/// Filters that are rounded together.
const FILTERS: usize = 16;
/// Rows of the products that are made at once.
const PANEL: usize = 64;

/// The step of each input channel, from the largest activation of each and the weights (taps * channels, filters).
pub(super) fn steps(maxima: &[f32], weights: &[f32], filters: usize) -> Vec<f32> {
    let channels = maxima.len();
    let mut largest = vec![0f32; channels];
    for (row, weights) in weights.chunks_exact(filters).enumerate() {
        let largest = &mut largest[row % channels];
        *largest = weights.iter().fold(*largest, |most, weight| most.max(weight.abs()));
    }
    let (activations, weights) = (ranges(maxima), ranges(&largest));
    let ratio = |(a, w): (&f64, &f64)| a.powf(BALANCE) / w.powf(1.0 - BALANCE);
    let ratios: Vec<f64> = activations.iter().zip(&weights).map(ratio).collect();
    // The channel that has the least room is represented to its maximum, so that none is cut off.
    let room = activations.iter().zip(&ratios).fold(0.0, |most: f64, (range, ratio)| most.max(range / ratio));
    let step =
        |ratio: &f64| (ratio * room / f64::from(LEVELS)).clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
    ratios.iter().map(|ratio| step(ratio) as f32).collect()
}

/// Ranges from which steps can be made: none is zero or much smaller than the largest.
fn ranges(maxima: &[f32]) -> Vec<f64> {
    let largest = f64::from(maxima.iter().fold(0f32, |most, value| most.max(*value)));
    let range = |value: &f32| if largest > 0.0 { f64::from(*value).max(largest * LEAST_RANGE) } else { 1.0 };
    maxima.iter().map(range).collect()
}

/// The weights with the steps of their channels in them, and each filter's divided by its scale; and the scales. All of
/// the former are from -127 to 127, but not whole numbers yet.
pub(super) fn scaled(weights: &[f32], steps: &[f32], filters: usize) -> (Vec<f64>, Vec<f32>) {
    let mut products: Vec<f64> = weights.iter().map(|weight| f64::from(*weight)).collect();
    let mut largest = vec![0f64; filters];
    for (row, products) in products.chunks_exact_mut(filters).enumerate() {
        let step = f64::from(steps[row % steps.len()]);
        for (product, largest) in products.iter_mut().zip(&mut largest) {
            *product *= step;
            *largest = largest.max(product.abs());
        }
    }
    // A filter without weights has any scale, and one whose scale is no normal number rounds to such a filter.
    let scale = |largest: f64| {
        if largest == 0.0 { 1.0 } else { ((largest / LARGEST) as f32).clamp(f32::MIN_POSITIVE, f32::MAX) }
    };
    let scales: Vec<f32> = largest.into_iter().map(scale).collect();
    for products in products.chunks_exact_mut(filters) {
        products.iter_mut().zip(&scales).for_each(|(product, scale)| *product /= f64::from(*scale));
    }
    (products, scales)
}

/// The factor of the products of the inputs with each other, from rows of `depth` inputs: what [`rounded`] needs to know
/// of the inputs.
pub(super) fn factor_of_products(level: Level, rows: &[f32], depth: usize) -> Vec<f64> {
    let count = rows.len() / depth;
    let turned = transpose(rows, depth);
    let mut products = vec![0f64; depth * depth];
    // Only the panels' parts from the diagonal on are made.
    products.par_chunks_mut(PANEL * depth).enumerate().for_each(|(index, out)| {
        let (first, height) = (index * PANEL, out.len() / depth);
        let width = depth - first;
        let mut panel = vec![0f32; height * width];
        let sizes = Sizes { rows: height, depth: count, columns: width };
        let left = Matrix::of(&turned[first * count..], count);
        matmul(level, left, Matrix::of(rows, depth).columns_from(first), &mut panel, sizes, false);
        for (out, panel) in out.chunks_exact_mut(depth).zip(panel.chunks_exact(width)) {
            out[first..].iter_mut().zip(panel).for_each(|(out, sum)| *out = f64::from(*sum));
        }
    });
    let mean = (0..depth).map(|i| products[i * depth + i]).sum::<f64>() / depth as f64;
    // Where all inputs are zero no weight matters, and each is rounded to the nearest.
    let damping = if mean > 0.0 { DAMPING * mean } else { 1.0 };
    (0..depth).for_each(|i| products[i * depth + i] += damping);
    factorise(&mut products, depth, damping / 2.0);
    products
}

/// Whole numbers for weights (depth, filters), such that the products with the inputs change as little as can be reached
/// in one pass; `factor` is that of the inputs.
pub(super) fn rounded(weights: &[f64], factor: &[f64], filters: usize) -> Vec<i8> {
    let depth = weights.len() / filters;
    let blocks: Vec<usize> = (0..filters).step_by(FILTERS).collect();
    let blocks: Vec<Vec<[i8; FILTERS]>> =
        blocks.into_par_iter().map(|first| rounded_block(weights, factor, filters, first)).collect();
    let mut whole = vec![0; depth * filters];
    for (row, whole) in whole.chunks_exact_mut(filters).enumerate() {
        for (whole, block) in whole.chunks_mut(FILTERS).zip(&blocks) {
            whole.copy_from_slice(&block[row][..whole.len()]);
        }
    }
    whole
}

/// The same for a block of filters; those beyond the last one are zeros.
fn rounded_block(weights: &[f64], factor: &[f64], filters: usize, first: usize) -> Vec<[i8; FILTERS]> {
    let depth = weights.len() / filters;
    let width = FILTERS.min(filters - first);
    let mut whole = vec![[0; FILTERS]; depth];
    let mut errors = vec![[0f64; FILTERS]; depth];
    for row in (0..depth).rev() {
        let factor = &factor[row * depth..(row + 1) * depth];
        let mut sums = [0f64; FILTERS];
        for (factor, errors) in factor[row + 1..].iter().zip(&errors[row + 1..]) {
            sums.iter_mut().zip(errors).for_each(|(sum, error)| *sum += factor * error);
        }
        for (filter, weight) in weights[row * filters + first..][..width].iter().enumerate() {
            let nearest = (weight + sums[filter] / factor[row]).round_ties_even().clamp(-LARGEST, LARGEST);
            errors[row][filter] = weight - nearest;
            whole[row][filter] = nearest as i8;
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const DEPTH: usize = 70;
    const COLUMNS: usize = 19;

    /// Rows of whole numbers from 0 to 255 whose columns go with each other: each is a mixture of few sources.
    fn correlated(rows: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mixture: Vec<f32> = (0..8 * DEPTH).map(|_| rng.random_range(0.0..1.0)).collect();
        let mut row = || {
            let sources: Vec<f32> = (0..8).map(|_| rng.random_range(-40.0..80.0)).collect();
            let mix = |column: usize| {
                (0..8).map(|s| sources[s] * mixture[s * DEPTH + column]).sum::<f32>() + rng.random_range(-6.0..6.0)
            };
            (0..DEPTH).map(mix).map(|value| value.round_ties_even().clamp(0.0, LEVELS)).collect::<Vec<f32>>()
        };
        (0..rows).flat_map(|_| row()).collect()
    }

    fn weights() -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(10);
        (0..DEPTH * COLUMNS).map(|_| rng.random_range(-20.0..20.0)).collect()
    }

    /// The mean square of what the products with the inputs change by.
    fn error(rows: &[f32], weights: &[f64], whole: &[i8]) -> f64 {
        let errors: Vec<f64> = weights.iter().zip(whole).map(|(weight, whole)| weight - f64::from(*whole)).collect();
        let of_row = |row: &[f32]| -> f64 {
            let of_filter = |filter: usize| -> f64 {
                row.iter().enumerate().map(|(i, input)| f64::from(*input) * errors[i * COLUMNS + filter]).sum()
            };
            (0..COLUMNS).map(|filter| of_filter(filter).powi(2)).sum()
        };
        rows.chunks_exact(DEPTH).map(of_row).sum::<f64>() / (rows.len() / DEPTH * COLUMNS) as f64
    }

    #[test]
    fn on_inputs_that_go_together_the_error_is_far_below_that_of_the_nearest_whole_numbers() {
        let (rows, weights) = (correlated(900), weights());
        let (seen, unseen) = rows.split_at(600 * DEPTH);
        let whole = rounded(&weights, &factor_of_products(Level::default(), seen, DEPTH), COLUMNS);
        let nearest: Vec<i8> = weights.iter().map(|weight| weight.round_ties_even() as i8).collect();
        for rows in [seen, unseen] {
            let (ours, theirs) = (error(rows, &weights, &whole), error(rows, &weights, &nearest));
            assert!(ours < 0.3 * theirs, "{ours} {theirs}");
        }
    }

    /// The algorithm as it was published: the weights that are left are updated after each rounding, by the factor of
    /// the inverse.
    #[test]
    fn they_are_the_whole_numbers_of_the_algorithm_with_the_inverse() {
        let (rows, weights) = (correlated(200), weights());
        let factor = factor_of_products(Level::default(), &rows, DEPTH);
        // With H = transpose(U) U, the inverse of U times its transpose is the inverse of H, and taken from the last
        // element to the first it is that inverse's Cholesky factor.
        let mut inverse = vec![0f64; DEPTH * DEPTH];
        for column in 0..DEPTH {
            for row in (0..=column).rev() {
                let known: f64 =
                    (row + 1..=column).map(|k| factor[row * DEPTH + k] * inverse[k * DEPTH + column]).sum();
                let unit = if row == column { 1.0 } else { 0.0 };
                inverse[row * DEPTH + column] = (unit - known) / factor[row * DEPTH + row];
            }
        }
        let whole = rounded(&weights, &factor, COLUMNS);
        let mut left = weights;
        for row in (0..DEPTH).rev() {
            for filter in 0..COLUMNS {
                let nearest = left[row * COLUMNS + filter].round_ties_even();
                assert_eq!(nearest as i8, whole[row * COLUMNS + filter], "{row} {filter}");
                let error = (left[row * COLUMNS + filter] - nearest) / inverse[row * DEPTH + row];
                (0..row).for_each(|i| left[i * COLUMNS + filter] -= error * inverse[i * DEPTH + row]);
            }
        }
    }

    #[test]
    fn inputs_that_are_never_seen_change_nothing_and_are_rounded_to_the_nearest() {
        let weights = weights();
        let whole = rounded(&weights, &factor_of_products(Level::default(), &vec![0.0; 5 * DEPTH], DEPTH), COLUMNS);
        let nearest: Vec<i8> = weights.iter().map(|weight| weight.round_ties_even() as i8).collect();
        assert_eq!(whole, nearest);
    }

    #[test]
    fn steps_reach_the_maxima_and_are_positive_for_dead_channels_and_dead_weights() {
        let weights = [0.5, -2.0, 0.0, 0.0, 0.1, 0.1, 1.0, 1.0];
        let maxima = [3.0, 1.0, 0.0, 8.0];
        let ours = steps(&maxima, &weights, 2);
        assert!(ours.iter().zip(&maxima).all(|(step, most)| step * 255.0 >= most * 0.999_99), "{ours:?}");
        assert!(ours.iter().zip(&maxima).any(|(step, most)| step * 255.0 < most * 1.000_01), "{ours:?}");
        let cases: [([f32; 4], [f32; 8]); 5] = [
            ([0.0; 4], weights),
            (maxima, [0.0; 8]),
            ([0.0; 4], [0.0; 8]),
            ([1e-38, 0.0, 1e-40, 0.0], [1e30; 8]),
            ([1e38; 4], [1e-38; 8]),
        ];
        for (maxima, weights) in cases {
            let steps = steps(&maxima, &weights, 2);
            assert!(steps.iter().all(|step| step.is_normal() && *step > 0.0), "{maxima:?}: {steps:?}");
            let (scaled, scales) = scaled(&weights, &steps, 2);
            assert!(scales.iter().all(|scale| scale.is_normal() && *scale > 0.0), "{maxima:?}: {scales:?}");
            assert!(scaled.iter().all(|weight| weight.abs() < 127.001), "{maxima:?}: {scaled:?}");
        }
    }

    #[test]
    fn the_largest_weight_of_each_filter_is_127_scales_and_the_steps_are_in_it() {
        // Two channels, two taps, three filters; the third has no weights.
        let weights = [1.0, -4.0, 0.0, 2.0, 1.0, 0.0, -3.0, 1.0, 0.0, 1.0, 0.5, 0.0];
        let (scaled, scales) = scaled(&weights, &[1.0, 2.0], 3);
        assert_eq!(scales, [4.0 / 127.0, 4.0 / 127.0, 1.0]);
        let products = [1.0, -4.0, 0.0, 4.0, 2.0, 0.0, -3.0, 1.0, 0.0, 2.0, 1.0, 0.0];
        for (index, (scaled, product)) in scaled.iter().zip(products).enumerate() {
            assert!((scaled * f64::from(scales[index % 3]) - product).abs() < 1e-6, "{index}: {scaled} {product}");
        }
    }
}
