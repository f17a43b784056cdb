//! What the decoder of WebP does not check or hand on, read from the container's own marks.

use std::ops::Range;

use image::ImageDecoder;
use image::metadata::Orientation;

use super::orientation;

/// Width and height of the largest lossy frame inside a WebP; (0, 0) when it holds no such frame.
///
/// The decoder believes the canvas size until it has decoded such a frame, which may be far larger. It is looked for by
/// its marks alone, wherever they stand, so that no arrangement of chunks can hide it.
pub(super) fn largest_frame(bytes: &[u8]) -> (u32, u32) {
    let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    bytes
        .windows(18)
        .filter_map(|window| match window {
            [b'V', b'P', b'8', b' ', _, _, _, _, _, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] => {
                Some((side(*w0, *w1), side(*h0, *h1)))
            }
            _ => None,
        })
        .max_by_key(|(width, height)| width * height)
        .unwrap_or_default()
}

/// What the header of an extended file may announce; chunks that it does not announce are not there.
#[derive(Clone, Copy)]
pub(super) enum Feature {
    Animation = 2,
    Xmp = 4,
    Exif = 8,
}

/// Whether the header announces it.
pub(super) fn announces(bytes: &[u8], feature: Feature) -> bool {
    bytes.starts_with(b"RIFF")
        && bytes.get(12..16) == Some(b"VP8X")
        && bytes.get(20).is_some_and(|flags| flags & feature as u8 != 0)
}

/// Which way up the image is. One whose metadata are broken is still an image.
pub(super) fn orientation(bytes: &[u8], decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten().filter(|_| announces(bytes, Feature::Exif));
    let xmp = decoder.xmp_metadata().ok().flatten().filter(|_| announces(bytes, Feature::Xmp));
    orientation::find(&exif.unwrap_or_default(), &xmp.unwrap_or_default())
}

/// Without it, what is wrong, as a clause.
type Checked<T> = Result<T, &'static str>;

const CUT: &str = "the file ends too early";
const CONTRADICTION: &str = "its chunks contradict each other";

/// Whether the chunks of the file fit into it and into each other; the error is what is wrong, as a clause.
///
/// Its compressed data have no checksum: a hole that leaves all headers alone shows as other pixels.
pub(super) fn check(bytes: &[u8]) -> Checked<()> {
    let stated = number(bytes, 4..8).ok_or(CUT)? as usize;
    let mut body = bytes.get(12..stated.saturating_add(8)).ok_or(CUT)?;
    let is_extended = body.starts_with(b"VP8X");
    let canvas = number(body, 12..15).zip(number(body, 15..18)).filter(|_| is_extended);
    while body.len() >= 8 {
        let (kind, data, rest) = chunk(body)?;
        match kind {
            b"ANMF" => check_frame(data, canvas)?,
            _ => drop(size(kind, data)?),
        }
        // What stands behind a lone image is no part of it.
        body = if is_extended { rest } else { &[] };
    }
    Ok(())
}

/// A frame of an animation, on a canvas of which the last column and row are given: where it is, how large it is, and
/// chunks of its own.
fn check_frame(frame: &[u8], canvas: Option<(u32, u32)>) -> Checked<()> {
    let place = |at: usize| number(frame, at..at + 3).ok_or(CONTRADICTION);
    let (left, top, last_column, last_row) = (place(0)? * 2, place(3)? * 2, place(6)?, place(9)?);
    let is_inside = canvas.is_some_and(|(column, row)| left + last_column <= column && top + last_row <= row);
    let mut body = frame.get(16..).filter(|_| is_inside).ok_or(CONTRADICTION)?;
    while body.len() >= 8 {
        let (kind, data, rest) = chunk(body)?;
        if size(kind, data)?.is_some_and(|size| size != (last_column + 1, last_row + 1)) {
            return Err(CONTRADICTION);
        }
        body = rest;
    }
    Ok(())
}

/// The name of a chunk, what it holds, and what comes after it.
fn chunk(body: &[u8]) -> Checked<(&[u8], &[u8], &[u8])> {
    let (kind, length) = body.get(..4).zip(number(body, 4..8)).ok_or(CONTRADICTION)?;
    let length = length as usize;
    let data = body.get(8..).and_then(|data| data.get(..length)).ok_or(CONTRADICTION)?;
    if !kind.iter().all(|&letter| letter == b' ' || letter.is_ascii_graphic()) {
        return Err(CONTRADICTION);
    }
    Ok((kind, data, body.get(8 + length + length % 2..).unwrap_or_default()))
}

