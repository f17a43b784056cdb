//! The memory of a training step, kept from one step to the next, and the size of what a step learns from.

use std::collections::HashMap;

use crate::kernels::Level;

/// Images of one size, row after row of pixels.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct BatchShape {
    pub(crate) count: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl BatchShape {
    /// Pixels of an image.
    pub(crate) fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Pixels of all images.
    pub(crate) fn rows(&self) -> usize {
        self.count * self.pixels()
    }
}

/// Buffers that are not in use, and the level of the vector instructions. A step that is like the last one finds all
/// its memory here, so the system need not clear fresh pages for it.
pub struct Workspace {
    pub(crate) level: Level,
    images: Option<BatchShape>,
    free: HashMap<usize, Vec<Vec<f32>>>,
}

impl Workspace {
    /// Without any buffer yet.
    pub fn new(level: Level) -> Self {
        Self { level, images: None, free: HashMap::new() }
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
    pub(crate) fn prepare(&mut self, images: BatchShape) {
        if self.images.replace(images) != Some(images) {
            self.free.clear();
        }
    }
}
