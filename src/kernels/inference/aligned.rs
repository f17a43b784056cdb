//! Buffers that start on a cache line, so that no vector of a packed row lies across two.
//!
//! They live as long as the network does. Those of some size come from the system page by page and not from the heap,
//! where they would stand in the way of the memory that loading a network takes and gives back.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use half::f16;
use memmap2::MmapMut;

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// Bytes from which on a buffer is worth its own pages.
const OWN_PAGES: usize = 32 * 1024;

/// A number that is zero where all its bits are.
pub(super) trait Number: Copy + Default {}

impl Number for f32 {}
impl Number for f16 {}

/// A slice of `T`, zero at first, that starts on a cache line and never moves.
#[derive(Debug)]
pub(super) struct Aligned<T> {
    memory: Memory,
    start: usize,
    length: usize,
    of: PhantomData<T>,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    Pages(MmapMut),
}

impl<T: Number> Aligned<T> {
    pub(super) fn zeros(length: usize) -> Self {
        let bytes = length * size_of::<T>();
        // Where the system has no pages to give, the heap tells that memory is at its end as it does for everything.
        let pages = (bytes >= OWN_PAGES).then(|| MmapMut::map_anon(bytes).ok()).flatten();
        let (memory, start) = match pages {
            Some(pages) => (Memory::Pages(pages), 0),
            None => {
                let data = vec![0; bytes + LINE];
                let start = data.as_ptr().align_offset(LINE).min(LINE);
                (Memory::Heap(data), start)
            }
        };
        Self { memory, start, length, of: PhantomData }
    }
}

impl<T: Number> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let bytes: &[u8] = match &self.memory {
            Memory::Heap(data) => data,
            Memory::Pages(pages) => pages,
        };
        let numbers = &bytes[self.start..self.start + self.length * size_of::<T>()];
        // SAFETY: the slice holds `length` numbers, starts on a cache line, and any bits are a `Number`.
        unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), self.length) }
    }
}

impl<T: Number> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let bytes: &mut [u8] = match &mut self.memory {
            Memory::Heap(data) => data,
            Memory::Pages(pages) => pages,
        };
        let numbers = &mut bytes[self.start..self.start + self.length * size_of::<T>()];
        // SAFETY: as above, and the borrow is this buffer's only one.
        unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_starts_on_a_cache_line_and_holds_what_is_put_there() {
        for length in [0, 1, 15, 16, 1000, 8191, 8192, 100_000] {
            let mut buffer = Aligned::<f32>::zeros(length);
            assert_eq!((buffer.len(), buffer.as_ptr().align_offset(LINE)), (length, 0));
            assert!(buffer.iter().all(|number| *number == 0.0));
            buffer.iter_mut().enumerate().for_each(|(i, number)| *number = i as f32);
            assert!(buffer.iter().enumerate().all(|(i, number)| *number == i as f32));
        }
        assert!(Aligned::<f16>::zeros(70_000).iter().all(|number| *number == f16::ZERO));
    }
}
