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
use crate::pixels::decode::jpeg_scans::{self, Fault, Layout};

/// What a frame header says.
struct Frame {
    width: u32,
    height: u32,
    components: usize,
    /// Some components have fewer samples than others.
    is_subsampled: bool,
}

/// The rows of a chunk, as they are or longer; 8 bits a sample.
pub(super) fn decode(page: &Page<'_>, data: &[u8], rows: u32) -> Result<Vec<u8>, PixelsError> {
    let damaged = || refused("a JPEG stream in it is damaged");
    let mut stream = vec![0xFF, 0xD8];
    if let Some(tables) = page.jpeg_tables {
        append(tables, &mut stream)?;
    }
    let frame = append(data, &mut stream)?.ok_or_else(damaged)?;
    let fits = frame.width == page.chunk_width && (rows..=page.chunk_height).contains(&frame.height);
    if !fits || frame.components != page.samples_in_plane() {
        return Err(refused("a JPEG stream in it has another size or number of colours than its tags say"));
    }
    // As libtiff does: libvips has written such tiles, whose colours are others than their tags say.
    if frame.is_subsampled && !matches!(page.colour, Colour::YCbCr(_)) {
        return Err(refused("a JPEG stream in it has fewer samples of some colours, which its tags do not allow"));
    }
    match jpeg_scans::walk(&stream, |_, _| true) {
        Ok(Layout::Usual) => {}
        Ok(Layout::Unusual) => {
            return Err(not_read("a JPEG stream in it samples its colours in an unusual way"));
        }
        Err(Fault::Damaged(lacks)) => return Err(refused(format!("a JPEG stream in it is damaged ({lacks})"))),
        Err(Fault::NotRead(kind)) => return Err(not_read(format!("of a JPEG stream in it, {kind}"))),
    }
    let mut options = DecoderOptions::default()
        .set_max_width(frame.width as usize)
        .set_max_height(frame.height as usize)
        // The decoder takes two components for a mistake when it is strict.
        .set_strict_mode(frame.components != 2);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&stream), options);
    decoder.decode_headers().map_err(|_| damaged())?;
    let stored = match NonZeroU32::new(2) {
        Some(two) if frame.components == 2 => ColorSpace::MultiBand(two),
        _ => decoder.input_colorspace().ok_or_else(damaged)?,
    };
    options = options.jpeg_set_out_colorspace(stored);
    decoder.set_options(options);
    let pixels = decoder.decode().map_err(|_| damaged())?;
    if pixels.len() != frame.width as usize * frame.height as usize * frame.components {
        return Err(damaged());
    }
    Ok(pixels)
}

/// Appends a stream without its first mark and without what applications and people wrote into it, which says nothing
/// about colours here. Gives the frame header where the stream has a scan; a stream of tables has none.
fn append(data: &[u8], stream: &mut Vec<u8>) -> Result<Option<Frame>, PixelsError> {
    let damaged = || refused("a JPEG stream in it is damaged");
    let mut frame = None;
    let mut rest = data.strip_prefix(&[0xFF, 0xD8]).ok_or_else(damaged)?;
    while let [0xFF, mark, after @ ..] = rest {
        let length = match mark {
            0xFF => {
                rest = &rest[1..];
                continue;
            }
            0xD9 => break,
            _ => after.first_chunk().map(|&length| usize::from(u16::from_be_bytes(length))).ok_or_else(damaged)?,
        };
        let (segment, behind) = rest.split_at_checked(2 + length).ok_or_else(damaged)?;
        match mark {
            0xC0..=0xC2 => {
                let Some(&[8, h0, h1, w0, w1, components, ref of_each @ ..]) = segment.get(4..) else {
                    return Err(not_read("a JPEG stream in it does not have 8 bits a sample"));
                };
                let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
                let factors = |component: &[u8; 3]| component[1];
                let (of_each, _) = of_each.as_chunks();
                frame = Some(Frame {
                    width: side(w0, w1),
                    height: side(h0, h1),
                    components: components.into(),
                    is_subsampled: of_each.windows(2).any(|pair| factors(&pair[0]) != factors(&pair[1])),
                });
            }
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(not_read("a JPEG stream in it is lossless, hierarchical or arithmetically coded"));
            }
            _ => (),
        }
        match mark {
            0xDA => {
                stream.extend_from_slice(rest);
                return Ok(frame);
            }
            0xE0..=0xEF | 0xFE => (),
            _ => stream.extend_from_slice(segment),
        }
        rest = behind;
    }
    Ok(None)
}
