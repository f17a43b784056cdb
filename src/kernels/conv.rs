//! 2-D convolution, channels last, by gathering patches and multiplying matrices.
//!
//! In: pictures (batch, height, width, channels) and a kernel (kernel * kernel * channels, filters) whose rows run
//! over kernel row, kernel column, channel. Out: (batch, out height, out width, filters). Patches are gathered a tile
//! at a time, so they stay in the cache and are never kept: keeping them for the backward pass would take 50 MB a
//! picture in DenseNet121. A 1x1 convolution gathers nothing.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use gemm::Parallelism;
use rayon::prelude::*;

use super::slices;

/// How a square kernel moves over a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Side of the kernel in pixels.
    pub kernel: usize,
    /// Pixels between two positions.
    pub stride: usize,
    /// Zeros around the picture, in pixels on each side.
    pub padding: usize,
}

impl Geometry {
    /// The number of positions along a side of `size` pixels.
    pub fn output(&self, size: usize) -> usize {
        (size + 2 * self.padding - self.kernel) / self.stride + 1
    }
}

/// Convolves `x` (batch, height, width, channels) with `weight` (kernel * kernel * channels, filters).
///
/// # Errors
/// When the shapes do not fit each other.
pub fn conv2d(x: &Tensor, weight: &Tensor, geometry: Geometry) -> Result<Tensor> {
    let (_, height, width, channels) = x.dims4()?;
    let (depth, _) = weight.dims2()?;
    if depth != geometry.kernel * geometry.kernel * channels {
        bail!("conv2d: a kernel of {depth} rows does not fit {channels} channels and {geometry:?}");
    }
    if geometry.padding >= geometry.kernel || geometry.stride == 0 {
        bail!("conv2d: {geometry:?} makes no sense");
    }
    let (tall, wide) = (height + 2 * geometry.padding, width + 2 * geometry.padding);
    if tall < geometry.kernel || wide < geometry.kernel {
        bail!("conv2d: pictures of {height}x{width} are too small for {geometry:?}");
    }
    slices::ready(x)?.apply_op2(&slices::ready(weight)?, Conv2d { geometry })
}

/// Floats in a tile of patches: half a megabyte, which leaves room in a level-2 cache for the kernel.
const TILE: usize = 128 * 1024;
/// Partial sums of the kernel's gradient; fixed, so that the order of additions does not depend on the threads.
const GROUPS: usize = 8;

struct Conv2d {
    geometry: Geometry,
}

/// One picture's sizes, and those of what is made of it.
#[derive(Clone, Copy)]
struct Plane {
    geometry: Geometry,
    height: usize,
    width: usize,
    channels: usize,
    out_height: usize,
    out_width: usize,
}

impl Plane {
    fn new(geometry: Geometry, height: usize, width: usize, channels: usize) -> Self {
        let (out_height, out_width) = (geometry.output(height), geometry.output(width));
        Self { geometry, height, width, channels, out_height, out_width }
    }

    fn input(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Output pixels.
    fn positions(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Values in a patch.
    fn depth(&self) -> usize {
        self.geometry.kernel * self.geometry.kernel * self.channels
    }

    fn tile(&self) -> usize {
        (TILE / self.depth()).clamp(1, self.positions())
    }

    fn pointwise(&self) -> bool {
        self.geometry == Geometry { kernel: 1, stride: 1, padding: 0 }
    }

    /// The patches of `count` output pixels from `first` on: `count` rows of `depth` values.
    fn patches<'a>(&self, picture: &'a [f32], first: usize, count: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        if self.pointwise() {
            return &picture[first * self.channels..(first + count) * self.channels];
        }
        let Geometry { kernel, stride, padding } = self.geometry;
        let (channels, strip) = (self.channels, kernel * self.channels);
        scratch.clear();
        scratch.resize(count * self.depth(), 0.0);
        for (row, patch) in scratch.chunks_exact_mut(self.depth()).enumerate() {
            let (oy, ox) = ((first + row) / self.out_width, (first + row) % self.out_width);
            // The kernel's columns that lie inside the picture.
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
                patch[target..target + length].copy_from_slice(&picture[source..source + length]);
            }
        }
        scratch
    }
}

impl Conv2d {
    fn plane(&self, shape: &Shape) -> Result<(usize, Plane)> {
        let (batch, height, width, channels) = shape.dims4()?;
        Ok((batch, Plane::new(self.geometry, height, width, channels)))
    }
}

