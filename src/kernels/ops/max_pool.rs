//! The maximum of each window, channels last, with a gradient that is right for any size: candle's is not.
//!
//! In: images (batch, height, width, channels). Out: (batch, out height, out width, channels).

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::kernels::im2col::Geometry;
use crate::kernels::slices;

/// The largest value of each window. Padding never wins, which equals a padding of zeros where `x` is a ReLU's
/// output. Of equal values the first one, row by row, gets the gradient.
pub(crate) fn max_pool(x: &Tensor, geometry: Geometry) -> Result<Tensor> {
    let (_, height, width, _) = x.dims4()?;
    let Geometry { kernel, stride, padding } = geometry;
    if stride == 0 || padding >= kernel || height.min(width) + 2 * padding < kernel {
        bail!("max_pool: images of {height}x{width} do not fit {geometry:?}");
    }
    slices::ready(x)?.apply_op1(MaxPool { geometry })
}

struct MaxPool {
    geometry: Geometry,
}

impl MaxPool {
    /// Calls `f` with each output pixel's index and the input pixels of its window, as offsets into an image.
    fn windows(&self, height: usize, width: usize, mut f: impl FnMut(usize, &[usize])) {
        let Geometry { kernel, stride, padding } = self.geometry;
        let (out_height, out_width) = (self.geometry.output(height), self.geometry.output(width));
        let mut window = Vec::with_capacity(kernel * kernel);
        for index in 0..out_height * out_width {
            let (top, left) = (index / out_width * stride, index % out_width * stride);
            window.clear();
            for y in (top..top + kernel).filter_map(|y| y.checked_sub(padding)).filter(|&y| y < height) {
                for x in (left..left + kernel).filter_map(|x| x.checked_sub(padding)).filter(|&x| x < width) {
                    window.push(y * width + x);
                }
            }
            f(index, &window);
        }
    }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, height, width, channels) = layout.shape().dims4()?;
        let x = slices::of_storage(self.name(), storage, layout)?;
        let (out_height, out_width) = (self.geometry.output(height), self.geometry.output(width));
        let mut out = vec![f32::NEG_INFINITY; batch * out_height * out_width * channels];
        let images = out.par_chunks_exact_mut(out_height * out_width * channels);
        images.zip(x.par_chunks_exact(height * width * channels)).for_each(|(out, x)| {
            self.windows(height, width, |index, window| {
                let out = &mut out[index * channels..][..channels];
                for &pixel in window {
                    for (o, x) in out.iter_mut().zip(&x[pixel * channels..][..channels]) {
                        *o = o.max(*x);
                    }
                }
            });
        });
        slices::output(out, (batch, out_height, out_width, channels))
    }

    fn bwd(&self, x: &Tensor, out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (_, height, width, channels) = x.dims4()?;
        let size = out.elem_count() / out.dims()[0].max(1);
        let spread = |x: &[f32], gradient: &[f32]| {
            let mut dx = vec![0.0; x.len()];
            let plane = height * width * channels;
            let images = dx.par_chunks_exact_mut(plane).zip(x.par_chunks_exact(plane));
            images.zip(gradient.par_chunks_exact(size)).for_each(|((dx, x), gradient)| {
                let mut best = vec![(f32::NEG_INFINITY, 0usize); channels];
                self.windows(height, width, |index, window| {
                    best.fill((f32::NEG_INFINITY, 0));
                    for &pixel in window {
                        for (best, x) in best.iter_mut().zip(&x[pixel * channels..][..channels]) {
                            if *x > best.0 {
                                *best = (*x, pixel);
                            }
                        }
                    }
                    for (c, (best, g)) in best.iter().zip(&gradient[index * channels..][..channels]).enumerate() {
                        dx[best.1 * channels + c] += g;
                    }
                });
            });
            dx
        };
        let dx = slices::with([x, gradient], |[x, gradient]| spread(x, gradient))?;
        slices::tensor(dx, x.shape()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ops::gradcheck::{check, close, filled};

    const STEM: Geometry = Geometry { kernel: 3, stride: 2, padding: 1 };
    const HALVING: Geometry = Geometry { kernel: 2, stride: 2, padding: 0 };

    #[test]
    fn gradients_agree_with_finite_differences_for_even_and_odd_sizes() {
        for size in [[2, 4, 6, 3], [2, 5, 7, 3]] {
            for geometry in [STEM, HALVING] {
                check(&[filled(&size, 1)], |t| max_pool(&t[0], geometry));
            }
        }
    }

    #[test]
    fn agrees_with_candle_forward() -> Result<()> {
        let x = filled(&[2, 9, 7, 5], 1);
        let nchw = x.permute((0, 3, 1, 2))?.contiguous()?;
        let back = |t: Tensor| t.permute((0, 2, 3, 1))?.contiguous();
        close(&max_pool(&x, HALVING)?, &back(nchw.max_pool2d(2)?)?, 0.0);
        let padded = nchw.relu()?.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
        close(&max_pool(&x.relu()?, STEM)?, &back(padded.max_pool2d_with_stride(3, 2)?)?, 0.0);
        Ok(())
    }

    #[test]
    fn each_maximum_gets_the_whole_gradient_of_its_window() -> Result<()> {
        // candle 0.11 gives a quarter of it.
        let x = candle_core::Var::from_tensor(&filled(&[1, 2, 2, 1], 1))?;
        let gradients = max_pool(&x, HALVING)?.sum_all()?.backward()?;
        let total = gradients.get(&x).unwrap().sum_all()?.to_scalar::<f32>()?;
        assert_eq!(total, 1.0);
        Ok(())
    }
}
