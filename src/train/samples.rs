//! The pictures of one part, prepared once and kept in memory, and the batches that are drawn from them.
//!
//! In: pictures by path with their labels. Out: tensors (batch, size, size, 3) and label indices. A picture of 128x128
//! takes 192 KiB.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::error::TrainError;
use crate::breakhis::Picture;
use crate::diagnosis::Label;
use crate::pixels::{DecodeLimits, Dihedral, Preprocess, read};

/// Pictures that a network takes at once where nothing is learned.
pub(super) const CHUNK: usize = 32;

/// The prepared pictures of one part.
pub struct Samples {
    size: usize,
    pictures: Vec<Vec<f32>>,
    labels: Vec<Label>,
}

impl Samples {
    /// Reads, decodes and prepares every picture.
    ///
    /// # Errors
    /// When a picture cannot be read; the error names it.
    pub fn load(pictures: &[&Picture], preprocess: &Preprocess) -> Result<Self, TrainError> {
        let limits = DecodeLimits::default();
        let prepared: Result<Vec<Vec<f32>>, TrainError> =
            pictures.par_iter().map(|picture| Ok(preprocess.pixels(&read(&picture.path, &limits)?)?)).collect();
        let labels = pictures.iter().map(|picture| picture.label()).collect();
        Ok(Self::of(preprocess.size as usize, prepared?, labels))
    }

    /// Prepared pictures of `size` times `size` times 3 values, with a label each.
    pub(super) fn of(size: usize, pictures: Vec<Vec<f32>>, labels: Vec<Label>) -> Self {
        Self { size, pictures, labels }
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// Their labels.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The pictures at `indices`, each in the view given for it, as (batch, size, size, 3).
    ///
    /// # Errors
    /// When candle fails.
    pub(super) fn batch(
        &self,
        indices: &[usize],
        view: impl Fn(usize) -> Dihedral + Sync,
    ) -> Result<Tensor, TrainError> {
        let length = self.size * self.size * 3;
        let mut data = vec![0.0; indices.len() * length];
        data.par_chunks_exact_mut(length).zip(indices).enumerate().for_each(|(position, (target, &index))| {
            view(position).apply(&self.pictures[index], self.size, target);
        });
        Ok(Tensor::from_vec(data, (indices.len(), self.size, self.size, 3), &Device::Cpu)?)
    }

    /// The label indices at `indices`, as (batch).
    pub(super) fn targets(&self, indices: &[usize]) -> Vec<Label> {
        indices.iter().map(|&index| self.labels[index]).collect()
    }
}
