//! Tiles of 6x6 pixels to the 36 rows that are multiplied, and the products to 4x4 pixels.

use crate::kernels::densenet::winograd::{INPUTS, OUTPUTS, POSITIONS, input, output};
use crate::kernels::simd::Simd;

/// Where the numbers of a tile lie: the distance of its pixels down and across, and of its 36 transformed values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distances {
    pub(crate) down: usize,
    pub(crate) across: usize,
    pub(crate) position: usize,
}

/// Transforms the 6x6 inputs at `inputs`, for `channels` channels (rounded up to whole vectors), to `transformed`.
///
/// # Panics
/// When the slices are too short.
#[inline(always)]
pub(crate) fn forward<S: Simd>(
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
            let column = input(simd, pixels);
            rows.iter_mut().zip(column).for_each(|(row, number)| row[x] = number);
        }
        for (y, row) in rows.into_iter().enumerate() {
            for (x, vector) in input(simd, row).into_iter().enumerate() {
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
pub(crate) fn back<S: Simd>(
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
            let column = output(simd, values);
            rows.iter_mut().zip(column).for_each(|(row, number)| row[x] = number);
        }
        for (y, row) in rows.into_iter().enumerate().take(height) {
            for (x, vector) in output(simd, row).into_iter().enumerate().take(width) {
                // SAFETY: the assertion above holds the last of these writes inside `outputs`.
                unsafe { simd.store(outputs.as_mut_ptr().add(y * down + x * across + channel), vector) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::densenet::winograd::kernels;
    use crate::kernels::simd::{Level, at_level};

    const CHANNELS: usize = 16;

    /// One tile through both transforms, against the convolution's definition.
    fn check(level: Level) {
        fn run<S: Simd>(simd: S, level: Level) {
            let number = |i: usize| ((i * 7919) % 2003) as f32 / 1001.5 - 1.0;
            let inputs: Vec<f32> = (0..36 * CHANNELS).map(number).collect();
            let kernel: Vec<f32> = (0..9 * CHANNELS * CHANNELS).map(|i| number(i + 17)).collect();
            let mut transformed = vec![0.0; 36 * CHANNELS];
            let across = Distances { down: 6 * CHANNELS, across: CHANNELS, position: CHANNELS };
            forward(simd, &inputs, &mut transformed, across, CHANNELS);
            let mut matrices = vec![0.0; POSITIONS * CHANNELS * CHANNELS];
            kernels(level, &kernel, &mut matrices);
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
        at_level!(level, simd => run(simd, level))
    }

    #[test]
    fn the_transforms_give_the_convolution_at_every_level() {
        Level::available().into_iter().for_each(check);
    }
}
