//! TIFFs are drawn and written here, whole or not, and read again.

mod colours;
mod drawing;
mod layouts;
mod refusals;

use std::io::Write;

use flate2::Compression as Level;
use flate2::write::ZlibEncoder;
use weezl::BitOrder;

use self::drawing::{BYTE, Form, LONG, Page, RATIONAL, SHORT};
use super::*;
use crate::pixels::decode::by_rows::tests::decode_both_ways;

const RGB: u64 = 2;

/// What the reader gives, after the whole way of the file was gone in both ways that there are.
fn read(file: &[u8], limits: &DecodeLimits) -> Result<Raster, PixelsError> {
    let _ = decode_both_ways(file, limits);
    super::read(file, limits)
}

fn decoded(file: &[u8]) -> Raster {
    read(file, &DecodeLimits::default()).unwrap()
}

fn pixels(file: &[u8]) -> Vec<u8> {
    decoded(file).image.into_bytes()
}

/// The clause of a refusal.
fn refusal(file: &[u8]) -> String {
    match read(file, &DecodeLimits::default()) {
        Err(PixelsError::Undecodable("TIFF", reason) | PixelsError::Unsupported("TIFF", reason)) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was read"),
    }
}

fn refuses(page: Page, part: &str) {
    let reason = refusal(&page.file());
    assert!(reason.contains(part), "{reason}");
}

/// Three different gradients: no two pixels near each other are the same.
fn drawn(width: usize, height: usize) -> Vec<u8> {
    let pixel = |at: usize| [at % width * 5, at / width * 7, 255 - at % width - at / width].map(|level| level as u8);
    (0..width * height).flat_map(pixel).collect()
}

/// The tiles of an image, from left to right and from top to bottom, filled up with 99 beyond its edges.
fn tiles(image: &[u8], [width, height]: [usize; 2], [across, down]: [usize; 2]) -> Vec<Vec<u8>> {
    let samples = image.len() / width / height;
    let mut tiles = Vec::new();
    for top in (0..height).step_by(down) {
        for left in (0..width).step_by(across) {
            let inside = |x, y| x < width && y < height;
            let place = |index: usize| (left + index % across, top + index / across);
            let pixels = (0..across * down).flat_map(|index| match place(index) {
                (x, y) if inside(x, y) => image[(y * width + x) * samples..][..samples].to_vec(),
                _ => vec![99; samples],
            });
            tiles.push(pixels.collect());
        }
    }
    tiles
}

fn lzw(data: &[u8]) -> Vec<u8> {
    weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(data).unwrap()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Level::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn each(chunks: Vec<Vec<u8>>, compress: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    chunks.iter().map(|chunk| compress(chunk)).collect()
}

/// Where the entry of a tag stands in a little-endian file that is no BigTIFF and has it as 32-bit numbers.
fn entry(file: &[u8], tag: u16) -> usize {
    let start = [tag, LONG].map(u16::to_le_bytes);
    file.windows(4).position(|bytes| bytes == start.as_flattened()).unwrap()
}

/// Samples of 16 bits, little-endian.
fn words(levels: &[u16]) -> Vec<u8> {
    levels.iter().flat_map(|level| level.to_le_bytes()).collect()
}
