//! Winograd's minimal filtering F(4x4, 3x3): a 3x3 convolution with a quarter of the multiplications.
//!
//! A tile of 4x4 outputs needs 6x6 inputs. Inputs and kernel are transformed; at each of the 36 positions one product
//! over the channels is left; their transform back is the tile. The points are 0, 1, -1, 2, -2 and infinity.
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.

use crate::kernels::simd::Simd;

/// Outputs along a side of a tile.
pub(super) const OUTPUTS: usize = 4;
/// Inputs along a side of a tile.
pub(super) const INPUTS: usize = 6;
/// Products of a tile.
pub(super) const POSITIONS: usize = INPUTS * INPUTS;

/// Transforms a kernel of rows (3 * 3 * channels, filters) to 36 matrices (channels, filters).
pub(super) fn transform_kernel<S: Simd>(simd: S, kernel: &[f32], channels: usize, filters: usize) -> Vec<f32> {
    let size = channels * filters;
    // One side after the other: 6x3 matrices, then 6x6.
    let (mut half, mut transformed) = (vec![0.0; INPUTS * 3 * size], vec![0.0; POSITIONS * size]);
    simd.vectorize(
        #[inline(always)]
        || {
            for (kx, half) in half.chunks_exact_mut(INPUTS * size).enumerate() {
                let column = |ky: usize| &kernel[(3 * ky + kx) * size..][..size];
                transform_side([column(0), column(1), column(2)], half, size);
            }
            for (y, row) in transformed.chunks_exact_mut(INPUTS * size).enumerate() {
                let half = |kx: usize| &half[(kx * INPUTS + y) * size..][..size];
                transform_side([half(0), half(1), half(2)], row, size);
            }
        },
    );
    transformed
}

/// One side's transform of three weights to six: of matrices of `size` numbers, those behind each other.
#[inline(always)]
fn transform_side(weights: [&[f32]; 3], transformed: &mut [f32], size: usize) {
    const G: [[f64; 3]; INPUTS] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let [first, second, third] = weights;
    for (factors, transformed) in G.iter().zip(transformed.chunks_exact_mut(size)) {
        let [a, b, c] = factors.map(|factor| factor as f32);
        for (((sum, x), y), z) in transformed.iter_mut().zip(first).zip(second).zip(third) {
            *sum = a * x + b * y + c * z;
        }
    }
}

/// One side's transform of six inputs.
#[inline(always)]
fn transform_inputs<S: Simd>(simd: S, d: [S::Vector; 6]) -> [S::Vector; 6] {
    let (two, four, minus_four, minus_five) = (simd.splat(2.0), simd.splat(4.0), simd.splat(-4.0), simd.splat(-5.0));
    let even = simd.mul_add(minus_four, d[2], d[4]);
    let odd = simd.mul_add(minus_four, d[1], d[3]);
    let outer_even = simd.sub(d[4], d[2]);
    let outer_odd = simd.mul(two, simd.sub(d[3], d[1]));
    [
        simd.mul_add(four, d[0], simd.mul_add(minus_five, d[2], d[4])),
        simd.add(even, odd),
        simd.sub(even, odd),
        simd.add(outer_even, outer_odd),
        simd.sub(outer_even, outer_odd),
        simd.mul_add(four, d[1], simd.mul_add(minus_five, d[3], d[5])),
    ]
}

/// One side's transform of six products to four outputs.
#[inline(always)]
fn transform_products<S: Simd>(simd: S, m: [S::Vector; 6]) -> [S::Vector; 4] {
    let (two, four, eight) = (simd.splat(2.0), simd.splat(4.0), simd.splat(8.0));
    let (sum, difference) = (simd.add(m[1], m[2]), simd.sub(m[1], m[2]));
    let (far_sum, far_difference) = (simd.add(m[3], m[4]), simd.sub(m[3], m[4]));
    [
        simd.add(m[0], simd.add(sum, far_sum)),
        simd.mul_add(two, far_difference, difference),
        simd.mul_add(four, far_sum, sum),
        simd.add(m[5], simd.mul_add(eight, far_difference, difference)),
    ]
}

/// Where the numbers of a tile lie: the distance of its pixels down and across, and of its 36 transformed values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distances {
    pub(super) down: usize,
    pub(super) across: usize,
    pub(super) position: usize,
}

