//! What the decoder of WebP does not check or hand on, read from the container's own marks.

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

/// Whether the header announces an animation.
pub(super) fn is_animated(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF")
        && bytes.get(12..16) == Some(b"VP8X")
        && bytes.get(20).is_some_and(|flags| flags & 2 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
