//! How much memory a file may ask for: what it declares is held against its length.

/// What a small file may declare beyond its length, in bytes: tensors of zeros compress to nothing.
const ALWAYS: usize = 1 << 20;

/// How many numbers may still be read from a file.
pub(super) struct NumberBudget {
    bytes: usize,
    left: u64,
}

impl NumberBudget {
    /// For a file of so many bytes. Numbers of 16 bits become twice as long in f32, which is the most that a file of
    /// weights grows by: trained ones do not compress.
    pub(super) fn of_file(length: usize) -> Self {
        let bytes = length.saturating_mul(2).saturating_add(ALWAYS);
        Self { bytes, left: (bytes / size_of::<f32>()) as u64 }
    }

    /// All of it in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes so many numbers from it.
    ///
    /// # Errors
    /// The end of a sentence about the tensor, when there are not so many left.
    pub(super) fn take(&mut self, numbers: u64) -> Result<(), String> {
        match self.left.checked_sub(numbers) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(format!(
                "has {numbers} numbers, more than a file of this length holds unless it was made to fill memory"
            )),
        }
    }
}
