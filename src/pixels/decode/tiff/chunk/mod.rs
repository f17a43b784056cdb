//! The chunks of an image, strips or tiles, each read as a stream of its rows: whatever a chunk expands to, no more of it
//! is held than a row and what a decoder looks back to, 64 KiB at most.

use std::io::{self, BufRead, Cursor, Read};

use deflate::Deflate;
use lzw::Lzw;

use super::colour::Colour;
use super::compression::Compression;
use super::page::Page;
use super::ycbcr::Upsampled;
use super::{PixelsError, jpeg, not_read, refused, webp};

mod deflate;
mod lzw;

/// Bytes that may stand behind a whole chunk before its stream ends.
const SPARE: u64 = 64 << 10;

/// Opens a chunk of one plane, of whose rows `rows` are needed.
pub(super) fn open<'a>(page: &Page<'a>, index: usize, rows: u32) -> Result<Box<dyn Read + 'a>, PixelsError> {
    match page.compression {
        Compression::Jpeg | Compression::OldJpeg => {
            Ok(Box::new(Cursor::new(jpeg::decode(page, &page.data(index)?, rows)?)))
        }
        Compression::WebP => Ok(Box::new(Cursor::new(webp::decode(page, &page.data(index)?, rows)?))),
        _ if page.bits_reversed => {
            let stored: Vec<u8> = page.data(index)?.iter().map(|byte| byte.reverse_bits()).collect();
            expand(page, Cursor::new(stored))
        }
        _ => expand(page, page.stream(index)?),
    }
}

/// The rows of a chunk whose compression knows bytes and no pixels.
fn expand<'a>(page: &Page<'a>, mut data: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>, PixelsError> {
    let expanded: Box<dyn Read + 'a> = match page.compression {
        Compression::Deflate => Box::new(Deflate::new(data)),
        Compression::PackBits => Box::new(PackBits { data, run: Run::Literal(0) }),
        Compression::Lzw => {
            // Writers before TIFF 5.0 stored the first code, which clears the table, from its low bits on.
            if data.fill_buf().is_ok_and(|start| matches!(start, [0, second, ..] if second & 1 == 1)) {
                return Err(not_read("its compression is LZW as before TIFF 5.0"));
            }
            Box::new(Lzw::new(data))
        }
        _ => Box::new(data),
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

/// Checks a chunk of which all rows have been read, by what stands behind them: the stream must end there, and its
/// checksum must be right. A stream that a hole was torn into goes on instead.
///
/// Rows below the image's last may be stored. An end and a checksum may lack where the data stop with the last row.
pub(super) fn finish(mut chunk: Box<dyn Read + '_>, page: &Page<'_>) -> Result<(), PixelsError> {
    if !matches!(page.compression, Compression::Deflate | Compression::Lzw) {
        return Ok(());
    }
    let row = page.depth.bytes(page.chunk_width as usize * page.samples_in_plane()) as u64;
    let most = row * u64::from(page.chunk_height) + SPARE;
    let mut beyond = 0;
    let mut passed_over = [0; 4096];
    while beyond <= most {
        match chunk.read(&mut passed_over) {
            Ok(0) => return Ok(()),
            Ok(count) => beyond += count as u64,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && beyond == 0 => return Ok(()),
            Err(_) => break,
        }
    }
    Err(refused("a strip or tile of it is damaged"))
}

struct PackBits<R> {
    data: R,
    run: Run,
}

/// What is left of a run.
enum Run {
    /// So many bytes as they stand.
    Literal(usize),
    /// So many times this byte.
    Repeated(usize, u8),
}

impl<R: BufRead> PackBits<R> {
    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.data.fill_buf()?.first().copied();
        self.data.consume(usize::from(byte.is_some()));
        Ok(byte)
    }
}

impl<R: BufRead> Read for PackBits<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.run {
                Run::Literal(0) | Run::Repeated(0, _) => {
                    self.run = match self.byte()? {
                        None => return Ok(0),
                        Some(128) => continue,
                        Some(count @ ..128) => Run::Literal(usize::from(count) + 1),
                        Some(count) => match self.byte()? {
                            None => return Ok(0),
                            Some(byte) => Run::Repeated(257 - usize::from(count), byte),
                        },
                    }
                }
                Run::Literal(left) => {
                    let rest = self.data.fill_buf()?;
                    let count = (&rest[..rest.len().min(*left)]).read(target)?;
                    self.data.consume(count);
                    *left -= count;
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
