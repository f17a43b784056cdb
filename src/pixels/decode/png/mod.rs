//! PNG beside the image crate's decoder: the chunks that it does not hand on, and the pixels of most files in three fifths
//! of its time.

use png::chunk::IDAT;
use png::{BitDepth, ColorType, DecodeOptions, Decoded, Info, StreamingDecoder, UnfilterRegion};

mod chunks;
mod unfilter;

pub(super) use chunks::Chunks;
use unfilter::{TOGETHER, unfilter};

/// Bytes that an expression of the compressed data may refer back to.
const WINDOW: usize = 32 << 10;

/// Bytes that are decompressed at a time; more of them do not stay in a processor's cache.
const AT_ONCE: usize = 64 << 10;

/// The pixels of a file of 8-bit RGB or RGBA, as the image crate's decoder gives them. None where it has to be asked: of
/// other kinds of files, and of those that are damaged, of which it says how.
pub(super) fn pixels(png: &[u8]) -> Option<Vec<u8>> {
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = StreamingDecoder::new_with_options(options);
    let mut rest = png;
    loop {
        match decoder.update(rest, None).ok()? {
            (_, Decoded::Nothing) => return None,
            (taken, event) => {
                rest = &rest[taken..];
                if matches!(event, Decoded::ChunkBegin(_, IDAT)) {
                    break;
                }
            }
        }
    }
    let info = decoder.info()?;
    let (width, height) = (info.width as usize, info.height as usize);
    match channels(info)? {
        3 => rows::<3>(decoder, rest, width, height),
        _ => rows::<4>(decoder, rest, width, height),
    }
}

/// How many channels the pixels have, if the rows are read here.
fn channels(info: &Info<'_>) -> Option<usize> {
    let is_plain = info.bit_depth == BitDepth::Eight
        && !info.interlaced
        && info.trns.is_none()
        && info.animation_control.is_none()
        && info.frame_control.is_none();
    match info.color_type {
        ColorType::Rgb if is_plain => Some(3),
        ColorType::Rgba if is_plain => Some(4),
        _ => None,
    }
}

/// All rows, of which the data begin with `rest`. Rows longer than what is decompressed at a time are not read here, so that
/// little is held beside the pixels.
fn rows<const N: usize>(
    mut decoder: StreamingDecoder,
    mut rest: &[u8],
    width: usize,
    height: usize,
) -> Option<Vec<u8>> {
    let row_bytes = width * N;
    let stored_bytes = row_bytes + 1;
    if stored_bytes > AT_ONCE {
        return None;
    }
    let mut pixels = vec![0; row_bytes * height];
    let zeros = vec![0; row_bytes];
    let mut done = 0;
    let mut buffer = vec![0; WINDOW + AT_ONCE + TOGETHER * stored_bytes];
    let mut region = UnfilterRegion::default();
    // Where the next row begins in the buffer.
    let mut at = 0;
    let mut is_at_end = false;
    while done < height {
        if region.filled == buffer.len() {
            let kept = at.min(region.available);
            buffer.copy_within(kept..region.filled, 0);
            at -= kept;
            region.available -= kept;
            region.filled -= kept;
        }
        let (taken, event) = decoder.update(rest, Some(&mut region.as_buf(&mut buffer))).ok()?;
        rest = &rest[taken..];
        let whole = ((region.filled - at) / stored_bytes).min(height - done);
        let count = if done + whole < height { whole - whole % TOGETHER } else { whole };
        if count > 0 {
            let (above, target) = pixels.split_at_mut(done * row_bytes);
            let above = above.len().checked_sub(row_bytes).map_or(&*zeros, |start| &above[start..]);
            unfilter::<N>(&buffer[at..][..count * stored_bytes], above, &mut target[..count * row_bytes])?;
            (at, done) = (at + count * stored_bytes, done + count);
        }
        is_at_end = is_end(&event)?;
        if is_at_end && done < height {
            return None;
        }
    }
    // The rest has its checksums too.
    while !is_at_end {
        let (taken, event) = decoder.update(rest, None).ok()?;
        rest = &rest[taken..];
        is_at_end = is_end(&event)?;
    }
    Some(pixels)
}

/// Whether the chunks of the pixels are over; none where the file is.
fn is_end(event: &Decoded) -> Option<bool> {
    match event {
        Decoded::Nothing => None,
        event => Some(matches!(event, Decoded::ImageDataFlushed)),
    }
}

#[cfg(test)]
mod tests;
