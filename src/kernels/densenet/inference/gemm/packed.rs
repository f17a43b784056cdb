//! Matrices of weights, laid out once at load as the register tiles read them.
//!
//! A matrix is cut into panels of columns; a panel's rows follow each other, so a tile reads it from end to end. The
//! last panel is filled up with zeros. Weights that are f16 numbers, as those of a weights file are, can stay f16,
//! which halves what is streamed through the caches for each image and changes no result: widening is exact. It takes
//! an instruction more, which pays where few rows are multiplied with a matrix.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::kernels::densenet::inference::gemm::Aligned;

/// Some matrices of one size, (depth, columns) each.
#[derive(Debug)]
pub(crate) struct Packed {
    numbers: Numbers,
    depth: usize,
    columns: usize,
    width: usize,
}

/// The panels, in the narrowest type that holds every weight exactly.
#[derive(Debug)]
enum Numbers {
    F32(Aligned<f32>),
    F16(Aligned<f16>),
}

/// One of the matrices: panel after panel of `depth` rows of `width` numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels<'a> {
    pub(crate) numbers: PanelNumbers<'a>,
    pub(crate) depth: usize,
    /// Columns with those that fill up the last panel.
    pub(crate) columns: usize,
}

/// See [`Packed`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum PanelNumbers<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
}

impl Packed {
    /// Packs row-major matrices, one behind the other, in panels of `width` columns; to f16 where `narrow` asks for it
    /// and it is exact.
    pub(crate) fn new(matrices: &[f32], depth: usize, columns: usize, width: usize, narrow: bool) -> Self {
        let numbers = match if narrow { narrowed(matrices) } else { None } {
            Some(halves) => Numbers::F16(pack(&halves, depth, columns, width)),
            None => Numbers::F32(pack(matrices, depth, columns, width)),
        };
        Self { numbers, depth, columns, width }
    }

    pub(crate) fn matrix(&self, index: usize) -> Panels<'_> {
        let columns = self.padded_columns();
        let size = self.depth * columns;
        let range = index * size..(index + 1) * size;
        let numbers = match &self.numbers {
            Numbers::F32(numbers) => PanelNumbers::F32(&numbers[range]),
            Numbers::F16(numbers) => PanelNumbers::F16(&numbers[range]),
        };
        Panels { numbers, depth: self.depth, columns }
    }

    /// Columns with those that fill up the last panel.
    pub(crate) fn padded_columns(&self) -> usize {
        self.columns.next_multiple_of(self.width)
    }
}

/// The numbers as f16, where that changes none of them.
fn narrowed(numbers: &[f32]) -> Option<Vec<f16>> {
    let mut halves = vec![f16::ZERO; numbers.len()];
    halves.convert_from_f32_slice(numbers);
    let mut widened = vec![0.0; numbers.len()];
    halves.convert_to_f32_slice(&mut widened);
    (widened == numbers).then_some(halves)
}

fn pack<T: Copy + Default>(matrices: &[T], depth: usize, columns: usize, width: usize) -> Aligned<T> {
    let size = depth * columns.next_multiple_of(width);
    let mut packed = Aligned::zeros(matrices.len() / (depth * columns) * size);
    for (matrix, packed) in matrices.chunks_exact(depth * columns).zip(packed.chunks_exact_mut(size)) {
        for (row, weights) in matrix.chunks_exact(columns).enumerate() {
            for (panel, weights) in weights.chunks(width).enumerate() {
                packed[(panel * depth + row) * width..][..weights.len()].copy_from_slice(weights);
            }
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_follow_each_other_and_end_in_zeros() {
        let packed = Packed::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0], 2, 3, 2, true);
        let want = [[1.0, 2.0, 4.0, 5.0, 3.0, 0.0, 6.0, 0.0], [7.0, 8.0, 10.0, 11.0, 9.0, 0.0, 12.0, 0.0]];
        for (index, want) in want.into_iter().enumerate() {
            let PanelNumbers::F16(numbers) = packed.matrix(index).numbers else { panic!("small integers are f16") };
            assert_eq!(numbers, want.map(f16::from_f32));
        }
        assert_eq!(packed.padded_columns(), 4);
    }

    #[test]
    fn weights_that_f16_would_round_stay_f32() {
        assert!(matches!(Packed::new(&[0.1, 1.0], 1, 2, 2, true).numbers, Numbers::F32(_)));
        assert!(matches!(Packed::new(&[1e-9, 1.0], 1, 2, 2, true).numbers, Numbers::F32(_)));
    }
}
