//! From the bytes that the filters of PNG left to those of the pixels.
//!
//! The rows of photographs have Paeth's filter, in which each pixel waits for the one before. So four of them are done
//! together, each one pixel behind the row above it: they wait at the same time.

use wide::{bytemuck, i16x8, u8x16};

/// Rows that are done together.
pub(super) const TOGETHER: usize = 4;

const PAETH: u8 = 4;

/// Undoes the filters of rows whose pixels have N bytes, of which each begins with the number of its filter. The row above
/// the first one has the pixels' bytes only. None where a filter has a number that PNG does not know.
pub(super) fn unfilter<'a, const N: usize>(
    mut rows: &[u8],
    mut above: &'a [u8],
    mut pixels: &'a mut [u8],
) -> Option<()> {
    let bytes = above.len();
    while !rows.is_empty() {
        let is_paeth = |number: usize| rows.get(number * (bytes + 1)) == Some(&PAETH);
        let count = if (0..TOGETHER).all(is_paeth) { TOGETHER } else { 1 };
        let (filtered, further) = rows.split_at(count * (bytes + 1));
        let (target, rest) = pixels.split_at_mut(count * bytes);
        if count == TOGETHER {
            let mut rows = filtered.chunks_exact(bytes + 1).map(|row| &row[1..]);
            let mut targets = target.chunks_exact_mut(bytes);
            let mut next = || rows.next().unwrap_or_default();
            paeth::<N>(
                std::array::from_fn(|_| next()),
                above,
                std::array::from_fn(|_| targets.next().unwrap_or_default()),
            );
        } else {
            one::<N>(filtered[0], &filtered[1..], above, target)?;
        }
        above = &target[(count - 1) * bytes..];
        (rows, pixels) = (further, rest);
    }
    Some(())
}

/// Undoes the filter of a row.
fn one<const N: usize>(filter: u8, row: &[u8], above: &[u8], target: &mut [u8]) -> Option<()> {
    match filter {
        0 => target.copy_from_slice(row),
        1 => predicted::<N>(row, above, target, |left, _, _| left),
        2 => predicted::<N>(row, above, target, |_, up, _| up),
        3 => predicted::<N>(row, above, target, |left, up, _| ((u16::from(left) + u16::from(up)) / 2) as u8),
        PAETH => predicted::<N>(row, above, target, |left, up, corner| {
            let [left, up, corner] = [left, up, corner].map(i16::from);
            let (low, high, threshold) = (left.min(up), left.max(up), 3 * corner - left - up);
            (if threshold <= low {
                high
            } else if high <= threshold {
                low
            } else {
                corner
            }) as u8
        }),
        _ => return None,
    }
    Some(())
}

/// Adds to each byte what is predicted of it by those on its left, above it, and on the left of that.
#[inline(always)]
fn predicted<const N: usize>(row: &[u8], above: &[u8], target: &mut [u8], predict: impl Fn(u8, u8, u8) -> u8) {
    let (mut left, mut corner) = ([0; N], [0; N]);
    let (row, above, target) = (row.as_chunks::<N>().0, above.as_chunks::<N>().0, target.as_chunks_mut::<N>().0);
    for ((pixel, up), target) in row.iter().zip(above).zip(target) {
        left = std::array::from_fn(|byte| pixel[byte].wrapping_add(predict(left[byte], up[byte], corner[byte])));
        (corner, *target) = (*up, left);
    }
}

/// Undoes Paeth's filter of four rows. A lane is a byte of a pixel, and each vector holds the pixels of two rows.
fn paeth<const N: usize>(rows: [&[u8]; TOGETHER], above: &[u8], targets: [&mut [u8]; TOGETHER]) {
    let width = above.len() / N;
    let (mut left, mut corner) = ([i16x8::ZERO; 2], [i16x8::ZERO; 2]);
    for step in 0..width + TOGETHER - 1 {
        // Between the first steps and the last ones all rows have a pixel.
        let is_inside = (TOGETHER - 1..width).contains(&step);
        let has_pixel = |row: usize| is_inside || (row..row + width).contains(&step);
        let pixel = |row: usize, bytes: &[u8]| if has_pixel(row) { pixel::<N>(bytes, step - row) } else { [0; 4] };
        let stored: [[u8; 4]; TOGETHER] = std::array::from_fn(|row| pixel(row, rows[row]));
        let [top, _] = lanes([pixel(0, above), [0; 4], [0; 4], [0; 4]]);
        // Above a pixel is the one that the row above it came to in the step before.
        let [[top, _], [first, second], [third, _]] = [top, left[0], left[1]].map(bytemuck::cast::<i16x8, [u64; 2]>);
        let up = [[top, first], [second, third]].map(bytemuck::cast::<[u64; 2], i16x8>);
        let stored = lanes(stored);
        for half in 0..2 {
            left[half] = (predict(left[half], up[half], corner[half]) + stored[half]) & i16x8::splat(0xff);
        }
        corner = up;
        if step < TOGETHER - 1 {
            // What comes before a row's first pixel is zero.
            let begun = |row: usize| if row <= step { u64::MAX } else { 0 };
            left[0] &= bytemuck::cast::<[u64; 2], i16x8>([begun(0), begun(1)]);
            left[1] &= bytemuck::cast::<[u64; 2], i16x8>([begun(2), begun(3)]);
        }
        let pixels: [[u8; 4]; TOGETHER] = bytemuck::cast(u8x16::narrow_i16x8(left[0], left[1]));
        for row in 0..TOGETHER {
            if has_pixel(row) {
                targets[row][(step - row) * N..][..N].copy_from_slice(&pixels[row][..N]);
            }
        }
    }
}

/// The N bytes of a pixel, and zeros.
#[inline(always)]
fn pixel<const N: usize>(row: &[u8], x: usize) -> [u8; 4] {
    let mut pixel = [0; 4];
    pixel[..N].copy_from_slice(&row[x * N..][..N]);
    pixel
}

/// Bytes as numbers of 16 bits.
#[inline(always)]
fn lanes(pixels: [[u8; 4]; TOGETHER]) -> [i16x8; 2] {
    let bytes = bytemuck::cast(pixels);
    [i16x8::from_u8x16_low(bytes), i16x8::from_u8x16_high(bytes)]
}

/// What Paeth's filter predicts: of the three neighbours the one next to `left + up - corner`.
#[inline(always)]
fn predict(left: i16x8, up: i16x8, corner: i16x8) -> i16x8 {
    let (low, high, threshold) = (left.min(up), left.max(up), corner + corner + corner - up - left);
    let not_highest = high.simd_gt(threshold).bitselect(corner, low);
    threshold.simd_gt(low).bitselect(not_highest, high)
}
