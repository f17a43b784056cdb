//! Memory that a thread works in and keeps, so that a step asks the system for none.

use std::cell::Cell;

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with slices of the given lengths, which hold whatever the last user left there.
pub(super) fn with_scratch<const N: usize, R>(lengths: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    // Taken out for the time of the call: one that comes in between makes its own.
    let mut memory = SCRATCH.take();
    let total = lengths.iter().sum();
    if memory.len() < total {
        memory.resize(total, 0.0);
    }
    let mut rest = memory.as_mut_slice();
    let slices = lengths.map(|length| {
        let (slice, behind) = std::mem::take(&mut rest).split_at_mut(length);
        rest = behind;
        slice
    });
    let result = f(slices);
    SCRATCH.set(memory);
    result
}
