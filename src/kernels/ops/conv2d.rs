//! 2-D convolution, channels last, by gathering patches and multiplying matrices.
//!
//! In: images (batch, height, width, channels) and a kernel (kernel * kernel * channels, filters) whose rows run
//! over kernel row, kernel column, channel. Out: (batch, out height, out width, filters). Patches are gathered a tile
//! at a time, so they stay in the cache and are never kept: keeping them for the backward pass would take 50 MB a
//! image in DenseNet121. A 1x1 convolution gathers nothing.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::kernels::im2col::{Geometry, PatchPlane};
use crate::kernels::matmul::{Matrix, Sizes, matmul};
use crate::kernels::simd::Level;
use crate::kernels::slices;

/// Convolves `x` (batch, height, width, channels) with `weight` (kernel * kernel * channels, filters) without stride.
///
/// # Errors
/// When the shapes do not fit each other, or the geometry has a stride.
pub fn conv2d(x: &Tensor, weight: &Tensor, geometry: Geometry) -> Result<Tensor> {
    let (_, height, width, channels) = x.dims4()?;
    let (depth, _) = weight.dims2()?;
    if depth != geometry.kernel * geometry.kernel * channels {
        bail!("conv2d: a kernel of {depth} rows does not fit {channels} channels and {geometry:?}");
    }
    if geometry.padding >= geometry.kernel || geometry.stride != 1 {
        bail!("conv2d: {geometry:?} has no gradient");
    }
    let (tall, wide) = (height + 2 * geometry.padding, width + 2 * geometry.padding);
    if tall < geometry.kernel || wide < geometry.kernel {
        bail!("conv2d: images of {height}x{width} are too small for {geometry:?}");
    }
    slices::ready(x)?.apply_op2(&slices::ready(weight)?, Conv2d { geometry, level: Level::default() })
}

/// Partial sums of the kernel's gradient; fixed, so that the order of additions does not depend on the threads.
const GROUPS: usize = 8;

struct Conv2d {
    geometry: Geometry,
    level: Level,
}

impl Conv2d {
    fn plane(&self, shape: &Shape) -> Result<(usize, PatchPlane)> {
        let (batch, height, width, channels) = shape.dims4()?;
        Ok((batch, PatchPlane::new(self.geometry, height, width, channels)))
    }
}

/// Overwrites `out` (batch, out height, out width, filters).
pub(crate) fn forward(level: Level, x: &[f32], weight: &[f32], plane: PatchPlane, filters: usize, out: &mut [f32]) {
    let tile = plane.tile();
    let images = x.par_chunks_exact(plane.input()).zip(out.par_chunks_exact_mut(plane.positions() * filters));
    images.for_each(|(image, out)| {
        out.par_chunks_mut(tile * filters).enumerate().for_each_init(Vec::new, |scratch, (index, out)| {
            let count = out.len() / filters;
            let patches = plane.patches(image, index * tile, count, scratch);
            let sizes = Sizes { rows: count, depth: plane.depth(), columns: filters };
            matmul(level, Matrix::of(patches, plane.depth()), Matrix::of(weight, filters), out, sizes, false);
        });
    });
}

/// The gradient of the kernel: the sum over all output pixels of patch times gradient. `gradient` writes that of one
/// image's output (out height, out width, filters).
pub(crate) fn weight_gradient(
    level: Level,
    x: &[f32],
    plane: PatchPlane,
    filters: usize,
    gradient: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let (tile, batch) = (plane.tile(), x.len() / plane.input());
    let group = batch.div_ceil(GROUPS).max(1);
    let groups = x.par_chunks(group * plane.input()).enumerate();
    let partial = groups.map(|(index, images)| {
        let mut sum = vec![0.0; plane.depth() * filters];
        let (mut scratch, mut whole) = (Vec::new(), vec![0.0; plane.positions() * filters]);
        for (number, image) in (index * group..).zip(images.chunks_exact(plane.input())) {
            gradient(number, &mut whole);
            for (index, gradient) in whole.chunks(tile * filters).enumerate() {
                let count = gradient.len() / filters;
                let patches = plane.patches(image, index * tile, count, &mut scratch);
                let sizes = Sizes { rows: plane.depth(), depth: count, columns: filters };
                let patches = Matrix::transposed(patches, plane.depth());
                matmul(level, patches, Matrix::of(gradient, filters), &mut sum, sizes, true);
            }
        }
        sum
    });
    let partial: Vec<Vec<f32>> = partial.collect();
    let mut partial = partial.into_iter();
    let mut sum = partial.next().unwrap_or_else(|| vec![0.0; plane.depth() * filters]);
    partial.for_each(|addend| slices::add_into(&mut sum, &addend));
    sum
}

