//! Matrices of weights in whole numbers, laid out once as the register tiles read them, at every level alike.

use crate::kernels::densenet::inference::gemm::{Aligned, Whole};

/// Columns of a panel: two vectors of the widest level. Narrower ones read a part of it at a time.
pub(crate) const PANEL: usize = 32;

/// A matrix (depth, columns) for inputs of N: panel after panel of groups of rows, each with the group's weights of one column
/// side by side. What fills up the last group and the last panel is zero.
#[derive(Debug)]
pub(crate) struct PackedWhole<N: Whole> {
    pub(crate) numbers: Aligned<N::Weight>,
    pub(crate) groups: usize,
    pub(crate) columns: usize,
}

impl<N: Whole> PackedWhole<N> {
    /// Packs a row-major matrix.
    pub(crate) fn new(matrix: &[N::Weight], columns: usize) -> Self {
        let groups = (matrix.len() / columns).div_ceil(N::GROUP);
        let padded = columns.next_multiple_of(PANEL);
        let mut numbers = Aligned::zeros(groups * N::GROUP * padded);
        for (row, weights) in matrix.chunks_exact(columns).enumerate() {
            for (panel, weights) in weights.chunks(PANEL).enumerate() {
                let group = &mut numbers[(panel * groups + row / N::GROUP) * N::GROUP * PANEL..][..N::GROUP * PANEL];
                for (column, weight) in weights.iter().enumerate() {
                    group[column * N::GROUP + row % N::GROUP] = *weight;
                }
            }
        }
        Self { numbers, groups, columns: padded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_rows_lies_side_by_side_for_each_column() {
        let matrix: Vec<i8> = (0..5 * 33).map(|i| (i % 127) as i8).collect();
        let packed = PackedWhole::<u8>::new(&matrix, 33);
        assert_eq!((packed.groups, packed.columns, packed.numbers.len()), (2, 64, 2 * 4 * 64));
        for (row, column) in (0..8).flat_map(|row| (0..64).map(move |column| (row, column))) {
            let place = ((column / 32 * 2 + row / 4) * 32 + column % 32) * 4 + row % 4;
            let want = if row < 5 && column < 33 { matrix[row * 33 + column] } else { 0 };
            assert_eq!(packed.numbers[place], want, "{row}, {column}");
        }
    }

    #[test]
    fn of_16_bits_a_pair_of_rows_does() {
        let matrix: Vec<i16> = (0..3 * 33).collect();
        let packed = PackedWhole::<i16>::new(&matrix, 33);
        assert_eq!((packed.groups, packed.columns, packed.numbers.len()), (2, 64, 2 * 2 * 64));
        // Row 2, column 32: the first column of the second panel, the first row of its second pair.
        assert_eq!(packed.numbers[(2 + 1) * 64..][..2], [2 * 33 + 32, 0]);
    }
}
