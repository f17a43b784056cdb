//! The transforms of Winograd's minimal filtering F(4x4, 3x3): a 3x3 convolution with a quarter of the multiplications.
//!
//! A tile of 4x4 outputs needs 6x6 inputs. Inputs and kernel are transformed, one side after the other; at each of the
//! 36 positions one product over the channels is left; their transform back is the tile. The points are 0, 1, -1, 2,
//! -2 and infinity. Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.

use crate::kernels::simd::{Level, Simd, get, over_columns, put};

/// Outputs along a tile's side.
pub(crate) const OUTPUTS: usize = 4;
/// Inputs along a tile's side.
pub(crate) const INPUTS: usize = OUTPUTS + 2;
/// Products of a tile.
pub(crate) const POSITIONS: usize = INPUTS * INPUTS;

#[inline(always)]
fn scaled<S: Simd>(simd: S, a: S::Vector, by: f32) -> S::Vector {
    simd.mul(a, simd.splat(by))
}

/// `a * by + c`.
#[inline(always)]
fn scaled_add<S: Simd>(simd: S, a: S::Vector, by: f32, c: S::Vector) -> S::Vector {
    simd.mul_add(a, simd.splat(by), c)
}

/// One side's transform of six inputs.
#[inline(always)]
pub(crate) fn input<S: Simd>(simd: S, d: [S::Vector; 6]) -> [S::Vector; 6] {
    let even = scaled_add(simd, d[2], -4.0, d[4]);
    let odd = scaled_add(simd, d[1], -4.0, d[3]);
    let (near, far) = (simd.sub(d[4], d[2]), simd.sub(d[3], d[1]));
    let first = scaled_add(simd, d[0], 4.0, scaled_add(simd, d[2], -5.0, d[4]));
    let last = scaled_add(simd, d[1], 4.0, scaled_add(simd, d[3], -5.0, d[5]));
    let (plus, minus) = (scaled_add(simd, far, 2.0, near), scaled_add(simd, far, -2.0, near));
    [first, simd.add(even, odd), simd.sub(even, odd), plus, minus, last]
}

/// One side's transform of six products to four outputs.
#[inline(always)]
pub(crate) fn output<S: Simd>(simd: S, m: [S::Vector; 6]) -> [S::Vector; 4] {
    let (sum1, gap1) = (simd.add(m[1], m[2]), simd.sub(m[1], m[2]));
    let (sum2, gap2) = (simd.add(m[3], m[4]), simd.sub(m[3], m[4]));
    let first = simd.add(m[0], simd.add(sum1, sum2));
    let last = simd.add(scaled_add(simd, gap2, 8.0, gap1), m[5]);
    [first, scaled_add(simd, gap2, 2.0, gap1), scaled_add(simd, sum2, 4.0, sum1), last]
}

/// The transpose of [`output`].
#[inline(always)]
pub(crate) fn upstream<S: Simd>(simd: S, y: [S::Vector; 4]) -> [S::Vector; 6] {
    let (even, odd) = (simd.add(y[0], y[2]), simd.add(y[1], y[3]));
    let even2 = scaled_add(simd, y[2], 4.0, y[0]);
    let odd2 = scaled(simd, scaled_add(simd, y[3], 4.0, y[1]), 2.0);
    [y[0], simd.add(even, odd), simd.sub(even, odd), simd.add(even2, odd2), simd.sub(even2, odd2), y[3]]
}

/// One side's transform of three weights.
#[inline(always)]
fn kernel<S: Simd>(simd: S, g: [S::Vector; 3]) -> [S::Vector; 6] {
    let ends = scaled(simd, simd.add(g[0], g[2]), -1.0 / 6.0);
    let far = scaled_add(simd, g[2], 1.0 / 6.0, scaled(simd, g[0], 1.0 / 24.0));
    let (middle, half) = (scaled(simd, g[1], -1.0 / 6.0), scaled(simd, g[1], 1.0 / 12.0));
    let first = scaled(simd, g[0], 0.25);
    [first, simd.add(ends, middle), simd.sub(ends, middle), simd.add(far, half), simd.sub(far, half), g[2]]
}

/// The transpose of [`kernel`].
#[inline(always)]
pub(crate) fn kernel_back<S: Simd>(simd: S, u: [S::Vector; 6]) -> [S::Vector; 3] {
    let near = scaled(simd, simd.add(u[1], u[2]), -1.0 / 6.0);
    let far = simd.add(u[3], u[4]);
    let middle = scaled(simd, simd.sub(u[2], u[1]), 1.0 / 6.0);
    let first = scaled_add(simd, u[0], 0.25, scaled_add(simd, far, 1.0 / 24.0, near));
    let last = simd.add(u[5], scaled_add(simd, far, 1.0 / 6.0, near));
    [first, scaled_add(simd, simd.sub(u[3], u[4]), 1.0 / 12.0, middle), last]
}

/// Column `j` of a matrix of vectors. A loop, as closures in the standard library are not compiled for the level.
#[inline(always)]
pub(crate) fn column_of<V: Copy, const N: usize, const M: usize>(rows: &[[V; N]; M], j: usize) -> [V; M] {
    let mut column = [rows[0][j]; M];
    for (value, row) in column.iter_mut().zip(rows) {
        *value = row[j];
    }
    column
}

/// Numbers from places `step` apart.
#[inline(always)]
pub(crate) fn gather<S: Simd, const N: usize>(simd: S, from: &[f32], first: usize, step: usize) -> [S::Vector; N] {
    let mut column = [simd.splat(0.0); N];
    for (i, value) in column.iter_mut().enumerate() {
        *value = get(simd, from, first + i * step);
    }
    column
}

/// The 36 matrices of a kernel (9, channels, filters).
pub(crate) fn kernels(level: Level, weight: &[f32], planes: &mut [f32]) {
    #[inline(always)]
    fn tile<S: Simd>(simd: S, column: usize, weight: &[f32], planes: &mut [f32]) {
        let size = weight.len() / 9;
        let mut columns = [[simd.splat(0.0); INPUTS]; 3];
        for (j, column_j) in columns.iter_mut().enumerate() {
            *column_j = kernel(simd, gather(simd, weight, j * size + column, 3 * size));
        }
        for i in 0..INPUTS {
            for (j, value) in kernel(simd, column_of(&columns, i)).into_iter().enumerate() {
                put(simd, planes, (i * INPUTS + j) * size + column, value);
            }
        }
    }
    over_columns!(level, weight.len() / 9, tile(weight, planes))
}
