//! The product of two matrices on the calling thread, by the crate `gemm`.
//!
//! In: two matrices, each row-major or the transpose of one. Out: a row-major matrix, or one that is added to.

use gemm::Parallelism;

/// A row-major matrix or the transpose of one.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix of `columns` columns.
    pub(crate) fn of(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: columns, column_stride: 1 }
    }

    /// The transpose of a row-major matrix of `columns` columns.
    pub(crate) fn transposed(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: 1, column_stride: columns }
    }

    pub(crate) fn columns_from(self, first: usize) -> Self {
        Self { data: &self.data[first * self.column_stride..], ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

/// The sizes of a product: (rows, depth) times (depth, columns).
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) rows: usize,
    pub(crate) depth: usize,
    pub(crate) columns: usize,
}

/// Columns of a product that are made at once: a vector of AVX-512. The wider tiles of `gemm` 0.19 run at 42 (four
/// vectors) and 80 GFLOP/s (two) on a Zen 4 core, this one at 108 of 117.
const STRIP: usize = 16;

/// `out = a b`, or `out += a b`, on the calling thread.
#[allow(unsafe_code)]
pub(crate) fn matmul(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], sizes: Sizes, accumulate: bool) {
    let Sizes { rows, depth, columns } = sizes;
    assert!(a.holds(rows, depth) && b.holds(depth, columns) && out.len() == rows * columns, "matmul: sizes");
    for first in (0..columns).step_by(STRIP) {
        let b = b.columns_from(first);
        // SAFETY: the assertion above keeps every index that gemm computes from the sizes and strides inside its
        // slice, and `out` is borrowed mutably, so it overlaps neither argument.
        unsafe {
            gemm::gemm(
                rows,
                STRIP.min(columns - first),
                depth,
                out.as_mut_ptr().add(first),
                1,
                columns as isize,
                accumulate,
                a.data.as_ptr(),
                a.column_stride as isize,
                a.row_stride as isize,
                b.data.as_ptr(),
                b.column_stride as isize,
                b.row_stride as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

/// The transpose of a row-major matrix, for a product that would otherwise turn it again for each tile.
pub(crate) fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    let mut out = vec![0.0; matrix.len()];
    for (r, row) in matrix.chunks_exact(columns).enumerate() {
        for (c, value) in row.iter().enumerate() {
            out[c * rows + r] = *value;
        }
    }
    out
}
