//! Undoes what was done to a row so that it compresses better: differences between neighbours, bytes sorted by place.

use super::page::Page;
use super::{PixelsError, refused};

/// The predictor's tag, as a thing to undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// Each sample is the difference to the same sample of the pixel before.
    Horizontal,
    /// The bytes of a row's floats are sorted by their place in the float, then stored as differences.
    FloatingPoint,
}

impl Predictor {
    /// The predictor of a page, if it goes with its samples.
    pub(super) fn of(page: &Page<'_>) -> Result<Self, PixelsError> {
        match (page.predictor, page.depth.bits, page.depth.float) {
            (1, ..) => Ok(Self::None),
            (2, 8 | 16 | 32 | 64, _) => Ok(Self::Horizontal),
            (3, _, true) => Ok(Self::FloatingPoint),
            _ => Err(refused(format!("its predictor (number {}) does not fit its samples", page.predictor))),
        }
    }

    /// Undoes it in a row of one plane; `spare` is any buffer to work with.
    pub(super) fn undo(self, page: &Page<'_>, row: &mut [u8], spare: &mut Vec<u8>) {
        let samples = page.samples_in_plane();
        let size = page.depth.bits as usize / 8;
        macro_rules! sum {
            ($number:ty) => {{
                let (numbers, _) = row.as_chunks_mut::<{ size_of::<$number>() }>();
                for index in samples..numbers.len() {
                    let [before, here] = [numbers[index - samples], numbers[index]];
                    numbers[index] = if page.big_endian {
                        <$number>::from_be_bytes(before).wrapping_add(<$number>::from_be_bytes(here)).to_be_bytes()
                    } else {
                        <$number>::from_le_bytes(before).wrapping_add(<$number>::from_le_bytes(here)).to_le_bytes()
                    };
                }
            }};
        }
        match (self, size) {
            (Self::None, _) => (),
            (Self::Horizontal, 1) if samples == 3 => sum_pixels::<3>(row),
            (Self::Horizontal, 1) if samples == 4 => sum_pixels::<4>(row),
            (Self::Horizontal, 1) => sum!(u8),
            (Self::Horizontal, 2) => sum!(u16),
            (Self::Horizontal, 4) => sum!(u32),
            (Self::Horizontal, _) => sum!(u64),
            (Self::FloatingPoint, _) => {
                sum!(u8);
                spare.clear();
                spare.extend_from_slice(row);
                let floats = row.len() / size;
                for (index, float) in row.chunks_exact_mut(size).enumerate() {
                    for (place, byte) in float.iter_mut().enumerate() {
                        // The highest byte of all comes first.
                        let from_top = if page.big_endian { place } else { size - 1 - place };
                        *byte = spare[from_top * floats + index];
                    }
                }
            }
        }
    }
}

/// Adds to each byte the one of the pixel before, of pixels whose size is known here and which stay in registers.
fn sum_pixels<const N: usize>(row: &mut [u8]) {
    let mut sum = [0_u8; N];
    for pixel in row.as_chunks_mut::<N>().0 {
        sum = std::array::from_fn(|byte| sum[byte].wrapping_add(pixel[byte]));
        *pixel = sum;
    }
}
