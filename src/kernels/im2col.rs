//! The patches of an image that a kernel multiplies, gathered into the rows of a matrix.
//!
//! In: an image (height, width, channels) and a [`Geometry`]. Out: rows of kernel * kernel * channels values, one for
//! each output pixel.

/// How a square kernel moves over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Side of the kernel in pixels.
    pub kernel: usize,
    /// Pixels between two positions.
    pub stride: usize,
    /// Zeros around the image, in pixels on each side.
    pub padding: usize,
}

impl Geometry {
    /// The number of positions along a side of `size` pixels.
    pub fn output(&self, size: usize) -> usize {
        (size + 2 * self.padding - self.kernel) / self.stride + 1
    }
}

/// Floats in a tile of patches: half a megabyte, which leaves room in a level-2 cache for the kernel.
const TILE: usize = 128 * 1024;
/// One image's sizes, and those of what is made of it.
#[derive(Clone, Copy)]
pub(crate) struct PatchPlane {
    pub(crate) geometry: Geometry,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) out_height: usize,
    pub(crate) out_width: usize,
}

impl PatchPlane {
    pub(crate) fn new(geometry: Geometry, height: usize, width: usize, channels: usize) -> Self {
        let (out_height, out_width) = (geometry.output(height), geometry.output(width));
        Self { geometry, height, width, channels, out_height, out_width }
    }

    pub(crate) fn input(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Output pixels.
    pub(crate) fn positions(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Values in a patch.
    pub(crate) fn depth(&self) -> usize {
        self.geometry.kernel * self.geometry.kernel * self.channels
    }

    pub(crate) fn tile(&self) -> usize {
        (TILE / self.depth()).clamp(1, self.positions())
    }

    fn pointwise(&self) -> bool {
        self.geometry == Geometry { kernel: 1, stride: 1, padding: 0 }
    }

    /// The patches of `count` output pixels from `first` on: `count` rows of `depth` values.
    pub(crate) fn patches<'a>(
        &self,
        image: &'a [f32],
        first: usize,
        count: usize,
        scratch: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        if self.pointwise() {
            return &image[first * self.channels..(first + count) * self.channels];
        }
        let Geometry { kernel, stride, padding } = self.geometry;
        let (channels, strip) = (self.channels, kernel * self.channels);
        scratch.clear();
        scratch.resize(count * self.depth(), 0.0);
        for (row, patch) in scratch.chunks_exact_mut(self.depth()).enumerate() {
            let (oy, ox) = ((first + row) / self.out_width, (first + row) % self.out_width);
            // The kernel's columns that lie inside the image.
            let left = ox * stride;
            let from = padding.saturating_sub(left);
            let to = (self.width + padding).saturating_sub(left).min(kernel);
            if from >= to {
                continue;
            }
            for ky in 0..kernel {
                let Some(y) = (oy * stride + ky).checked_sub(padding).filter(|&y| y < self.height) else {
                    continue;
                };
                let source = (y * self.width + left + from - padding) * channels;
                let length = (to - from) * channels;
                let target = ky * strip + from * channels;
                patch[target..target + length].copy_from_slice(&image[source..source + length]);
            }
        }
        scratch
    }
}
