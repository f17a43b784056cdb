//! From candle's tensors to the slices that kernels work on, and back.

use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

/// The elements of an operator's argument; it must be f32 and contiguous.
pub(crate) fn of_storage<'a>(op: &str, storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("{op}: the argument of shape {:?} is not contiguous", layout.shape());
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// Calls `f` with the elements of each tensor; one that is not contiguous is made so first.
pub(crate) fn with<const N: usize, R>(tensors: [&Tensor; N], f: impl FnOnce([&[f32]; N]) -> R) -> Result<R> {
    let tensors = tensors.into_iter().map(Tensor::contiguous).collect::<Result<Vec<_>>>()?;
    let storages: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut elements: [&[f32]; N] = [&[]; N];
    for (elements, (storage, layout)) in elements.iter_mut().zip(&storages) {
        *elements = match &**storage {
            Storage::Cpu(storage) => of_storage("gradient", storage, layout)?,
            _ => bail!("lobule's kernels run on the CPU"),
        };
    }
    Ok(f(elements))
}

/// What a custom op's forward pass returns.
pub(crate) fn output(data: Vec<f32>, shape: impl Into<Shape>) -> Result<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(data), shape.into()))
}

pub(crate) fn tensor(data: Vec<f32>, shape: &Shape) -> Result<Tensor> {
    Tensor::from_vec(data, shape.clone(), &Device::Cpu)
}

/// The tensor as a custom op wants it: f32 and contiguous.
pub(crate) fn ready(tensor: &Tensor) -> Result<Tensor> {
    if tensor.dtype() != DType::F32 {
        bail!("lobule's kernels take f32, not {:?}", tensor.dtype());
    }
    tensor.contiguous()
}

/// Adds `addend` to `sum`, element by element.
pub(crate) fn add_into(sum: &mut [f32], addend: &[f32]) {
    for (s, a) in sum.iter_mut().zip(addend) {
        *s += a;
    }
}

/// Adds all addends to `sum`, each number in their order, on all threads.
pub(crate) fn add_all(sum: &mut [f32], addends: &[&[f32]]) {
    const SIZE: usize = 1 << 13;
    sum.par_chunks_mut(SIZE).enumerate().for_each(|(index, sum)| {
        let range = index * SIZE..index * SIZE + sum.len();
        addends.iter().for_each(|addend| add_into(sum, &addend[range.clone()]));
    });
}
