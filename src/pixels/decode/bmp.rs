//! What the decoder of bitmaps passes over.

/// Whether each pixel of a bitmap with run lengths is stored. Codes that pass pixels over leave them at no level that
/// the file states, and a file that was damaged has such codes too.
pub(super) fn has_all_pixels(bytes: &[u8]) -> bool {
    stores_all_pixels(bytes).unwrap_or(true) // the decoder has the last word on a header
}

fn stores_all_pixels(bytes: &[u8]) -> Option<bool> {
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let bits = match (number(14)?, number(30)?) {
        (40.., 1) => 8,
        (40.., 2) => 4,
        _ => return Some(true),
    };
    let (width, height) = (number(18)? as usize, number(22)? as usize);
    let mut codes = bytes.get(number(10)? as usize..)?;
    for row in 0..height {
        let mut stored = 0;
        loop {
            let [count, code, rest @ ..] = codes else { return Some(row + 1 == height && stored >= width) };
            codes = rest;
            match (count, code) {
                (0, 0) => break,
                (0, 1) => return Some(row + 1 == height && stored >= width),
                (0, 2) => match codes {
                    [0, 0, rest @ ..] => codes = rest,
                    _ => return Some(row + 1 == height && stored >= width),
                },
                (0, &levels) => {
                    let levels = usize::from(levels);
                    stored += levels;
                    if codes.len() < (levels * bits).div_ceil(8) {
                        return Some(false);
                    }
                    codes = codes.get((levels * bits).div_ceil(16) * 2..).unwrap_or_default();
                }
                (&levels, _) => stored += usize::from(levels),
            }
        }
        if stored < width {
            return Some(false);
        }
    }
    Some(true)
}

/// The ICC profile inside a bitmap with the fifth version of the header.
pub(super) fn profile(bytes: &[u8]) -> Option<&[u8]> {
    const FILE_HEADER: usize = 14;
    const FIFTH_HEADER: usize = 124;
    let header = bytes.get(FILE_HEADER..)?;
    let number = |at: usize| Some(u32::from_le_bytes(*header.get(at..)?.first_chunk()?) as usize);
    if number(0)? != FIFTH_HEADER || header.get(56..60)? != b"DEBM" {
        return None;
    }
    header.get(number(112)?..)?.get(..number(116)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::decode::{DecodeLimits, PixelsError, decode};

    /// A bitmap of 3x2 pixels with these codes.
    fn bitmap(bits: u8, codes: &[u8]) -> Vec<u8> {
        let palette = [20; 4 * 256];
        let mut file = b"BM\0\0\0\0\0\0\0\0\x36\x04\0\0".to_vec();
        file.extend([40, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, bits, 0, if bits == 8 { 1 } else { 2 }, 0, 0, 0]);
        file.extend([0; 20]);
        if bits == 4 {
            (file[10], file[11]) = (0x36 + 64, 0);
        }
        [&file, &palette[..4 << bits], codes].concat()
    }

    #[test]
    fn run_lengths_that_leave_pixels_out_are_refused() {
        assert!(decode(&bitmap(8, b"\x03\x07\0\0\x03\x07\0\x01"), &DecodeLimits::default()).is_ok());
        for (bits, codes) in [
            (8, &b"\x03\x07\0\0\x03\x07\0\x01"[..]),
            (8, b"\x02\x07\x01\x08\0\0\0\x03\x01\x02\x03\0\0\0\0\x01"),
            (8, b"\x03\x07\0\0\x03\x07"),           // no end
            (8, b"\x03\x07\0\0\0\x03\x01\x02\x03"), // nor a last byte that is padding
            (4, b"\0\x03\x12\x30\0\0\x03\x77\0\0\0\x01"),
        ] {
            assert!(has_all_pixels(&bitmap(bits, codes)), "{codes:?}");
        }
        for (bits, codes) in [
            (8, &b"\x03\x07\0\x01"[..]),
            (8, b"\x03\x07\0\0\x02\x07\0\x01"),
            (8, b"\x02\x07\0\0\x03\x07\0\x01"),
            (8, b"\x03\x07\0\0\0\x02\x01\0\x02\x07\0\x01"),
            (8, b"\x03\x07\0\0\0\0\0\0\0\0\0\0"),
            (8, b"\x03\x07\0\0\x02\x07"),
            (4, b"\0\x03\x12\x30\0\0\x02\x77\0\x01"),
        ] {
            assert!(!has_all_pixels(&bitmap(bits, codes)), "{codes:?}");
            let outcome = decode(&bitmap(bits, codes), &DecodeLimits::default());
            assert!(matches!(outcome, Err(PixelsError::Undecodable("BMP", _))), "{codes:?}");
        }
    }
}
