//! Decoders that are not ours panic on some files; what one does to its own file must end nothing else.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; the error is its panic. What `work` had is lost with it, so nothing can be left half done.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    let outer = CAUGHT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    outcome
}

/// Whether a panic of this thread, now, is one of a decoder that becomes an error of its image. A panic hook that asks
/// this can pass it over in silence.
pub fn is_caught() -> bool {
    CAUGHT.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_is_known_as_one_that_is_caught() {
        assert!(!is_caught());
        assert!(caught(is_caught).unwrap());
        assert!(caught(|| panic!("a decoder's panic")).is_err());
        assert!(!is_caught());
    }
}
