//! A tensor changed in place by the elements of another, so that a step of the optimiser copies nothing.

use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};

use crate::kernels::slices;

/// Calls `f` with the elements of `target`, to be overwritten, and those of `other`. What was computed from `target`
/// before keeps the gradients that it had.
///
/// # Errors
/// When the shapes differ, or a tensor is not a contiguous one of f32.
pub fn update(target: &Tensor, other: &Tensor, f: impl FnMut(&mut [f32], &[f32])) -> Result<()> {
    if target.shape() != other.shape() {
        bail!("update: {:?} and {:?} differ", target.shape(), other.shape());
    }
    target.inplace_op2(&slices::ready(other)?, &Update(RefCell::new(f)))
}

struct Update<F>(RefCell<F>);

impl<F: FnMut(&mut [f32], &[f32])> InplaceOp2 for Update<F> {
    fn name(&self) -> &'static str {
        "update"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let other = slices::of_storage(self.name(), s2, l2)?;
        let (CpuStorage::F32(target), Some((start, end))) = (s1, l1.contiguous_offsets()) else {
            bail!("update: the target is not a contiguous tensor of f32");
        };
        (self.0.borrow_mut())(&mut target[start..end], other);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ops::gradcheck::{close, filled};

    #[test]
    fn a_variable_takes_the_new_elements_and_another_shape_is_refused() -> Result<()> {
        let (old, other) = (filled(&[3, 4], 1), filled(&[3, 4], 2));
        let var = candle_core::Var::from_tensor(&old)?;
        update(&var, &other, |target, other| target.iter_mut().zip(other).for_each(|(t, o)| *t += 2.0 * o))?;
        close(&var, &(old + (&other * 2.0)?)?, 1e-6);
        assert!(update(&var, &filled(&[4, 3], 2), |_, _| ()).is_err());
        Ok(())
    }
}
