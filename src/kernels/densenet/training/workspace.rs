//! The memory of a training step, kept from one step to the next.

use std::collections::HashMap;

use crate::kernels::densenet::training::batch_shape::BatchShape;
use crate::kernels::simd::Level;

/// Buffers that are not in use, and the level of the vector instructions. A step that is like the last one finds all
/// its memory here, so the system need not clear fresh pages for it.
pub struct Workspace {
    level: Level,
    images: Option<BatchShape>,
    free: HashMap<usize, Vec<Vec<f32>>>,
}

impl Workspace {
    /// An empty one.
    pub fn new(level: Level) -> Self {
        Self { level, images: None, free: HashMap::new() }
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// A buffer of that length, which holds whatever its last user left there.
    pub(crate) fn take(&mut self, length: usize) -> Vec<f32> {
        self.free.get_mut(&length).and_then(Vec::pop).unwrap_or_else(|| vec![0.0; length])
    }

    /// Takes a buffer back.
    pub(crate) fn give(&mut self, buffer: Vec<f32>) {
        self.free.entry(buffer.len()).or_default().push(buffer);
    }

    /// Gets ready for images of this size; buffers of another size are forgotten.
    pub fn prepare(&mut self, images: BatchShape) {
        if self.images.replace(images) != Some(images) {
            self.free.clear();
        }
    }
}
