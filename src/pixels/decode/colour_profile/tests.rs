//! Colours whose values as sRGB were computed by lcms (Pillow's ImageCms, perceptual intent).

use image::codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
use image::{ExtendedColorType, GrayImage, ImageEncoder, ImageFormat, Rgb, RgbImage, RgbaImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::pixels::decode::by_rows::tests::decode_both_ways as decode;
use crate::pixels::decode::tests::{encoded, png_chunk};
use crate::pixels::decode::{DecodeLimits, Decoded};

const COLOURS: [[u8; 3]; 4] = [[234, 51, 35], [120, 60, 200], [200, 150, 190], [30, 90, 40]];
const FROM_DISPLAY_P3: [[u8; 3]; 4] = [[255, 0, 0], [129, 56, 207], [209, 147, 192], [0, 92, 33]];
const FROM_ADOBE_RGB: [[u8; 3]; 4] = [[255, 48, 29], [137, 57, 205], [217, 151, 193], [0, 90, 31]];

/// Each colour 16 pixels wide.
fn stripes() -> RgbImage {
    RgbImage::from_fn(64, 16, |x, _| Rgb(COLOURS[x as usize / 16]))
}

fn decoded(bytes: &[u8]) -> (RgbImage, Vec<Note>) {
    let Decoded { image, notes } = decode(bytes, &DecodeLimits::default()).unwrap();
    (image, notes)
}

/// The image of 8 bits in sRGB.
fn converted(image: DynamicImage, source: &ColourSource) -> (DynamicImage, Option<Note>) {
    let is_grey = !image.color().has_color();
    let mut image: DynamicImage =
        if image.color().has_alpha() { image.into_rgba8().into() } else { image.into_rgb8().into() };
    let note = to_srgb(&mut image, is_grey, source);
    (image, note)
}

fn assert_stripes(image: &RgbImage, want: [[u8; 3]; 4], within: u8, what: &str) {
    for (stripe, want) in (8..).step_by(16).zip(want) {
        let got = image.get_pixel(stripe, 8).0;
        assert!(got.iter().zip(want).all(|(got, want)| got.abs_diff(want) <= within), "{what}: {got:?}, {want:?}");
    }
}

fn encoded_with_profile(mut encoder: impl ImageEncoder, profile: &ColorProfile) {
    encoder.set_icc_profile(profile.encode().unwrap()).unwrap();
    encoder.write_image(&stripes(), 64, 16, ExtendedColorType::Rgb8).unwrap();
}

fn png_with_profile(profile: &ColorProfile) -> Vec<u8> {
    let mut png = Vec::new();
    encoded_with_profile(PngEncoder::new(&mut png), profile);
    png
}

/// The stripes as PNG with chunks after its header.
fn png_with_chunks(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let png = encoded(stripes(), ImageFormat::Png);
    let chunks: Vec<u8> = chunks.iter().flat_map(|(kind, data)| png_chunk(kind, data)).collect();
    [&png[..33], &chunks, &png[33..]].concat()
}

/// A bitmap of 24 bits whose header, the fifth version, points to a profile after the pixels.
fn bitmap_with_profile(profile: &ColorProfile) -> Vec<u8> {
    let profile = profile.encode().unwrap();
    let mut header = vec![0; 124];
    let pixels: Vec<u8> = stripes().rows().rev().flatten().flat_map(|&Rgb([r, g, b])| [b, g, r]).collect();
    for (at, number) in
        [(0, 124), (4, 64), (8, 16), (12, 24 << 16 | 1), (112, 124 + pixels.len()), (116, profile.len())]
    {
        header[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
    }
    header[56..60].copy_from_slice(b"DEBM");
    [b"BM\0\0\0\0\0\0\0\0\x8A\0\0\0".as_slice(), &header, &pixels, &profile].concat()
}

#[test]
fn profiles_of_all_formats_are_converted_as_lcms_does() {
    let (p3, adobe) = (ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb());
    let (mut jpeg, mut webp) = (Vec::new(), Vec::new());
    encoded_with_profile(JpegEncoder::new_with_quality(&mut jpeg, 100), &p3);
    encoded_with_profile(WebPEncoder::new_lossless(&mut webp), &p3);
    for (file, want, within, what) in [
        (png_with_profile(&p3), FROM_DISPLAY_P3, 2, "PNG"),
        (png_with_profile(&adobe), FROM_ADOBE_RGB, 2, "PNG, Adobe RGB"),
        (webp, FROM_DISPLAY_P3, 2, "WebP"),
        (bitmap_with_profile(&adobe), FROM_ADOBE_RGB, 2, "BMP"),
        (jpeg, FROM_DISPLAY_P3, 6, "JPEG"),
    ] {
        let (image, notes) = decoded(&file);
        assert_eq!(notes, [Note::ColoursConverted], "{what}");
        assert_stripes(&image, want, within, what);
    }
}

#[test]
fn transparent_images_are_converted_and_keep_their_alpha() {
    let source = ColourSource::Profile(ColorProfile::new_display_p3().encode().unwrap());
    let faint = RgbaImage::from_fn(64, 16, |x, y| {
        let [r, g, b] = COLOURS[x as usize / 16];
        image::Rgba([r, g, b, y as u8])
    });
    let (image, note) = converted(faint.into(), &source);
    assert_eq!(note, Some(Note::ColoursConverted));
    let image = image.into_rgba8();
    assert!(image.enumerate_pixels().all(|(_, y, pixel)| u32::from(pixel.0[3]) == y));
    assert_stripes(&DynamicImage::from(image).into_rgb8(), FROM_DISPLAY_P3, 2, "with alpha");
}

fn damaged_png_with_linear_gamma() -> Vec<u8> {
    let mut png = png_with_chunks(&[(b"gAMA", &100_000_u32.to_be_bytes())]);
    let at = png.windows(4).position(|kind| kind == b"gAMA").unwrap();
    png[at + 8] ^= 1; // its checksum
    png
}

#[test]
fn a_profile_that_inflates_beyond_any_is_refused_before_it_does() {
    let mut deflated = flate2::write::ZlibEncoder::new(b"a name\0\0".to_vec(), flate2::Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 5 << 20), &mut deflated).unwrap();
    let error = decode(&png_with_chunks(&[(b"iCCP", &deflated.finish().unwrap())]), &DecodeLimits::default());
    assert!(error.unwrap_err().to_string().contains("colour profile is larger"));
}

#[test]
fn what_is_srgb_already_keeps_every_byte() {
    let gamma = 45_455_u32.to_be_bytes();
    let linear = 100_000_u32.to_be_bytes();
    let chromaticities: Vec<u8> = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000_u32]
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    for (file, what) in [
        (png_with_profile(&ColorProfile::new_srgb()), "a profile"),
        (png_with_chunks(&[(b"gAMA", &gamma), (b"cHRM", &chromaticities)]), "gAMA and cHRM"),
        (png_with_chunks(&[(b"gAMA", &linear), (b"sRGB", &[0])]), "sRGB, which stands above gAMA"),
        (png_with_chunks(&[(b"cICP", &[1, 13, 0, 1]), (b"gAMA", &linear)]), "cICP, which stands above gAMA"),
        (png_with_chunks(&[(b"gAMA", &[0; 4])]), "a gAMA of nothing"),
        (damaged_png_with_linear_gamma(), "a gAMA that is damaged"),
    ] {
        assert_eq!(decoded(&file), (stripes(), vec![]), "{what}");
    }
}

