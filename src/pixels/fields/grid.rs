//! Where the fields of an image lie.

use std::num::NonZeroU32;

/// How an image is cut into square fields: from the top and from the left, with the last of a row or column moved inwards,
/// so that none reaches beyond the image.
///
/// ```
/// use lobule::pixels::Fields;
///
/// let fields = Fields::new(512, 64)?;
/// assert_eq!(fields.starts(1300)?.collect::<Vec<_>>(), [0, 448, 788]);
/// assert!(Fields::new(512, 512).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    size: NonZeroU32,
    overlap: u32,
}

/// Why an image cannot be cut so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldsError {
    /// A field of no pixels.
    #[error("a field has at least one pixel on each side")]
    NoSize,
    /// Neighbours would be at the same place, or go backwards.
    #[error("fields of {size} pixels overlap by fewer than {size}, and not by {overlap}")]
    Overlap {
        /// The side of a field, in pixels.
        size: u32,
        /// How many pixels two neighbours were to share.
        overlap: u32,
    },
    /// An image of this length is shorter than a field.
    #[error("no field of {size} pixels fits into {length}")]
    Shorter {
        /// The side of a field, in pixels.
        size: u32,
        /// The length of the image, in pixels.
        length: u32,
    },
}

impl Fields {
    /// Fields of `size` pixels on each side, of which neighbours share `overlap` pixels.
    ///
    /// # Errors
    /// When the size is 0, or the overlap not less than the size.
    pub fn new(size: u32, overlap: u32) -> Result<Self, FieldsError> {
        let whole = NonZeroU32::new(size).ok_or(FieldsError::NoSize)?;
        if overlap >= size {
            return Err(FieldsError::Overlap { size, overlap });
        }
        Ok(Self { size: whole, overlap })
    }

    /// The side of a field, in pixels.
    pub fn size(self) -> u32 {
        self.size.get()
    }

    /// Where fields begin along the width or the height of an image.
    ///
    /// # Errors
    /// When it is shorter than a field.
    pub fn starts(self, length: u32) -> Result<FieldStarts, FieldsError> {
        let size = self.size();
        let last = length.checked_sub(size).ok_or(FieldsError::Shorter { size, length })?;
        Ok(FieldStarts { next: Some(0), step: size - self.overlap, last })
    }

    /// How many fields an image of this width and height has.
    ///
    /// # Errors
    /// When it is smaller than a field.
    pub fn count(self, width: u32, height: u32) -> Result<u64, FieldsError> {
        let along = |length| self.starts(length).map(|starts| u64::from(starts.last.div_ceil(starts.step)) + 1);
        Ok(along(width)? * along(height)?)
    }
}

/// Where the fields of a row or a column begin, in pixels; see [`Fields::starts`].
#[derive(Clone, Debug)]
pub struct FieldStarts {
    next: Option<u32>,
    step: u32,
    last: u32,
}

impl Iterator for FieldStarts {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let here = self.next?;
        self.next = (here < self.last).then(|| here.saturating_add(self.step).min(self.last));
        Some(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(size: u32, overlap: u32, length: u32) -> Vec<u32> {
        Fields::new(size, overlap).unwrap().starts(length).unwrap().collect()
    }

    #[test]
    fn every_pixel_is_in_a_field_and_no_field_is_beyond_the_edge_or_there_twice() {
        for size in 1..12 {
            for overlap in 0..size {
                for length in size..40 {
                    let starts = starts(size, overlap, length);
                    assert_eq!((starts[0], starts[starts.len() - 1]), (0, length - size));
                    for pair in starts.windows(2) {
                        let step = pair[1] - pair[0];
                        assert!((1..=size - overlap).contains(&step), "{size} {overlap} {length}: {starts:?}");
                    }
                    let but_the_last = &starts[..starts.len() - 1];
                    assert!(but_the_last.windows(2).all(|pair| pair[1] - pair[0] == size - overlap));
                }
            }
        }
        assert_eq!(starts(u32::MAX, u32::MAX - 1, u32::MAX), [0]);
        assert_eq!(Fields::new(512, 0).unwrap().count(20_000, 20_001).unwrap(), 40 * 40);
        assert_eq!(Fields::new(2, 0).unwrap().count(u32::MAX, u32::MAX).unwrap(), 1 << 62);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(Fields::new(0, 0), Err(FieldsError::NoSize));
        assert_eq!(
            Fields::new(5, 5).unwrap_err().to_string(),
            "fields of 5 pixels overlap by fewer than 5, and not by 5"
        );
        assert!(Fields::new(9, 0).unwrap().starts(8).is_err());
    }
}
