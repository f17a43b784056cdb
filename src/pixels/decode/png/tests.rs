//! The pixels of a PNG, beside those of the image crate's decoder.

use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder, ImageFormat};
use proptest::prelude::*;

use super::pixels;
use crate::pixels::decode::tests::{encoded, flag, png_chunk};

/// What the image crate's decoder gives.
fn by_image(png: &[u8]) -> Option<Vec<u8>> {
    let decoder = PngDecoder::new(std::io::Cursor::new(png)).ok()?;
    let mut pixels = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut pixels).ok()?;
    Some(pixels)
}

/// A file of rows that are stored as they stand here, the numbers of their filters among them.
fn stored(width: u32, channels: usize, rows: &[u8], data_chunk: usize) -> Vec<u8> {
    let height = (rows.len() / (width as usize * channels + 1)) as u32;
    with_data((width, height), channels, &miniz_oxide::deflate::compress_to_vec_zlib(rows, 6), data_chunk)
}

/// A file of these compressed data, in chunks of so many bytes.
fn with_data((width, height): (u32, u32), channels: usize, data: &[u8], data_chunk: usize) -> Vec<u8> {
    let kind = if channels == 3 { 2 } else { 6 };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, kind, 0, 0, 0]].concat();
    let mut file = [b"\x89PNG\r\n\x1a\n", &png_chunk(b"IHDR", &header)[..]].concat();
    file.extend(data.chunks(data_chunk).flat_map(|part| png_chunk(b"IDAT", part)));
    file.extend(png_chunk(b"IEND", b""));
    file
}

proptest! {
    #[test]
    fn any_filters_give_the_pixels_that_the_image_crate_gives(
        (width, channels, rows) in (1_u32..12, 3_usize..5, 1_usize..24).prop_flat_map(|(width, channels, height)| {
            let row = (prop_oneof![3 => Just(4_u8), 2 => 0_u8..5], prop::collection::vec(any::<u8>(), width as usize * channels));
            (Just(width), Just(channels), prop::collection::vec(row, height))
        }),
        data_chunk in 1_usize..300,
    ) {
        let rows: Vec<u8> = rows.into_iter().flat_map(|(filter, bytes)| [vec![filter], bytes].concat()).collect();
        let file = stored(width, channels, &rows, data_chunk);
        let pixels = pixels(&file);
        prop_assert!(pixels.is_some());
        prop_assert_eq!(pixels, by_image(&file));
    }
}

#[test]
fn rows_may_be_as_long_as_what_is_decompressed_at_a_time() {
    for (width, height) in [(700, 460), (21_846, 9), (21_845, 33), (1, 70_000)] {
        let mut state = 7_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let rows: Vec<u8> = (0..height)
            .flat_map(|y| {
                let filter = if y % 37 == 0 { y as u8 % 5 } else { 4 };
                [vec![filter], (0..width * 3).map(|_| byte() & 0x83).collect()].concat()
            })
            .collect();
        let file = stored(width, 3, &rows, 8192);
        let pixels = pixels(&file);
        assert_eq!(pixels.is_some(), width < 21_846, "{width}x{height}");
        assert!(pixels.is_none_or(|pixels| by_image(&file) == Some(pixels)), "{width}x{height}");
    }
}