#[test]
fn png_defines_colours_by_code_points_and_by_gamma() {
    let linear = 100_000_u32.to_be_bytes();
    let (image, notes) = decoded(&png_with_chunks(&[(b"cICP", &[12, 13, 0, 1]), (b"sRGB", &[0])]));
    assert_eq!(notes, [Note::ColoursConverted]);
    assert_stripes(&image, FROM_DISPLAY_P3, 2, "cICP of Display P3");

    let (image, notes) = decoded(&png_with_chunks(&[(b"gAMA", &linear)]));
    assert_eq!(notes, [Note::ColoursConverted]);
    let encode = |level: u8| (269.025 * (f64::from(level) / 255.0).powf(1.0 / 2.4) - 14.025).round() as u8;
    assert_stripes(&image, COLOURS.map(|colour| colour.map(encode)), 2, "linear light");

    for (points, what) in [
        ([9, 16, 0, 1], "PQ"),
        ([9, 18, 0, 1], "HLG"),
        ([1, 13, 0, 0], "the narrow range"),
        ([0, 77, 0, 1], "reserved"),
    ] {
        let (image, notes) = decoded(&png_with_chunks(&[(b"cICP", &points)]));
        assert_eq!((image, notes), (stripes(), vec![Note::ProfileNotApplied]), "{what}");
    }
}

#[test]
fn a_profile_for_greys_is_for_grey_images() {
    let profile = ColourSource::Profile(ColorProfile::new_gray_with_gamma(1.8).encode().unwrap());
    let greys = GrayImage::from_fn(256, 1, |x, _| image::Luma([x as u8]));
    let (image, note) = converted(greys.clone().into(), &profile);
    assert_eq!(note, Some(Note::ColoursConverted));
    for (level, pixel) in image.into_rgb8().pixels().enumerate().skip(32) {
        let want = (269.025 * (level as f64 / 255.0).powf(1.8 / 2.4) - 14.025).round() as u8;
        assert!(pixel.0.iter().all(|channel| channel.abs_diff(want) <= 2), "{level}: {pixel:?}, {want}");
    }
    let colours = DynamicImage::from(stripes());
    assert_eq!(converted(colours.clone(), &profile), (colours, Some(Note::ProfileNotApplied)));
    let p3 = ColourSource::Profile(ColorProfile::new_display_p3().encode().unwrap());
    let (image, note) = converted(greys.clone().into(), &p3);
    assert_eq!((image.into_luma8(), note), (greys, Some(Note::ProfileNotApplied)));
}

#[test]
fn a_broken_profile_changes_nothing_and_is_told() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let whole = ColorProfile::new_display_p3().encode().unwrap();
    let image = DynamicImage::from(stripes());
    for broken in [vec![], b"no profile".to_vec(), whole[..whole.len() / 2].to_vec(), vec![0; MOST_PROFILE_BYTES + 1]] {
        let (unchanged, note) = converted(image.clone(), &ColourSource::Profile(broken));
        assert_eq!((unchanged, note), (image.clone(), Some(Note::ProfileNotApplied)));
    }
    for _ in 0..300 {
        let mut profile = whole.clone();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..profile.len());
            profile[at] = random.random();
        }
        assert_eq!(converted(image.clone(), &ColourSource::Profile(profile)).0.width(), 64);
    }
}
