//! Images that are small to send and dear to decode, written byte by byte where no encoder makes them.

use std::f32::consts::TAU;

use image::{ImageFormat, Rgb, RgbImage};
use miniz_oxide::deflate::compress_to_vec_zlib;

use super::support::drawn::{crc32, encode};

/// An image as people send it, with something in each place.
pub(crate) fn ordinary(side: u32) -> Vec<u8> {
    let waves: Vec<f32> = (0..side).map(|at| (at as f32 * TAU / 90.0).sin()).collect();
    let image = RgbImage::from_fn(side, side, |x, y| {
        let depth = waves[x as usize] * waves[y as usize];
        Rgb([200.0 + 40.0 * depth, 140.0 + 60.0 * depth, 190.0 + 30.0 * depth].map(|level| level as u8))
    });
    encode(image, ImageFormat::Jpeg)
}

/// A PNG of zeros.
pub(crate) struct FlatPng {
    pub(crate) side: u32,
    pub(crate) depth: u8,
    /// 2 is RGB, 6 RGB with alpha.
    pub(crate) colour: u8,
    pub(crate) interlaced: bool,
    /// As in EXIF.
    pub(crate) orientation: u8,
}

impl FlatPng {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { side, depth, colour, interlaced, orientation } = *self;
        let size = side.to_be_bytes();
        let header = [&size, &size, &[depth, colour, 0, 0, u8::from(interlaced)][..]].concat();
        // A TIFF with one entry: tag 0x112, a SHORT.
        let exif = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0]];
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        png.extend(chunk(b"IHDR", &header));
        png.extend(chunk(b"eXIf", &exif.concat()));
        png.extend(chunk(b"IDAT", &compress_to_vec_zlib(&vec![0; self.bytes_of_rows()], 1)));
        png.extend(chunk(b"IEND", b""));
        png
    }

    /// The length of all rows with their filter bytes.
    fn bytes_of_rows(&self) -> usize {
        /// Where the passes of Adam7 begin, and their steps: x, y, x, y.
        const PASSES: [[u32; 4]; 7] =
            [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
        let channels = if self.colour == 6 { 4 } else { 3 };
        let pixel = channels * usize::from(self.depth) / 8;
        let passes = if self.interlaced { &PASSES[..] } else { &[[0, 0, 1, 1]] };
        let count = |from: u32, step: u32| (self.side - from).div_ceil(step) as usize;
        passes.iter().map(|[x, y, dx, dy]| count(*y, *dy) * (1 + pixel * count(*x, *dx))).sum()
    }
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [kind, content].concat();
    [&(content.len() as u32).to_be_bytes(), named.as_slice(), &crc32(&named).to_be_bytes()].concat()
}

pub(crate) fn flat_webp(side: u32) -> Vec<u8> {
    encode(RgbImage::new(side, side), ImageFormat::WebP)
}

/// A grey progressive JPEG with a scan for each coefficient's upper bits and one for each of so many lower bits: 64 scans
/// and 63 for each such bit. Each has a few bytes: all blocks of a scan lie in runs of nothing.
pub(crate) fn progressive_jpeg(side: u16, lower_bits: u8) -> Vec<u8> {
    let segment = |kind: u8, content: &[u8]| {
        let length = (content.len() as u16 + 2).to_be_bytes();
        [&[0xFF, kind], length.as_slice(), content].concat()
    };
    // A table with two codes: 0 for the first symbol, 10 for the second.
    let table = |id: u8, symbols: [u8; 2]| segment(0xC4, &[&[id, 1, 1], [0; 14].as_slice(), &symbols].concat());
    let size = side.to_be_bytes();
    let frame = [&[8], size.as_slice(), &size, &[1, 1, 0x11, 0]].concat();
    let blocks = usize::from(side.div_ceil(8)).pow(2);
    let scan = |[first, last, bits]: [u8; 3], data: &[bool]| {
        [segment(0xDA, &[1, 1, 0, first, last, bits]), bytes_of_scan(data)].concat()
    };
    // Runs of 16,384 blocks and what the next 14 bits say, which is none, and a last one of those that are left.
    const RUN: u8 = 0xE0;
    let left = blocks % 16_384;
    let bits_of_left = left.max(1).ilog2();
    let mut runs = vec![false; blocks / 16_384 * 15];
    if left > 0 {
        runs.extend([true, false].into_iter().chain((0..bits_of_left).rev().map(|bit| left >> bit & 1 == 1)));
    }
    let mut jpeg =
        [vec![0xFF, 0xD8], segment(0xDB, &[[0].as_slice(), &[1; 64]].concat()), segment(0xC2, &frame)].concat();
    let tables = [table(0x00, [0, 1]), table(0x10, [RUN, (bits_of_left as u8) << 4])].concat();
    jpeg.extend([tables, scan([0, 0, 0], &vec![false; blocks])].concat());
    let first = (1..64).map(|at| [at, at, lower_bits]);
    let more = (0..lower_bits).rev().flat_map(|bit| (1..64).map(move |at| [at, at, (bit + 1) << 4 | bit]));
    for band in first.chain(more) {
        jpeg.extend(scan(band, &runs));
    }
    [jpeg, vec![0xFF, 0xD9]].concat()
}

/// The bits of a scan, filled up with ones, and a zero behind each byte of ones.
fn bytes_of_scan(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| (0..8).fold(0, |byte, at| byte << 1 | u8::from(bits.get(at).copied().unwrap_or(true)));
    bits.chunks(8).map(byte).flat_map(|byte| if byte == 0xFF { vec![0xFF, 0] } else { vec![byte] }).collect()
}

/// A grey TIFF whose strips or tiles are all the same few bytes of deflate.
pub(crate) struct FlatTiff {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Pixels of a tile along and across, or of a strip.
    pub(crate) piece: [u32; 2],
    pub(crate) tiled: bool,
}

impl FlatTiff {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        const SHORT: u16 = 3;
        const LONG: u16 = 4;
        let Self { width, height, piece: [along, across], tiled } = *self;
        let data = compress_to_vec_zlib(&vec![0; (along * across) as usize], 6);
        let count = width.div_ceil(along) * height.div_ceil(across);
        let offsets = 8 + data.len() as u32;
        let (lengths, directory) = (offsets + 4 * count, offsets + 6 * count);
        let mut tiff = [b"II*\0".as_slice(), &directory.to_le_bytes(), &data].concat();
        tiff.extend(8_u32.to_le_bytes().repeat(count as usize));
        tiff.extend((data.len() as u16).to_le_bytes().repeat(count as usize));
        let mut entries = vec![
            (256, LONG, 1, width),
            (257, LONG, 1, height),
            (258, SHORT, 1, 8),
            (259, SHORT, 1, 8),
            (262, SHORT, 1, 1),
            (277, SHORT, 1, 1),
        ];
        entries.extend(if tiled {
            [(322, LONG, 1, along), (323, LONG, 1, across), (324, LONG, count, offsets), (325, SHORT, count, lengths)]
                .to_vec()
        } else {
            [(273, LONG, count, offsets), (278, LONG, 1, across), (279, SHORT, count, lengths)].to_vec()
        });
        entries.sort_unstable();
        tiff.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            tiff.extend(u16::to_le_bytes(tag).into_iter().chain(kind.to_le_bytes()));
            tiff.extend(u32::to_le_bytes(count).into_iter().chain(value.to_le_bytes()));
        }
        tiff.extend([0; 4]);
        tiff
    }
}
