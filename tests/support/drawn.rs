//! Images that are drawn here, whole and broken.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// A flat image of one grey, in any format.
pub(crate) fn grey(level: u8, format: ImageFormat) -> Vec<u8> {
    encode(RgbImage::from_pixel(70, 46, Rgb([level; 3])), format)
}

/// A PNG of pink tissue with dark nuclei.
pub(crate) fn tissue() -> Vec<u8> {
    let image = RgbImage::from_fn(350, 230, |x, y| {
        let nucleus = (x % 23).abs_diff(11).pow(2) + (y % 19).abs_diff(9).pow(2) < 20 + (x * y) % 17;
        Rgb(if nucleus { [96, 60, 140] } else { [232, 190 - (x % 40) as u8, 214] })
    });
    encode(image, ImageFormat::Png)
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

pub(crate) fn encode(image: RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

/// A JPEG of 16x16 whose frame header says another size.
pub(crate) fn jpeg_that_says(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = encode(RgbImage::from_pixel(16, 16, Rgb([200; 3])), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|mark| mark == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

/// A TIFF whose header sends the reader to this place for the directory.
pub(crate) fn tiff_with_offset(offset: u32) -> Vec<u8> {
    let mut tiff = grey(128, ImageFormat::Tiff);
    tiff[4..8].copy_from_slice(&offset.to_le_bytes());
    tiff
}

/// A small PNG with a compressed text chunk that unpacks to so many bytes.
pub(crate) fn flat_png_with_text(bytes: usize) -> Vec<u8> {
    // The stored stream comes from a PNG too: an image of as many zeros, whose IDAT is the same zlib.
    let side = bytes.isqrt() as u32;
    let zeros = encode(RgbImage::new(side, side / 3), ImageFormat::Png);
    let idat = zeros.windows(4).position(|mark| mark == b"IDAT").unwrap();
    let length = u32::from_be_bytes(zeros[idat - 4..idat].try_into().unwrap()) as usize;
    let text = [b"zTXtComment\0\0".as_slice(), &zeros[idat + 4..idat + 4 + length]].concat();
    let chunk = [&(text.len() as u32 - 4).to_be_bytes()[..], &text, &crc32(&text).to_be_bytes()].concat();
    let mut png = grey(200, ImageFormat::Png);
    png.splice(33..33, chunk);
    png
}
