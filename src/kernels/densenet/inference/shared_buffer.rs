//! A buffer that the threads of a team share.

use std::ops::Range;

use crate::kernels::densenet::inference::gemm::Aligned;

/// A buffer that the threads of a team read and write; which piece of a step may touch which range is the walk's to
/// say.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    /// Holds the memory that `start` points into; never touched otherwise.
    _data: Aligned<T>,
    start: *mut T,
    length: usize,
}

// SAFETY: the buffer is reached only through the unsafe methods below, whose callers keep writers apart from everyone
// else; `start` points into the buffer, which never moves.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T: Copy + Default> Shared<T> {
    pub(crate) fn zeros(length: usize) -> Self {
        let mut data = Aligned::zeros(length);
        let start = data.as_mut_ptr();
        Self { _data: data, start, length }
    }

    pub(crate) fn all(&self) -> Range<usize> {
        0..self.length
    }

    /// # Safety
    /// Until the end of the step, no thread may write to the range.
    #[inline(always)]
    pub(crate) unsafe fn read(&self, range: Range<usize>) -> &[T] {
        assert!(range.start <= range.end && range.end <= self.length, "a range of a buffer");
        // SAFETY: the range lies in the buffer, and the caller vouches that nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }

    /// # Safety
    /// Until the end of the piece, no other thread may read or write the range, nor this one by another borrow.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)] // that is what this type is for
    pub(crate) unsafe fn write(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.length, "a range of a buffer");
        // SAFETY: the range lies in the buffer, and the caller vouches that it is this thread's alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
