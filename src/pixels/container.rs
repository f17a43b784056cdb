//! What the decoders do not check for themselves, read from the containers' own marks before anything is decoded:
//! whether a JPEG is whole, and how large the frames inside a WebP are.

/// Whether a JPEG reaches its end-of-image mark.
///
/// The decoder fills what a cut-off upload lacks with grey, and a network would then classify the grey.
pub(super) fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    // In the compressed data 0xFF is followed by 0x00 or a restart mark; fill bytes are 0xFF. Everything else that
    // follows 0xFF is a segment, and segments are skipped by their length: the thumbnail inside one has its own end.
    while let Some(at) =
        rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0x01 | 0xD0..=0xD8 | 0xFF))
    {
        if rest[at + 1] == 0xD9 {
            return true;
        }
        let segment = &rest[at + 2..];
        let Some(length) = segment.first_chunk().map(|&length| usize::from(u16::from_be_bytes(length))) else {
            return false;
        };
        let Some(after) = segment.get(length..) else { return false };
        rest = after;
    }
    false
}

/// Width and height of the largest lossy frame inside a WebP; (0, 0) when it holds no such frame.
///
/// The decoder believes the canvas size until it has decoded such a frame, which may be far larger. It is looked for by
/// its marks alone, wherever they stand, so that no arrangement of chunks can hide it.
pub(super) fn webp_largest_frame(bytes: &[u8]) -> (u32, u32) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_is_whole_only_with_an_end_of_its_own() {
        let thumbnail = [0xFF, 0xE1, 0x00, 0x06, 0xFF, 0xD8, 0xFF, 0xD9];
        let scan = [0xFF, 0xDA, 0x00, 0x02, 0x12, 0xFF, 0x00, 0xFF, 0xD0, 0x34];
        let cut = [&[0xFF, 0xD8][..], &thumbnail, &scan].concat();
        assert!(!jpeg_is_whole(&cut));
        assert!(jpeg_is_whole(&[&cut[..], &[0xFF, 0xFF, 0xD9], b"trailing bytes"].concat()));
        assert!(!jpeg_is_whole(&[0xFF, 0xD8, 0xFF, 0xE0]));
        assert!(!jpeg_is_whole(&[]));
    }

    #[test]
    fn the_largest_lossy_frame_of_a_webp_is_found_wherever_it_stands() {
        let frame = |width: u16, height: u16| {
            [b"VP8 \x0a\0\0\0\x30\x01\0\x9D\x01\x2A".as_slice(), &width.to_le_bytes(), &height.to_le_bytes()].concat()
        };
        let file = [b"RIFF....WEBPVP8X..".as_slice(), &frame(40, 30), b"odd", &frame(16383, 16), &frame(1, 2)].concat();
        assert_eq!(webp_largest_frame(&file), (16383, 16));
        assert_eq!(webp_largest_frame(&file[..file.len() - 1 - 36]), (40, 30), "a frame header that is cut off");
        assert_eq!(webp_largest_frame(b"RIFF"), (0, 0));
    }
}
