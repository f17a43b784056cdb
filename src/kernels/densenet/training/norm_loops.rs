//! The loops of batch normalisation and the ReLU behind it over rows of channels, forward and backward.

use crate::kernels::norm::{NormSlice, TileSums};
use crate::kernels::simd::{Level, Simd, get, over_columns, put};

/// Rows that are treated together: so few that they are still in the level-1 cache when the next columns are.
fn rows_at_once(width: usize) -> usize {
    (2048 / width).max(4)
}

/// `max(x * scale + shift, 0)` of the rows of `x` into rows that lie `stride` apart.
pub(crate) fn normalise_relu(level: Level, x: &[f32], norm: NormSlice<'_>, out: &mut [f32], stride: usize) {
    #[inline(always)]
    fn kernel<S: Simd>(simd: S, column: usize, x: &[f32], norm: NormSlice<'_>, out: &mut [f32], stride: usize) {
        let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
        let zero = simd.splat(0.0);
        for (x, out) in x.chunks_exact(norm.scale.len()).zip(out.chunks_mut(stride)) {
            put(simd, out, column, simd.max(simd.mul_add(get(simd, x, column), scale, shift), zero));
        }
    }
    let (width, rows) = (norm.scale.len(), rows_at_once(stride));
    for (x, out) in x.chunks(rows * width).zip(out.chunks_mut(rows * stride)) {
        over_columns!(level, width, kernel(x, norm, out, stride));
    }
}

/// Backward through ReLU and the scale. `through` holds the gradient of the ReLU's output, in rows `stride` apart, and
/// is overwritten by that output itself; scale times the gradient is added to `gradient`, the sums to `sums`.
pub(crate) fn relu_backward(
    level: Level,
    x: &[f32],
    norm: NormSlice<'_>,
    (through, stride): (&mut [f32], usize),
    gradient: &mut [f32],
    sums: &mut TileSums,
) {
    #[inline(always)]
    fn kernel<S: Simd>(
        simd: S,
        column: usize,
        x: &[f32],
        norm: NormSlice<'_>,
        (through, stride): (&mut [f32], usize),
        gradient: &mut [f32],
        sums: &mut TileSums,
    ) {
        let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
        let (mean, zero) = (get(simd, norm.mean, column), simd.splat(0.0));
        let (mut sum, mut product) = (zero, zero);
        let width = norm.scale.len();
        let rows = x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)).zip(through.chunks_mut(stride));
        for ((x, gradient), through) in rows {
            let x = get(simd, x, column);
            let out = simd.mul_add(x, scale, shift);
            let g = simd.where_positive(out, get(simd, through, column));
            put(simd, through, column, simd.max(out, zero));
            sum = simd.add(sum, g);
            product = simd.mul_add(g, simd.sub(x, mean), product);
            put(simd, gradient, column, simd.mul_add(g, scale, get(simd, gradient, column)));
        }
        sums.add_vectors(simd, column, sum, product);
    }
    let (width, rows) = (norm.scale.len(), rows_at_once(stride));
    let blocks = x.chunks(rows * width).zip(gradient.chunks_mut(rows * width)).zip(through.chunks_mut(rows * stride));
    for ((x, gradient), through) in blocks {
        over_columns!(level, width, kernel(x, norm, (&mut *through, stride), gradient, sums));
    }
}

/// Backward through ReLU alone: `gradient` is cut where the ReLU cut, the sums are added to `sums`.
pub(crate) fn cut(level: Level, x: &[f32], norm: NormSlice<'_>, gradient: &mut [f32], sums: &mut TileSums) {
    #[inline(always)]
    fn kernel<S: Simd>(
        simd: S,
        column: usize,
        x: &[f32],
        norm: NormSlice<'_>,
        gradient: &mut [f32],
        sums: &mut TileSums,
    ) {
        let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
        let (mean, zero) = (get(simd, norm.mean, column), simd.splat(0.0));
        let (mut sum, mut product) = (zero, zero);
        let width = norm.scale.len();
        for (x, gradient) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            let x = get(simd, x, column);
            let g = simd.where_positive(simd.mul_add(x, scale, shift), get(simd, gradient, column));
            put(simd, gradient, column, g);
            sum = simd.add(sum, g);
            product = simd.mul_add(g, simd.sub(x, mean), product);
        }
        sums.add_vectors(simd, column, sum, product);
    }
    let width = norm.scale.len();
    let size = rows_at_once(width) * width;
    for (x, gradient) in x.chunks(size).zip(gradient.chunks_mut(size)) {
        over_columns!(level, width, kernel(x, norm, gradient, sums));
    }
}

/// `gradient = gradient * scale - slope * (x - mean) - offset`, the scale being 1 where there is none.
pub(crate) fn correct(
    level: Level,
    x: &[f32],
    mean: &[f32],
    scale: Option<&[f32]>,
    (slope, offset): (&[f32], &[f32]),
    gradient: &mut [f32],
) {
    #[inline(always)]
    fn kernel<S: Simd>(
        simd: S,
        column: usize,
        x: &[f32],
        mean: &[f32],
        scale: Option<&[f32]>,
        (slope, offset): (&[f32], &[f32]),
        gradient: &mut [f32],
    ) {
        let scale = match scale {
            Some(scale) => get(simd, scale, column),
            None => simd.splat(1.0),
        };
        let (slope, offset) = (get(simd, slope, column), get(simd, offset, column));
        let (width, mean) = (mean.len(), get(simd, mean, column));
        for (x, gradient) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            let lost = simd.mul_add(simd.sub(get(simd, x, column), mean), slope, offset);
            put(simd, gradient, column, simd.sub(simd.mul(get(simd, gradient, column), scale), lost));
        }
    }
    let width = mean.len();
    let size = rows_at_once(width) * width;
    for (x, gradient) in x.chunks(size).zip(gradient.chunks_mut(size)) {
        over_columns!(level, width, kernel(x, mean, scale, (slope, offset), gradient));
    }
}
