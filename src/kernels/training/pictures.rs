//! How many pictures a step learns from, and how large they are.

/// Pictures of one size, batch after batch of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pictures {
    /// Their number.
    pub count: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl Pictures {
    /// Pixels of a picture.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Pixels of all pictures.
    pub fn rows(&self) -> usize {
        self.count * self.pixels()
    }
}