/// Transforms the 6x6 inputs at `inputs`, for `channels` channels (rounded up to whole vectors), to `transformed`.
///
/// # Panics
/// When the slices are too short.
#[inline(always)]
pub(super) fn forward<S: Simd>(
    simd: S,
    inputs: &[f32],
    transformed: &mut [f32],
    distances: Distances,
    channels: usize,
) {
    let Distances { down, across, position } = distances;
    let channels = channels.next_multiple_of(S::LANES);
    assert!(inputs.len() >= (INPUTS - 1) * (down + across) + channels, "inputs of a tile");
    assert!(transformed.len() >= (POSITIONS - 1) * position + channels, "room for a transformed tile");
    for channel in (0..channels).step_by(S::LANES) {
        let mut rows = [[simd.splat(0.0); 6]; 6];
        for x in 0..INPUTS {
            // SAFETY: the assertion above holds the last of these reads inside `inputs`.
            let pixels = std::array::from_fn(
                #[inline(always)]
                |y| unsafe { simd.load(inputs.as_ptr().add(y * down + x * across + channel)) },
            );
            let column = transform_inputs(simd, pixels);
            rows.iter_mut().zip(column).for_each(|(row, number)| row[x] = number);
        }
        for (y, row) in rows.into_iter().enumerate() {
            for (x, vector) in transform_inputs(simd, row).into_iter().enumerate() {
                // SAFETY: the assertion above holds the last of these writes inside `transformed`.
                unsafe { simd.store(transformed.as_mut_ptr().add((y * INPUTS + x) * position + channel), vector) }
            }
        }
    }
}

/// Transforms 36 products back to the tile's outputs, of which `height` times `width` are stored.
///
/// # Panics
/// When the slices are too short.
#[inline(always)]
pub(super) fn back<S: Simd>(
    simd: S,
    products: &[f32],
    outputs: &mut [f32],
    distances: Distances,
    channels: usize,
    [height, width]: [usize; 2],
) {
    let Distances { down, across, position } = distances;
    let channels = channels.next_multiple_of(S::LANES);
    assert!((1..=OUTPUTS).contains(&height) && (1..=OUTPUTS).contains(&width), "outputs of a tile");
    assert!(products.len() >= (POSITIONS - 1) * position + channels, "products of a tile");
    assert!(outputs.len() >= (height - 1) * down + (width - 1) * across + channels, "room for a tile");
    for channel in (0..channels).step_by(S::LANES) {
        let mut rows = [[simd.splat(0.0); 6]; 4];
        for x in 0..INPUTS {
            // SAFETY: the assertion above holds the last of these reads inside `products`.
            let values = std::array::from_fn(
                #[inline(always)]
                |y| unsafe { simd.load(products.as_ptr().add((y * INPUTS + x) * position + channel)) },
            );
            let column = transform_products(simd, values);
            rows.iter_mut().zip(column).for_each(|(row, number)| row[x] = number);
        }
        for (y, row) in rows.into_iter().enumerate().take(height) {
            for (x, vector) in transform_products(simd, row).into_iter().enumerate().take(width) {
                // SAFETY: the assertion above holds the last of these writes inside `outputs`.
                unsafe { simd.store(outputs.as_mut_ptr().add(y * down + x * across + channel), vector) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::{Level, at_level};

    const CHANNELS: usize = 16;

    /// One tile through both transforms, against the convolution's definition.
    fn check(level: Level) {
        fn run<S: Simd>(simd: S) {
            let number = |i: usize| ((i * 7919) % 2003) as f32 / 1001.5 - 1.0;
            let inputs: Vec<f32> = (0..36 * CHANNELS).map(number).collect();
            let kernel: Vec<f32> = (0..9 * CHANNELS * CHANNELS).map(|i| number(i + 17)).collect();
            let mut transformed = vec![0.0; 36 * CHANNELS];
            let across = Distances { down: 6 * CHANNELS, across: CHANNELS, position: CHANNELS };
            forward(simd, &inputs, &mut transformed, across, CHANNELS);
            let matrices = transform_kernel(simd, &kernel, CHANNELS, CHANNELS);
            let mut products = vec![0.0; 36 * CHANNELS];
            for (index, product) in products.iter_mut().enumerate() {
                let (position, filter) = (index / CHANNELS, index % CHANNELS);
                *product = (0..CHANNELS)
                    .map(|c| {
                        transformed[position * CHANNELS + c] * matrices[(position * CHANNELS + c) * CHANNELS + filter]
                    })
                    .sum();
            }
            let mut outputs = vec![f32::NAN; 16 * CHANNELS];
            let down = Distances { down: 4 * CHANNELS, across: CHANNELS, position: CHANNELS };
            back(simd, &products, &mut outputs, down, CHANNELS, [4, 3]);
            for y in 0..4 {
                for x in 0..4 {
                    for filter in 0..CHANNELS {
                        let got = outputs[(y * 4 + x) * CHANNELS + filter];
                        if x == 3 {
                            assert!(got.is_nan(), "outputs that are not wanted stay as they are");
                            continue;
                        }
                        let mut want = 0.0;
                        for (tap, c) in (0..9).flat_map(|tap| (0..CHANNELS).map(move |c| (tap, c))) {
                            let pixel = (y + tap / 3) * 6 + x + tap % 3;
                            let weight = kernel[(tap * CHANNELS + c) * CHANNELS + filter];
                            want += f64::from(inputs[pixel * CHANNELS + c]) * f64::from(weight);
                        }
                        assert!((f64::from(got) - want).abs() < 1e-4, "{got} instead of {want} at {y}, {x}, {filter}");
                    }
                }
            }
        }
        at_level!(level, simd => run(simd))
    }

    #[test]
    fn the_transforms_give_the_convolution_at_every_level() {
        Level::available().into_iter().for_each(check);
    }
}
