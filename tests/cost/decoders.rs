//! Clients that post images as large as they may be, and as dear to decode as their format allows.

use std::sync::LazyLock;

use super::client::{Round, Sent, content_length, exchange, head};
use super::images::{FlatPng, FlatTiff, flat_webp, ordinary, progressive_jpeg};
use super::measure::limits;

/// The side of the largest square that is read.
fn side() -> u32 {
    limits().limits.max_pixels.isqrt() as u32
}

/// What the others are held to: an ordinary photograph of that size.
pub(crate) fn ordinary_image(address: &str) -> Round {
    static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| ordinary(side()));
    post(address, IMAGE.clone())
}

pub(crate) fn flat_png(address: &str) -> Round {
    post(address, FlatPng { side: side(), depth: 8, colour: 2, interlaced: false, orientation: 1 }.bytes())
}

pub(crate) fn interlaced_png(address: &str) -> Round {
    post(address, FlatPng { side: side(), depth: 8, colour: 2, interlaced: true, orientation: 1 }.bytes())
}

pub(crate) fn turned_png_of_16_bits(address: &str) -> Round {
    post(address, deep_rgba_turned())
}

/// The image that takes most bytes for a pixel: 16 bits of four channels, and turned by a quarter.
pub(crate) fn deep_rgba_turned() -> Vec<u8> {
    FlatPng { side: side(), depth: 16, colour: 6, interlaced: false, orientation: 6 }.bytes()
}

pub(crate) fn webp(address: &str) -> Round {
    post(address, flat_webp(side()))
}

/// A photograph that is cut, and the mark of its end after eight million fill bytes.
pub(crate) fn jpeg_of_fill_bytes(address: &str) -> Round {
    let mut jpeg = ordinary(side());
    jpeg.truncate(jpeg.len() / 2);
    jpeg.resize(jpeg.len() + (8 << 20), 0xFF);
    jpeg.push(0xD9);
    post(address, jpeg)
}

/// As many scans as are read, one for each coefficient.
pub(crate) fn jpeg_of_64_scans(address: &str) -> Round {
    post(address, progressive_jpeg(side() as u16, 0))
}

/// As many scans as a grey JPEG can have.
pub(crate) fn jpeg_of_694_scans(address: &str) -> Round {
    post(address, progressive_jpeg(side() as u16, 10))
}

pub(crate) fn tiff_of_65000_strips(address: &str) -> Round {
    let height = 65_000;
    let width = (limits().limits.max_pixels / u64::from(height)) as u32;
    post(address, FlatTiff { width, height, piece: [width, 1], tiled: false }.bytes())
}

pub(crate) fn tiff_of_tiny_tiles(address: &str) -> Round {
    post(address, FlatTiff { width: side(), height: side(), piece: [16, 16], tiled: true }.bytes())
}

/// As many strips of a pixel each as are read.
pub(crate) fn tiff_of_one_pixel_strips(address: &str) -> Round {
    post(address, FlatTiff { width: 1, height: 4_112, piece: [1, 1], tiled: false }.bytes())
}

pub(crate) fn tiff_of_a_million_strips(address: &str) -> Round {
    post(address, FlatTiff { width: 1, height: 1_000_000, piece: [1, 1], tiled: false }.bytes())
}

fn post(address: &str, image: Vec<u8>) -> Round {
    let request = [head("/predict", &["Content-Type: image/*", &content_length(image.len())]), image].concat();
    let address = address.to_owned();
    Box::new(move || Sent { units: 1, status: exchange(&address, &request) })
}
