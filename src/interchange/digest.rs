//! The SHA-256 of a file, which says which one it was.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::interchange::InterchangeError;

/// The SHA-256 of a file of any length, in hexadecimal digits.
///
/// # Errors
/// When it cannot be read.
pub(super) fn sha256_of_file(path: &Path) -> Result<String, InterchangeError> {
    let failed = |source| InterchangeError::Io { action: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let length = file.read(&mut block).map_err(failed)?;
        if length == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&block[..length]);
    }
}
