//! Blocks of pixels whose channels lie apart, so that one instruction does the same to many numbers of a channel.
//!
//! In and out: pixels of three channels. All is to be called within [`Level::vectorize`](crate::kernels::Level), whose
//! vectors are as long as the processor's, and gives the same bits for any length: no number depends on its neighbour.

/// Pixels of a block: a few vectors of the longest kind, and little enough that what is computed stays in the level-1
/// cache.
pub(super) const BLOCK: usize = 64;

/// Up to [`BLOCK`] pixels, a channel in one piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planes(pub(super) [[f32; BLOCK]; 3]);

impl Planes {
    /// Of the first [`BLOCK`] of some pixels; where they are fewer, the rest is 0.
    #[inline(always)]
    pub(super) fn of(pixels: &[[f32; 3]]) -> Self {
        if let Some(block) = pixels.first_chunk() {
            return Self::of_block(block);
        }
        let mut block = [[0.0; 3]; BLOCK];
        block[..pixels.len()].copy_from_slice(pixels);
        Self::of_block(&block)
    }

    #[inline(always)]
    fn of_block(block: &[[f32; 3]; BLOCK]) -> Self {
        let mut planes = [[0.0; BLOCK]; 3];
        for (i, pixel) in block.iter().enumerate() {
            for (plane, value) in planes.iter_mut().zip(pixel) {
                plane[i] = *value;
            }
        }
        Self(planes)
    }

    /// Writes as many pixels as there is room for.
    #[inline(always)]
    pub(super) fn write(&self, pixels: &mut [[f32; 3]]) {
        if let Some(block) = pixels.first_chunk_mut() {
            return self.write_block(block);
        }
        let mut block = [[0.0; 3]; BLOCK];
        self.write_block(&mut block);
        pixels.copy_from_slice(&block[..pixels.len()]);
    }

    #[inline(always)]
    fn write_block(&self, block: &mut [[f32; 3]; BLOCK]) {
        for (i, pixel) in block.iter_mut().enumerate() {
            *pixel = [self.0[0][i], self.0[1][i], self.0[2][i]];
        }
    }

    /// Replaces each number by what `f` makes of it; `f` must be `#[inline(always)]`.
    #[inline(always)]
    pub(super) fn each(&mut self, f: impl Fn(f32) -> f32) {
        for value in self.0.as_flattened_mut() {
            *value = f(*value);
        }
    }

    /// A number a channel added to each pixel.
    #[inline(always)]
    pub(super) fn add(&mut self, numbers: [f32; 3]) {
        for (plane, number) in self.0.iter_mut().zip(numbers) {
            for value in plane {
                *value += number;
            }
        }
    }

    /// A matrix, a row each, times each pixel as a column.
    #[inline(always)]
    pub(super) fn times(&self, matrix: &[[f32; 3]; 3]) -> Self {
        let [a, b, c] = &self.0;
        let mut products = [[0.0; BLOCK]; 3];
        for (product, row) in products.iter_mut().zip(matrix) {
            for i in 0..BLOCK {
                product[i] = row[0] * a[i] + row[1] * b[i] + row[2] * c[i];
            }
        }
        Self(products)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_come_back_whether_they_fill_a_block_or_not() {
        for count in [0, 1, 63, 64, 65] {
            let pixels: Vec<[f32; 3]> = (0..count).map(|i| [i as f32, 0.5 + i as f32, -(i as f32)]).collect();
            let mut planes = Planes::of(&pixels);
            planes.each(|value| value * 2.0);
            planes.add([1.0, 2.0, 3.0]);
            let planes = planes.times(&[[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, -1.0, 0.0]]);
            let mut after = vec![[9.0; 3]; count];
            planes.write(&mut after);
            for (i, (got, [x, y, z])) in after.into_iter().zip(pixels).enumerate() {
                let [x, y, z] = [2.0 * x + 1.0, 2.0 * y + 2.0, 2.0 * z + 3.0];
                let want = if i < BLOCK { [z, x + z, -y] } else { [9.0; 3] };
                assert_eq!(got, want, "pixel {i} of {count}");
            }
        }
    }
}