fn forward(x: &[f32], weight: &[f32], plane: Plane, batch: usize, filters: usize) -> Vec<f32> {
    let mut out = vec![0.0; batch * plane.positions() * filters];
    let tile = plane.tile();
    let pictures = x.par_chunks_exact(plane.input()).zip(out.par_chunks_exact_mut(plane.positions() * filters));
    pictures.for_each(|(picture, out)| {
        out.par_chunks_mut(tile * filters).enumerate().for_each_init(Vec::new, |scratch, (index, out)| {
            let count = out.len() / filters;
            let patches = plane.patches(picture, index * tile, count, scratch);
            let sizes = Sizes { rows: count, depth: plane.depth(), columns: filters };
            matmul(Matrix::of(patches, plane.depth()), Matrix::of(weight, filters), out, sizes, false);
        });
    });
    out
}

/// The gradient of the kernel: the sum over all output pixels of patch times gradient.
fn weight_gradient(x: &[f32], gradient: &[f32], plane: Plane, batch: usize, filters: usize) -> Vec<f32> {
    let (tile, positions) = (plane.tile(), plane.positions());
    let group = batch.div_ceil(GROUPS).max(1);
    let partial: Vec<Vec<f32>> = x
        .par_chunks(group * plane.input())
        .zip(gradient.par_chunks(group * positions * filters))
        .map(|(pictures, gradients)| {
            let mut sum = vec![0.0; plane.depth() * filters];
            let mut scratch = Vec::new();
            let pairs = pictures.chunks_exact(plane.input()).zip(gradients.chunks_exact(positions * filters));
            for (picture, gradient) in pairs {
                for (index, gradient) in gradient.chunks(tile * filters).enumerate() {
                    let count = gradient.len() / filters;
                    let patches = plane.patches(picture, index * tile, count, &mut scratch);
                    let sizes = Sizes { rows: plane.depth(), depth: count, columns: filters };
                    let patches = Matrix::transposed(patches, plane.depth());
                    matmul(patches, Matrix::of(gradient, filters), &mut sum, sizes, true);
                }
            }
            sum
        })
        .collect();
    let mut partial = partial.into_iter();
    let mut sum = partial.next().unwrap_or_else(|| vec![0.0; plane.depth() * filters]);
    partial.for_each(|addend| slices::add_into(&mut sum, &addend));
    sum
}

/// The gradient of the pictures: itself a convolution, of the output's gradient with the kernel turned around.
fn input_gradient(gradient: &[f32], weight: &[f32], plane: Plane, batch: usize, filters: usize) -> Vec<f32> {
    let Geometry { kernel, stride, padding } = plane.geometry;
    let (taps, channels) = (kernel * kernel, plane.channels);
    let mut turned = vec![0.0; weight.len()];
    for (tap, source) in weight.chunks_exact(channels * filters).enumerate() {
        let target = &mut turned[(taps - 1 - tap) * filters * channels..][..filters * channels];
        for (c, row) in source.chunks_exact(filters).enumerate() {
            row.iter().enumerate().for_each(|(f, &value)| target[f * channels + c] = value);
        }
    }
    // Without a stride there is a gradient at each of these positions; with one, the positions between stay zero.
    let (height, width) = (plane.height + 2 * padding + 1 - kernel, plane.width + 2 * padding + 1 - kernel);
    let back = Geometry { kernel, stride: 1, padding: kernel - 1 - padding };
    let back = Plane::new(back, height, width, filters);
    if stride == 1 {
        return forward(gradient, &turned, back, batch, channels);
    }
    let mut spread = vec![0.0; batch * back.input()];
    let pairs = spread.chunks_exact_mut(back.input()).zip(gradient.chunks_exact(plane.positions() * filters));
    for (spread, gradient) in pairs {
        for (index, pixel) in gradient.chunks_exact(filters).enumerate() {
            let (y, x) = (index / plane.out_width * stride, index % plane.out_width * stride);
            spread[(y * width + x) * filters..][..filters].copy_from_slice(pixel);
        }
    }
    forward(&spread, &turned, back, batch, channels)
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, plane) = self.plane(l1.shape())?;
        let (_, filters) = l2.shape().dims2()?;
        let x = slices::of_storage(self.name(), s1, l1)?;
        let weight = slices::of_storage(self.name(), s2, l2)?;
        let out = forward(x, weight, plane, batch, filters);
        slices::output(out, (batch, plane.out_height, plane.out_width, filters))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (batch, plane) = self.plane(x.shape())?;
        let (_, filters) = weight.dims2()?;
        let (dx, dw) = slices::with([x, weight, gradient], |[xs, ws, gradient]| {
            // A picture needs no gradient, and neither does a kernel that is not trained.
            let dx = x.track_op().then(|| input_gradient(gradient, ws, plane, batch, filters));
            let dw = weight.track_op().then(|| weight_gradient(xs, gradient, plane, batch, filters));
            (dx, dw)
        })?;
        let dx = dx.map(|data| slices::tensor(data, x.shape())).transpose()?;
        let dw = dw.map(|data| slices::tensor(data, weight.shape())).transpose()?;
        Ok((dx, dw))
    }
}

