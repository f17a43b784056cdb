//! Concatenation along the last axis, whose gradients are copies and not strided views.
//!
//! In: `a` (..., m) and `b` (..., n) of equal leading sizes. Out: (..., m + n).

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::kernels::ops::slices;

/// Lays the channels of `b` behind those of `a`.
///
/// # Errors
/// When the leading sizes differ.
pub fn concat_channels(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (Some((_, rows_a)), Some((_, rows_b))) = (a.dims().split_last(), b.dims().split_last()) else {
        bail!("concat_channels: a number has no channels");
    };
    if rows_a != rows_b {
        bail!("concat_channels: {:?} and {:?} differ before the last axis", a.shape(), b.shape());
    }
    slices::ready(a)?.apply_op2(&slices::ready(b)?, Concat)
}

struct Concat;

const ROWS: usize = 256;

fn split(whole: &[f32], width: usize, from: usize, count: usize) -> Vec<f32> {
    let mut part = vec![0.0; whole.len() / width * count];
    part.par_chunks_mut(ROWS * count).zip(whole.par_chunks(ROWS * width)).for_each(|(part, whole)| {
        for (part, whole) in part.chunks_exact_mut(count).zip(whole.chunks_exact(width)) {
            part.copy_from_slice(&whole[from..from + count]);
        }
    });
    part
}

impl CustomOp2 for Concat {
    fn name(&self) -> &'static str {
        "concat_channels"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (a, b) = (slices::of_storage(self.name(), s1, l1)?, slices::of_storage(self.name(), s2, l2)?);
        let mut dims = l1.dims().to_vec();
        let (m, n) = (dims[dims.len() - 1], l2.dims()[dims.len() - 1]);
        let width = m + n;
        let mut out = vec![0.0; a.len() + b.len()];
        let parts = a.par_chunks(ROWS * m).zip(b.par_chunks(ROWS * n));
        out.par_chunks_mut(ROWS * width).zip(parts).for_each(|(out, (a, b))| {
            for (out, (a, b)) in out.chunks_exact_mut(width).zip(a.chunks_exact(m).zip(b.chunks_exact(n))) {
                out[..m].copy_from_slice(a);
                out[m..].copy_from_slice(b);
            }
        });
        if let Some(last) = dims.last_mut() {
            *last = width;
        }
        slices::output(out, dims)
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, out: &Tensor, gradient: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let last = |t: &Tensor| t.dims()[t.rank() - 1];
        let (m, n, width) = (last(a), last(b), last(out));
        let (da, db) = slices::with([gradient], |[g]| (split(g, width, 0, m), split(g, width, m, n)))?;
        Ok((Some(slices::tensor(da, a.shape())?), Some(slices::tensor(db, b.shape())?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ops::gradcheck::{check, close, filled};

    #[test]
    fn gradients_agree_with_finite_differences() {
        check(&[filled(&[2, 3, 4], 1), filled(&[2, 3, 5], 2)], |t| concat_channels(&t[0], &t[1]));
    }

    #[test]
    fn agrees_with_candle() -> Result<()> {
        let (a, b) = (filled(&[2, 30, 11, 4], 1), filled(&[2, 30, 11, 7], 2));
        close(&concat_channels(&a, &b)?, &Tensor::cat(&[&a, &b], 3)?, 0.0);
        Ok(())
    }
}