#[test]
fn what_is_damaged_is_left_to_the_image_crate() {
    let rows: Vec<u8> = (0..12_u8).flat_map(|y| [vec![4], (0..15).map(|x| x * y).collect()].concat()).collect();
    let file = stored(5, 3, &rows, 20);
    let right = by_image(&file);
    assert!(right.is_some() && pixels(&file) == right);
    for at in 0..file.len() {
        let part = &file[..at];
        assert!(pixels(part).is_none_or(|pixels| Some(pixels) == by_image(part)), "cut off at {at}");
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            assert!(pixels(&damaged).is_none_or(|pixels| Some(pixels) == by_image(&damaged)), "bit {bit} of byte {at}");
        }
    }
    // The same in the compressed data, with checksums that are right.
    let data = miniz_oxide::deflate::compress_to_vec_zlib(&rows, 6);
    let mut read = 0;
    for at in 0..data.len() {
        for bit in 0..8 {
            let mut data = data.clone();
            data[at] ^= 1 << bit;
            let damaged = with_data((5, 12), 3, &data, 20);
            let pixels = pixels(&damaged);
            read += usize::from(pixels.is_some());
            assert!(pixels.is_none() || pixels == by_image(&damaged), "bit {bit} of byte {at} of the data");
        }
    }
    assert!(read > 50, "{read} of them have pixels still");
    // A row too few, a filter that PNG does not know, and a row too many, which the image crate passes over.
    assert_eq!(
        pixels(&[&stored(5, 3, &rows[..16 * 11], 20)[..33], &file[33..]].concat()),
        right.clone().map(|pixels| pixels[..15 * 11].to_vec())
    );
    assert_eq!(pixels(&[&file[..33], &stored(5, 3, &rows[..16 * 11], 20)[33..]].concat()), None);
    let unknown = [&[5], &rows[1..]].concat();
    assert_eq!(pixels(&stored(5, 3, &unknown, 20)), None);
}

#[test]
fn rows_that_are_missing_are_not_taken_from_another_frame() {
    let (width, height) = (1000_u32, 60_u32);
    // So few data hold so many rows that their end comes while rows are still to be expanded.
    let rows = [vec![4], vec![0; width as usize * 3]].concat().repeat(height as usize);
    let deflated = |rows: &[u8]| miniz_oxide::deflate::compress_to_vec_zlib(rows, 6);
    for split in (4..height).step_by(4) {
        let (shown, rest) = rows.split_at(split as usize * (width as usize * 3 + 1));
        let mut file = with_data((width, height), 3, &deflated(shown), usize::MAX);
        file.truncate(file.len() - 12);
        let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
        file.extend(png_chunk(b"fcTL", &[&[0; 4], &sides[..], &[0; 14]].concat()));
        file.extend(png_chunk(b"fdAT", &[&[0, 0, 0, 1], &deflated(rest)[..]].concat()));
        file.extend(png_chunk(b"IEND", b""));
        assert!(pixels(&file).is_none() && by_image(&file).is_none(), "{split} rows");
    }
}

#[test]
fn chunks_of_pixels_may_be_empty() {
    let rows: Vec<u8> = (0..40_u8).flat_map(|y| [vec![4], (0..90).map(|x| x ^ y).collect()].concat()).collect();
    let data = miniz_oxide::deflate::compress_to_vec_zlib(&rows, 6);
    let empty = png_chunk(b"IDAT", b"");
    let whole = with_data((30, 40), 3, &data, usize::MAX);
    for at in [data.len() / 2, data.len() - 4, data.len()] {
        let [one, other] = [&data[..at], &data[at..]].map(|part| png_chunk(b"IDAT", part));
        let file = [&whole[..33], &empty, &one, &empty, &empty, &other, &empty, &whole[whole.len() - 12..]].concat();
        assert!(pixels(&file).is_some() && pixels(&file) == by_image(&file), "{at}");
    }
}

#[test]
fn other_kinds_are_left_to_the_image_crate() {
    let rgb = flag();
    assert!(pixels(&encoded(rgb.clone(), ImageFormat::Png)).is_some());
    let rgb = DynamicImage::from(rgb);
    assert!(pixels(&encoded(rgb.to_rgba8(), ImageFormat::Png)).is_some());
    for other in [DynamicImage::from(rgb.to_rgb16()), rgb.to_luma8().into(), rgb.to_luma_alpha8().into()] {
        assert_eq!(pixels(&encoded(other, ImageFormat::Png)), None);
    }
    let png = encoded(rgb, ImageFormat::Png);
    let transparent = png_chunk(b"tRNS", &[0, 1, 0, 2, 0, 3]);
    assert_eq!(pixels(&[&png[..33], &transparent, &png[33..]].concat()), None);
    let interlaced = [&png[16..28], &[1]].concat();
    assert_eq!(pixels(&[&png[..8], &png_chunk(b"IHDR", &interlaced), &png[33..]].concat()), None);
}