/// Width and height of an image's data; none of a chunk that holds other things.
fn size(kind: &[u8], data: &[u8]) -> Checked<Option<(u32, u32)>> {
    let is_lossy = match kind {
        b"VP8 " => true,
        b"VP8L" => false,
        _ => return Ok(None),
    };
    let header = |range| number(data, range).ok_or(CONTRADICTION);
    if !is_lossy {
        let sides = header(1..5)?;
        let is_right = data[0] == 0x2F && sides >> 29 == 0;
        return if is_right {
            Ok(Some(((sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1)))
        } else {
            Err(CONTRADICTION)
        };
    }
    let (tag, sides) = (header(0..3)?, header(6..10)?);
    let first_partition = (tag >> 5) as usize;
    // A key frame of a known version that is shown.
    let is_right = tag & 1 == 0 && tag >> 1 & 7 <= 3 && tag >> 4 & 1 == 1 && data[3..6] == [0x9D, 0x01, 0x2A];
    if !is_right || first_partition >= data.len() {
        return Err(CONTRADICTION);
    }
    Ok(Some((sides & 0x3FFF, sides >> 16 & 0x3FFF)))
}

/// A number of up to four bytes.
fn number(bytes: &[u8], range: Range<usize>) -> Option<u32> {
    Some(bytes.get(range)?.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let body = chunks.iter().flat_map(|(kind, data)| {
            let padding = vec![0; data.len() % 2];
            [kind.to_vec(), (data.len() as u32).to_le_bytes().to_vec(), data.clone(), padding].concat()
        });
        let body: Vec<u8> = body.collect();
        [b"RIFF".as_slice(), &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
    }

    /// A lossless image of 9x5 pixels as far as its header goes.
    fn lossless() -> Vec<u8> {
        [b"\x2F".as_slice(), &(8_u32 | 4 << 14).to_le_bytes(), &[7; 6]].concat()
    }

    fn lossy(first_partition: u32) -> Vec<u8> {
        let tag = (first_partition << 5 | 1 << 4).to_le_bytes();
        [&tag[..3], &[0x9D, 0x01, 0x2A, 9, 0, 5, 0, 1, 2]].concat()
    }

    /// An animation on a canvas of 9x5 with a frame at this column.
    fn animation(column: u8, image: Vec<u8>) -> Vec<u8> {
        let header = vec![2, 0, 0, 0, 8, 0, 0, 4, 0, 0];
        let place = [column / 2, 0, 0, 0, 0, 0, 8, 0, 0, 4, 0, 0, 9, 0, 0, 0];
        let frame = [&place[..], &riff(&[(b"VP8L", image)])[12..]].concat();
        riff(&[(b"VP8X", header), (b"ANIM", vec![0; 6]), (b"ANMF", frame)])
    }

    #[test]
    fn chunks_that_contradict_each_other_are_found() {
        assert_eq!(check(&riff(&[(b"VP8L", lossless())])), Ok(()));
        assert_eq!(check(&riff(&[(b"VP8 ", lossy(11))])), Ok(()));
        assert_eq!(check(&riff(&[(b"VP8 ", lossy(12))])), Err(CONTRADICTION), "a partition that is cut off");
        let whole = animation(0, lossless());
        assert_eq!(check(&whole), Ok(()));
        assert_eq!(check(&[&whole[..], b"more"].concat()), Ok(()), "what is behind the file is no part of it");
        assert_eq!(check(&whole[..whole.len() - 2]), Err(CUT));
        assert_eq!(check(&animation(2, lossless())), Err(CONTRADICTION), "beyond the canvas");
        let mut other = lossless();
        other[1] = 3;
        assert_eq!(check(&animation(0, other)), Err(CONTRADICTION), "another width than its frame");
        // A hole over the header of a chunk.
        let at = whole.windows(4).position(|name| name == b"ANMF").unwrap();
        let torn = [&whole[..at], &[0; 16], &whole[at + 16..]].concat();
        assert_eq!(check(&torn), Err(CONTRADICTION));
    }

    #[test]
    fn the_largest_lossy_frame_of_a_webp_is_found_wherever_it_stands() {
        let frame = |width: u16, height: u16| {
            [b"VP8 \x0a\0\0\0\x30\x01\0\x9D\x01\x2A".as_slice(), &width.to_le_bytes(), &height.to_le_bytes()].concat()
        };
        let file = [b"RIFF....WEBPVP8X..".as_slice(), &frame(40, 30), b"odd", &frame(16383, 16), &frame(1, 2)].concat();
        assert_eq!(largest_frame(&file), (16383, 16));
        assert_eq!(largest_frame(&file[..file.len() - 1 - 36]), (40, 30), "a frame header that is cut off");
        assert_eq!(largest_frame(b"RIFF"), (0, 0));
    }
}
