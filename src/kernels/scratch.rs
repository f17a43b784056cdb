//! Memory that a thread works in and keeps, so that a step asks the system for none.

use std::cell::RefCell;

thread_local! {
    /// One for each call that is under way in the thread's other calls, the last one used on top.
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with slices of the given lengths, which hold whatever the last user left there.
pub(crate) fn with_scratch<const N: usize, R>(lengths: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    let mut memory = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
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
    SCRATCH.with_borrow_mut(|free| free.push(memory));
    result
}
