//! Names of files that are there for a moment.

use std::hash::{BuildHasher, RandomState};

/// The end of a file name that no other process takes, also where the folder is shared with other machines: each container
/// of a job may have the same process number, so it is not enough.
pub fn scratch_name() -> String {
    format!("{}-{:016x}", std::process::id(), RandomState::new().hash_one(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_never_gives_a_name_twice() {
        assert_ne!(scratch_name(), scratch_name());
    }
}