/// The gradient of the images: itself a convolution, of the output's gradient with the kernel turned around.
fn input_gradient(
    level: Level,
    gradient: &[f32],
    weight: &[f32],
    plane: PatchPlane,
    batch: usize,
    filters: usize,
) -> Vec<f32> {
    let Geometry { kernel, padding, .. } = plane.geometry;
    let (taps, channels) = (kernel * kernel, plane.channels);
    let mut turned = vec![0.0; weight.len()];
    for (tap, source) in weight.chunks_exact(channels * filters).enumerate() {
        let target = &mut turned[(taps - 1 - tap) * filters * channels..][..filters * channels];
        for (c, row) in source.chunks_exact(filters).enumerate() {
            row.iter().enumerate().for_each(|(f, &value)| target[f * channels + c] = value);
        }
    }
    let back = Geometry { kernel, stride: 1, padding: kernel - 1 - padding };
    let back = PatchPlane::new(back, plane.out_height, plane.out_width, filters);
    let mut out = vec![0.0; batch * plane.input()];
    forward(level, gradient, &turned, back, channels, &mut out);
    out
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
        let mut out = vec![0.0; batch * plane.positions() * filters];
        forward(self.level, x, weight, plane, filters, &mut out);
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
            // An image needs no gradient, and neither does a kernel that is not trained.
            let dx = x.track_op().then(|| input_gradient(self.level, gradient, ws, plane, batch, filters));
            let size = plane.positions() * filters;
            let of_image = |index: usize, out: &mut [f32]| out.copy_from_slice(&gradient[index * size..][..size]);
            let dw = weight.track_op().then(|| weight_gradient(self.level, xs, plane, filters, of_image));
            (dx, dw)
        })?;
        let dx = dx.map(|data| slices::tensor(data, x.shape())).transpose()?;
        let dw = dw.map(|data| slices::tensor(data, weight.shape())).transpose()?;
        Ok((dx, dw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ops::gradcheck::{check, close, filled};

    const CASES: [(Geometry, usize, usize); 4] = [
        (Geometry { kernel: 1, stride: 1, padding: 0 }, 5, 4),
        (Geometry { kernel: 3, stride: 1, padding: 1 }, 6, 5),
        (Geometry { kernel: 3, stride: 1, padding: 0 }, 5, 7),
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
            let direction = filled(ours.dims(), 5);
            let ours = (ours * &direction)?.sum_all()?.backward()?;
            let theirs = (theirs * &direction)?.sum_all()?.backward()?;
            for var in [&x, &weight] {
                close(ours.get(var).unwrap(), theirs.get(var).unwrap(), 1e-4);
            }
        }
        Ok(())
    }

    #[test]
    fn a_kernel_that_does_not_fit_is_refused() {
        let geometry = Geometry { kernel: 3, stride: 1, padding: 1 };
        assert!(conv2d(&filled(&[1, 4, 4, 2], 1), &filled(&[17, 4], 2), geometry).is_err());
        let strided = Geometry { stride: 2, ..geometry };
        assert!(conv2d(&filled(&[1, 4, 4, 2], 1), &filled(&[18, 4], 2), strided).is_err());
    }

    #[test]
    fn a_batch_equals_its_single_images() -> Result<()> {
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
