//! JPEG: whether a file is whole, and which decoder reads it.
//!
//! | file | what it is for |
//! |---|---|
//! | `segments` | the segments between the marks |
//! | `scans` | whether the file has all its data |
//! | `narrow` | those of a few columns, whose chroma libjpeg does not smooth |
//! | `unusual` | the files that the `image` crate's decoder gets wrong |

mod narrow;
mod scans;
mod segments;
mod unusual;

use image::ImageFormat;
use jpeg_decoder::ColorTransform;

use super::raster::Raster;
use super::{DecodeLimits, decoders, orientation};
use crate::pixels::PixelsError;

pub(super) use scans::{Fault, Layout, Shape, walk};
pub(super) use segments::next_segment;

/// Reads a JPEG file.
pub(super) fn read(bytes: &[u8], limits: &DecodeLimits) -> Result<Raster, PixelsError> {
    let layout = scans::check(bytes, limits)?;
    let header = Header::read(bytes);
    let Some(colours) = header.colours() else {
        return Err(PixelsError::Unsupported("JPEG", "which colours it means is not known; save it as PNG".into()));
    };
    let mut raster = if header.is_narrow(colours) {
        let mut raster = header.read_narrow(bytes, limits)?;
        let mut image = raster.image.into_rgb8();
        narrow::to_rgb(&mut image);
        raster.image = image.into();
        raster
    } else if layout == Layout::Usual && header.is_usual(colours) {
        decoders::read(bytes, ImageFormat::Jpeg, "JPEG", limits)?
    } else {
        unusual::read(bytes, colours, limits)?
    };
    raster.orientation = orientation::find(&header.exif, header.xmp);
    if header.components.len() == 4 {
        raster.pass_over_profile();
    }
    Ok(raster)
}

/// The Y, Cb and Cr of a stream whose data were checked, three bytes a pixel, where it has so few columns that chroma is
/// repeated; none where it is smoothed.
pub(super) fn narrow_components(bytes: &[u8]) -> Option<Result<Vec<u8>, PixelsError>> {
    let header = Header::read(bytes);
    let read = || Ok(header.read_narrow(bytes, &DecodeLimits::default())?.image.into_bytes());
    header.is_narrow(ColorTransform::YCbCr).then(read)
}

/// What stands before the first scan.
#[derive(Default)]
struct Header<'a> {
    /// Where its frame header is.
    frame: usize,
    width: u16,
    /// The name of each component.
    components: Vec<u8>,
    /// How each is sampled, across in the upper four bits and down in the lower ones.
    samplings: Vec<u8>,
    is_jfif: bool,
    /// Adobe's number for the colours that the components mean.
    adobe: Option<u8>,
    /// EXIF's data: what does not fit into a segment goes on in the next one.
    exif: Vec<u8>,
    xmp: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut header = Self::default();
        let mut at = 2;
        while let Some(segment) = next_segment(bytes, at).filter(|segment| segment.marker != 0xDA) {
            match (segment.marker, segment.data) {
                (0xC0..=0xC2, [_, _, _, w1, w0, _, components @ ..]) => {
                    header.frame = segment.place.0;
                    header.width = u16::from_be_bytes([*w1, *w0]);
                    header.samplings = components.iter().copied().skip(1).step_by(3).collect();
                    header.components = components.iter().copied().step_by(3).collect();
                }
                (0xE0, [b'J', b'F', b'I', b'F', 0, rest @ ..]) => header.is_jfif |= rest.len() >= 9,
                (0xE1, data) => {
                    if let Some(exif) = data.strip_prefix(b"Exif\0\0") {
                        header.exif.extend_from_slice(exif);
                    } else if let Some(xmp) = data.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                        header.xmp = xmp;
                    }
                }
                (0xEE, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, colours, ..]) => header.adobe = Some(*colours),
                _ => {}
            }
            at = segment.place.1;
        }
        header
    }

    /// Which colours the components mean, by the rule of libjpeg; none for two of them and for numbers that Adobe does
    /// not have.
    fn colours(&self) -> Option<ColorTransform> {
        Some(match (&self.components[..], self.is_jfif, self.adobe) {
            (.., Some(3..)) => return None,
            ([_], ..) => ColorTransform::Grayscale,
            ([_, _, _], false, Some(0)) | (b"RGB", false, None) => ColorTransform::RGB,
            ([_, _, _], ..) => ColorTransform::YCbCr,
            ([_, _, _, _], _, None | Some(0)) => ColorTransform::CMYK,
            ([_, _, _, _], ..) => ColorTransform::YCCK,
            _ => return None,
        })
    }

    /// Whether the chroma of two columns is repeated and not smoothed.
    fn is_narrow(&self, colours: ColorTransform) -> bool {
        let is_shared = matches!(self.samplings[..], [0x21 | 0x22, 0x11, 0x11]);
        colours == ColorTransform::YCbCr && is_shared && self.width <= 4
    }

    /// Reads an image that [`Self::is_narrow`] as Y, Cb and Cr.
    fn read_narrow(&self, bytes: &[u8], limits: &DecodeLimits) -> Result<Raster, PixelsError> {
        let mut bytes = bytes.to_vec();
        if self.width == 3 {
            bytes[self.frame + 8] = 4; // the last column is there, and is one of those that are needed
        }
        let mut raster = unusual::read(&bytes, ColorTransform::RGB, limits)?;
        let smoothed = raster.image.into_rgb8();
        raster.image = narrow::repeat_chroma(&smoothed, self.width.into(), self.samplings[0] == 0x22).into();
        Ok(raster)
    }

    /// Whether the usual decoder takes the components for these colours: it does not ask whether the file is JFIF, and
    /// it takes inks for YCCK by one number only.
    fn is_usual(&self, colours: ColorTransform) -> bool {
        let is_rgb = self.components == b"RGB" || self.adobe == Some(0);
        match colours {
            ColorTransform::YCbCr => !is_rgb,
            ColorTransform::YCCK => self.adobe == Some(2),
            _ => true,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
