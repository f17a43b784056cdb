//! The chunks of an image, strips or tiles, each read as a stream of its rows: whatever a chunk expands to, no more of it
//! is held than a row.

use std::borrow::Cow;
use std::io::{self, Cursor, Read};

use flate2::bufread::ZlibDecoder;
use weezl::{BitOrder, LzwStatus};

use super::colour::Colour;
use super::compression::Compression;
use super::page::Page;
use super::ycbcr::Upsampled;
use super::{PixelsError, jpeg, refused, webp};

/// Opens a chunk of one plane, of whose rows `rows` are needed.
pub(super) fn open<'a>(page: &Page<'a>, index: usize, rows: u32) -> Result<Box<dyn Read + 'a>, PixelsError> {
    let stored = page.data(index)?;
    let data = if page.bits_reversed {
        Cow::Owned(stored.iter().map(|byte| byte.reverse_bits()).collect())
    } else {
        Cow::Borrowed(stored)
    };
    let expanded: Box<dyn Read + 'a> = match page.compression {
        Compression::None => Box::new(Cursor::new(data)),
        Compression::Deflate => Box::new(ZlibDecoder::new(Cursor::new(data))),
        Compression::PackBits => Box::new(PackBits { data, at: 0, run: Run::Literal(0) }),
        Compression::Lzw => Box::new(Lzw::new(data)?),
        Compression::Jpeg | Compression::OldJpeg => {
            return Ok(Box::new(Cursor::new(jpeg::decode(page, stored, rows)?)));
        }
        Compression::WebP => return Ok(Box::new(Cursor::new(webp::decode(page, stored, rows)?))),
    };
    Ok(match &page.colour {
        Colour::YCbCr(ycbcr) if ycbcr.shared != (1, 1) => {
            Box::new(Upsampled::new(expanded, ycbcr.shared, page.chunk_width as usize))
        }
        _ => expanded,
    })
}

/// Reads the next row of a chunk.
pub(super) fn read_row(chunk: &mut dyn Read, row: &mut [u8]) -> Result<(), PixelsError> {
    chunk.read_exact(row).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => refused("a strip or tile of it ends too early"),
        _ => refused("a strip or tile of it is damaged"),
    })
}

/// Checks a chunk of which all rows have been read: a checksum that stands behind them must be right.
///
/// What else comes is passed over, as other readers do, and so is a checksum that was cut off.
pub(super) fn finish(mut chunk: Box<dyn Read + '_>) -> Result<(), PixelsError> {
    match chunk.read(&mut [0]) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(refused("a strip or tile of it is damaged")),
        _ => Ok(()),
    }
}

struct Lzw<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
    decoder: weezl::decode::Decoder,
}

impl<'a> Lzw<'a> {
    fn new(data: Cow<'a, [u8]>) -> Result<Self, PixelsError> {
        // Writers before TIFF 5.0 stored the first code, which clears the table, from its low bits on.
        if matches!(*data, [0, second, ..] if second & 1 == 1) {
            return Err(refused("its compression, LZW as before TIFF 5.0, is not read"));
        }
        Ok(Self { data, at: 0, decoder: weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8) })
    }
}

impl Read for Lzw<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while !target.is_empty() {
            let step = self.decoder.decode_bytes(&self.data[self.at..], target);
            self.at += step.consumed_in;
            match step.status {
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                Ok(_) if step.consumed_out > 0 => return Ok(step.consumed_out),
                Ok(LzwStatus::Done | LzwStatus::NoProgress) => break,
                Ok(LzwStatus::Ok) if step.consumed_in == 0 => break,
                Ok(LzwStatus::Ok) => (),
            }
        }
        Ok(0)
    }
}

struct PackBits<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
    run: Run,
}

/// What is left of a run.
enum Run {
    /// So many bytes as they stand.
    Literal(usize),
    /// So many times this byte.
    Repeated(usize, u8),
}

impl Read for PackBits<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        loop {
            let rest = &self.data[self.at..];
            match &mut self.run {
                Run::Literal(0) | Run::Repeated(0, _) => {
                    self.run = match rest {
                        [128, ..] => {
                            self.at += 1;
                            continue;
                        }
                        [count @ ..128, ..] => {
                            self.at += 1;
                            Run::Literal(usize::from(*count) + 1)
                        }
                        [count, byte, ..] => {
                            self.at += 2;
                            Run::Repeated(257 - usize::from(*count), *byte)
                        }
                        _ => return Ok(0),
                    }
                }
                Run::Literal(left) => {
                    let count = (&rest[..rest.len().min(*left)]).read(target)?;
                    (*left, self.at) = (*left - count, self.at + count);
                    return Ok(count);
                }
                Run::Repeated(left, byte) => {
                    let count = target.len().min(*left);
                    target[..count].fill(*byte);
                    *left -= count;
                    return Ok(count);
                }
            }
        }
    }
}
