//! How a dense block's pixels lie in its buffers.

use std::ops::Range;

/// The sizes of a dense block's buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    /// Rows of pixels.
    pub(crate) height: usize,
    /// Pixels of a row.
    pub(crate) width: usize,
    /// Numbers from one pixel to the next in the block's own buffer.
    pub(crate) stride: usize,
    /// The same in a bottleneck buffer.
    pub(crate) bottleneck: usize,
    /// Pixels of a row of a bottleneck buffer, its border among them.
    pub(crate) bordered: usize,
}

impl Plane {
    /// Where rows of pixels lie in the block's own buffer.
    pub(crate) fn own(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.width * self.stride..rows.end * self.width * self.stride
    }

    /// Where rows of pixels lie in a bottleneck buffer, which has one row of border above them.
    pub(crate) fn own_bordered(&self, rows: &Range<usize>) -> Range<usize> {
        (rows.start + 1) * self.bordered * self.bottleneck..(rows.end + 1) * self.bordered * self.bottleneck
    }
}
