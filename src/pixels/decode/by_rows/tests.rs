//! What is read by rows is what is read as a whole. The tests of the formats come through here too, so that all their
//! images, whole and damaged, are read in both ways.

use std::io::Write;

use image::{ImageFormat, Rgb, Rgba, RgbaImage};

use super::*;
use crate::pixels::decode::tests::{encoded, noise};
use crate::pixels::decode::{Decoded, decode};

/// Decodes an image as a whole and compares it to its rows, from memory and from a disk. Both ways refuse the same images
/// for the same reasons, but for their limits.
pub(in crate::pixels::decode) fn decode_both_ways(bytes: &[u8], limits: &DecodeLimits) -> Result<Decoded, PixelsError> {
    let whole = decode(bytes, limits);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    for source in [Source::Bytes(bytes), Source::File(&file, bytes.len() as u64)] {
        match (&whole, rows(source, limits)) {
            (_, Ok(None)) => {}
            (Err(whole), _) if is_of_limits(whole) => {}
            (Ok(whole), Ok(Some(rows))) => assert_eq!(*whole, rows),
            (Err(whole), Err(rows)) => assert_eq!(whole.to_string(), rows.to_string()),
            (Ok(_), Err(error)) => panic!("not by rows: {error}"),
            (Err(error), Ok(Some(_))) => panic!("by rows only: {error}"),
        }
    }
    whole
}

fn is_of_limits(error: &PixelsError) -> bool {
    use PixelsError::{TooManyBytes, TooManyPixels, TooMuchMemory};
    matches!(error, TooManyPixels { .. } | TooManyBytes { .. } | TooMuchMemory(_))
}

/// The whole image by its rows; none where it is not read so.
fn rows(source: Source<'_>, limits: &DecodeLimits) -> Result<Option<Decoded>, PixelsError> {
    let Opened::ByRows(mut image) = open(source, limits)? else { return Ok(None) };
    let (width, height) = image.size();
    image.survey()?;
    let mut samples = Vec::new();
    while let Some(rows) = image.next()? {
        assert!(rows.width() == width && rows.height() <= image.at_once());
        samples.extend_from_slice(&rows);
    }
    assert!(image.next()?.is_none(), "it stays at its end");
    let notes = image.notes().to_vec();
    Ok(Some(Decoded { image: RgbImage::from_raw(width, height, samples).unwrap(), notes }))
}

fn is_by_rows(bytes: &[u8]) -> bool {
    decode_both_ways(bytes, &DecodeLimits::default()).unwrap();
    rows(Source::Bytes(bytes), &DecodeLimits::default()).unwrap().is_some()
}

#[test]
fn pngs_of_every_kind_are_read_by_rows() {
    let (width, height) = (700, 900); // more rows than come at a time
    let image = DynamicImage::from(noise(width, height));
    let clear = RgbaImage::from_fn(width, height, |x, y| Rgba([x as u8, y as u8, 7, (x * y) as u8]));
    let unused_alpha = RgbaImage::from_fn(width, height, |x, y| Rgba([x as u8, y as u8, 7, 0]));
    for image in [
        image.clone(),
        image.to_luma8().into(),
        image.to_luma16().into(),
        image.to_luma_alpha8().into(),
        DynamicImage::from(clear).to_luma_alpha16().into(),
        image.to_rgb16().into(),
        image.to_rgba16().into(),
        RgbaImage::from_pixel(9, 9, Rgba([1, 2, 3, 0])).into(),
        unused_alpha.into(),
        DynamicImage::from(noise(1, 1)),
    ] {
        let kind = image.color();
        assert!(is_by_rows(&encoded(image, ImageFormat::Png)), "{kind:?}");
    }
}

#[test]
fn an_alpha_that_only_the_last_row_gives_a_meaning_is_known_at_the_first() {
    let image = RgbaImage::from_fn(500, 900, |x, y| Rgba([x as u8, y as u8, 90, if y == 899 { 255 } else { 0 }]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let file = encoded(image.clone(), format);
        let decoded = decode_both_ways(&file, &DecodeLimits::default()).unwrap();
        assert_eq!(decoded.image.get_pixel(5, 5), &Rgb([255; 3]), "{format:?}: it is white below what is transparent");
        assert!(is_by_rows(&file));
    }
}

#[test]
fn what_is_not_read_by_rows_says_why() {
    let image = noise(30, 20);
    let reason = |file: &[u8]| match open(Source::Bytes(file), &DecodeLimits::default()).unwrap() {
        Opened::ByRows(_) => panic!("it is read by rows"),
        Opened::Whole { reason, .. } => reason,
    };
    for format in [ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::WebP] {
        assert!(reason(&encoded(image.clone(), format)).contains("format"));
    }
}

#[test]
fn damage_anywhere_in_a_png_is_refused_alike() {
    let whole = encoded(noise(40, 30), ImageFormat::Png);
    for at in (0..whole.len()).step_by(7) {
        let _ = decode_both_ways(&whole[..at], &DecodeLimits::default());
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let _ = decode_both_ways(&damaged, &DecodeLimits::default());
    }
}
