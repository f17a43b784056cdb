//! What the decoder of bitmaps passes over.

use image::DynamicImage;

use super::Note;

/// Programs that write bitmaps of 32 bits often leave the last 8 alone: an alpha channel that is zero everywhere means
/// none.
pub(super) fn opaque_without_alpha(image: &mut DynamicImage) -> Option<Note> {
    let DynamicImage::ImageRgba8(image) = image else { return None };
    if image.pixels().any(|pixel| pixel.0[3] != 0) {
        return None;
    }
    image.pixels_mut().for_each(|pixel| pixel.0[3] = 255);
    Some(Note::AlphaIgnored)
}

/// The ICC profile inside a bitmap with the fifth version of the header.
pub(super) fn profile(bytes: &[u8]) -> Option<&[u8]> {
    const FILE_HEADER: usize = 14;
    const FIFTH_HEADER: usize = 124;
    let header = bytes.get(FILE_HEADER..)?;
    let number = |at: usize| Some(u32::from_le_bytes(*header.get(at..)?.first_chunk()?) as usize);
    if number(0)? != FIFTH_HEADER || header.get(56..60)? != b"DEBM" {
        return None;
    }
    header.get(number(112)?..)?.get(..number(116)?)
}
