//! How many images a step learns from, and how large they are.

/// Images of one size, batch after batch of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShape {
    /// Their number.
    pub count: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl BatchShape {
    /// Pixels of an image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Pixels of all images.
    pub fn rows(&self) -> usize {
        self.count * self.pixels()
    }
}
