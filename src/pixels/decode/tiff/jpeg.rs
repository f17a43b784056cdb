//! A chunk that is a JPEG stream: completed by the tables that all chunks share, and decoded to its components as they
//! are stored, because it is the TIFF's tags that say which colours they are.

use std::num::NonZeroU32;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::colour::Colour;
use super::page::Page;
use super::{PixelsError, not_read, refused};
use crate::pixels::decode::jpeg::{Fault, Layout, Shape, narrow_components, next_segment, walk};

/// The rows of a chunk, as they are or longer; 8 bits a sample.
pub(super) fn decode(page: &Page<'_>, data: &[u8], rows: u32) -> Result<Vec<u8>, PixelsError> {
    let damaged = || refused("a JPEG stream in it is damaged");
    let mut stream = vec![0xFF, 0xD8];
    if let Some(tables) = &page.jpeg_tables {
        append(tables, &mut stream)?;
    }
    append(data, &mut stream)?;
    let (mut shape, mut fits) = (Shape::default(), true);
    let walked = walk(&stream, |stated| {
        shape = stated;
        fits = stated.width == page.chunk_width
            && (rows..=page.chunk_height).contains(&stated.height)
            && stated.components == page.samples_in_plane();
        fits
    });
    if !fits {
        return Err(refused("a JPEG stream in it has another size or number of colours than its tags say"));
    }
    // As libtiff does: libvips has written such tiles, whose colours are others than their tags say.
    if shape.is_subsampled && !matches!(page.colour, Colour::YCbCr(_)) {
        return Err(refused("a JPEG stream in it has fewer samples of some colours, which its tags do not allow"));
    }
    match walked {
        Ok(Layout::Usual) => {}
        Ok(Layout::Unusual) => {
            return Err(not_read("a JPEG stream in it samples its colours in an unusual way"));
        }
        Err(Fault::Damaged(lacks)) => return Err(refused(format!("a JPEG stream in it is damaged ({lacks})"))),
        Err(Fault::NotRead(kind)) => return Err(not_read(format!("of a JPEG stream in it, {kind}"))),
    }
    if let Some(pixels) = narrow_components(&stream) {
        return pixels.map_err(|_| damaged());
    }
    let mut options = DecoderOptions::default()
        .set_max_width(shape.width as usize)
        .set_max_height(shape.height as usize)
        // The decoder takes two components for a mistake when it is strict.
        .set_strict_mode(shape.components != 2);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&stream), options);
    decoder.decode_headers().map_err(|_| damaged())?;
    let stored = match NonZeroU32::new(2) {
        Some(two) if shape.components == 2 => ColorSpace::MultiBand(two),
        _ => decoder.input_colorspace().ok_or_else(damaged)?,
    };
    options = options.jpeg_set_out_colorspace(stored);
    decoder.set_options(options);
    let pixels = decoder.decode().map_err(|_| damaged())?;
    if pixels.len() != shape.width as usize * shape.height as usize * shape.components {
        return Err(damaged());
    }
    Ok(pixels)
}

/// Appends a stream without its first mark and without what applications and people wrote into it, which says nothing
/// about colours here. A stream of tables has no scan, and ends where the next one goes on.
fn append(data: &[u8], stream: &mut Vec<u8>) -> Result<(), PixelsError> {
    if !data.starts_with(&[0xFF, 0xD8]) {
        return Err(refused("a JPEG stream in it is damaged"));
    }
    let mut at = 2;
    while let Some(segment) = next_segment(data, at) {
        let (begin, end) = segment.place;
        match segment.marker {
            0xD9 => break,
            0xDA => {
                stream.extend_from_slice(&data[begin..]);
                break;
            }
            0xE0..=0xEF | 0xFE => {}
            _ => stream.extend_from_slice(&data[begin..end]),
        }
        at = end;
    }
    Ok(())
}
