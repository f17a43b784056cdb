//! Pictures that are drawn here, whole and broken.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// A flat picture of one grey, in any format.
pub(crate) fn grey(level: u8, format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_pixel(70, 46, Rgb([level; 3]));
    encode(picture, format)
}

/// A PNG that is light to send and takes a while to decode.
pub(crate) fn large() -> Vec<u8> {
    encode(RgbImage::from_pixel(7000, 5000, Rgb([200; 3])), ImageFormat::Png)
}

/// A PNG of noise, which does not compress: its length is about three times its pixels.
pub(crate) fn noise(side: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    encode(RgbImage::from_fn(side, side, |_, _| Rgb([next(), next(), next()])), ImageFormat::Png)
}

/// The first half of a PNG.
pub(crate) fn truncated() -> Vec<u8> {
    let mut whole = noise(32);
    whole.truncate(whole.len() / 2);
    whole
}

/// A PNG whose header says 60,000x60,000 and that has nothing behind it.
pub(crate) fn bomb() -> Vec<u8> {
    let mut png = grey(0, ImageFormat::Png);
    png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let sum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    png
}

fn encode(picture: RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(picture).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}