/// A row-major matrix or the transpose of one.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    data: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    fn of(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: columns, column_stride: 1 }
    }

    /// The transpose of a row-major matrix of `columns` columns.
    fn transposed(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: 1, column_stride: columns }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

/// The sizes of a product: (rows, depth) times (depth, columns).
#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    depth: usize,
    columns: usize,
}

/// `out = a b`, or `out += a b`, on the calling thread.
#[allow(unsafe_code)]
fn matmul(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], sizes: Sizes, accumulate: bool) {
    let Sizes { rows, depth, columns } = sizes;
    assert!(a.holds(rows, depth) && b.holds(depth, columns) && out.len() == rows * columns, "matmul: sizes");
    // SAFETY: the assertion above keeps every index that gemm computes from the sizes and strides inside its slice,
    // and `out` is borrowed mutably, so it overlaps neither argument.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
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

#[cfg(test)]
mod tests {
    use super::super::gradcheck::{check, close, filled};
    use super::*;

    const CASES: [(Geometry, usize, usize); 6] = [
        (Geometry { kernel: 1, stride: 1, padding: 0 }, 5, 4),
        (Geometry { kernel: 3, stride: 1, padding: 1 }, 6, 5),
        (Geometry { kernel: 3, stride: 1, padding: 0 }, 5, 7),
        (Geometry { kernel: 7, stride: 2, padding: 3 }, 9, 8),
        (Geometry { kernel: 2, stride: 2, padding: 0 }, 5, 6),
        (Geometry { kernel: 5, stride: 1, padding: 2 }, 2, 2),
    ];

    #[test]
    fn gradients_agree_with_finite_differences() {
        for (geometry, height, width) in CASES {
            let x = filled(&[3, height, width, 2], 1);
            let weight = filled(&[geometry.kernel * geometry.kernel * 2, 4], 2);
            check(&[x, weight], |t| conv2d(&t[0], &t[1], geometry));
        }
    }

    #[test]
    fn agrees_with_candle_forward_and_backward() -> Result<()> {
        for (geometry, height, width) in CASES {
            let Geometry { kernel, stride, padding } = geometry;
            let x = candle_core::Var::from_tensor(&filled(&[2, height, width, 3], 3))?;
            let weight = candle_core::Var::from_tensor(&filled(&[kernel * kernel * 3, 4], 4))?;
            let ours = conv2d(&x, &weight, geometry)?;
            let oihw = weight.reshape((kernel, kernel, 3, 4))?.permute((3, 2, 0, 1))?.contiguous()?;
            let nchw = x.permute((0, 3, 1, 2))?.contiguous()?;
            let theirs = nchw.conv2d(&oihw, padding, stride, 1, 1)?.permute((0, 2, 3, 1))?.contiguous()?;
            close(&ours, &theirs, 1e-4);
            // candle's own gradient of a strided convolution guesses the output's padding and fails on some sizes.
            if stride == 1 {
                let direction = filled(ours.dims(), 5);
                let ours = (ours * &direction)?.sum_all()?.backward()?;
                let theirs = (theirs * &direction)?.sum_all()?.backward()?;
                for var in [&x, &weight] {
                    close(ours.get(var).unwrap(), theirs.get(var).unwrap(), 1e-4);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_kernel_that_does_not_fit_is_refused() {
        let geometry = Geometry { kernel: 3, stride: 1, padding: 1 };
        assert!(conv2d(&filled(&[1, 4, 4, 2], 1), &filled(&[17, 4], 2), geometry).is_err());
    }

    #[test]
    fn a_batch_equals_its_single_pictures() -> Result<()> {
        let geometry = Geometry { kernel: 3, stride: 1, padding: 1 };
        let (x, weight) = (filled(&[5, 9, 9, 16], 1), filled(&[144, 8], 2));
        let batch = conv2d(&x, &weight, geometry)?;
        for index in 0..5 {
            let single = conv2d(&x.narrow(0, index, 1)?, &weight, geometry)?;
            close(&batch.narrow(0, index, 1)?, &single, 0.0);
        }
        Ok(())
    }
}
