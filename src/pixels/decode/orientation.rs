//! Which way up an image is, found as Pillow's `exif_transpose` finds it.

use image::metadata::Orientation;

/// The most that is looked at of a text that is not limited by its format.
pub(super) const MOST_TEXT_BYTES: usize = 1 << 20;

/// What EXIF's data say, which may begin with a mark as they do in a JPEG; else what XMP says.
pub(super) fn find(exif: &[u8], xmp: &[u8]) -> Orientation {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(exif).or_else(|| from_xmp(xmp)).unwrap_or(Orientation::NoTransforms)
}

/// By the first `tiff:Orientation="6"` or `<tiff:Orientation>6`.
fn from_xmp(xmp: &[u8]) -> Option<Orientation> {
    const NAME: &[u8] = b"tiff:Orientation";
    let xmp = &xmp[..xmp.len().min(MOST_TEXT_BYTES)];
    let value = |window: &[u8]| match window.strip_prefix(NAME)? {
        [b'=', b'"', digit @ b'0'..=b'9'] | [b'>', digit @ b'0'..=b'9', _] => Some(digit - b'0'),
        _ => None,
    };
    xmp.windows(NAME.len() + 3).find_map(value).and_then(Orientation::from_exif)
}
