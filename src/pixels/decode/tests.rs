//! Images are drawn and encoded here, damaged or not, and decoded again.

use std::io::Cursor;

use image::{DynamicImage, Luma, LumaA, Rgb, Rgb32FImage, Rgba, RgbaImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::by_rows::tests::decode_both_ways as decode;
use super::*;

pub(super) const RED: Rgb<u8> = Rgb([255, 0, 0]);
pub(super) const GREEN: Rgb<u8> = Rgb([0, 255, 0]);
pub(super) const BLUE: Rgb<u8> = Rgb([0, 0, 255]);
pub(super) const WHITE: Rgb<u8> = Rgb([255, 255, 255]);

const FORMATS_READ: [ImageFormat; 5] =
    [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Jpeg];

fn limits() -> DecodeLimits {
    DecodeLimits::default()
}

fn decoded(bytes: &[u8]) -> RgbImage {
    decode(bytes, &limits()).unwrap().image
}

pub(super) fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Wide, with a quarter of each colour: red and blue above, green and white below.
pub(super) fn flag() -> RgbImage {
    RgbImage::from_fn(64, 32, |x, y| match (x < 32, y < 16) {
        (true, true) => RED,
        (false, true) => BLUE,
        (true, false) => GREEN,
        (false, false) => WHITE,
    })
}

pub(super) fn noise(width: u32, height: u32) -> RgbImage {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    RgbImage::from_fn(width, height, |_, _| Rgb(random.random()))
}

/// A four-colour palette of 2 bits a pixel, of which the second colour is transparent.
// im = Image.new("P", (4, 2)); im.putpalette([255,0,0, 0,128,0, 0,0,255]); im.putdata([0,1,2,0, 2,1,0,2])
// im.save(b, "PNG", bits=2, transparency=1); b.getvalue().hex()
const PALETTE_PNG: &str = "89504e470d0a1a0a0000000d494844520000000400000002020300000002c695f000000009504c5445ff00000080\
    000000ff56c8ba940000000274524e53ff00e5b7304a0000000c49444154789c63906098040000de00ab1afc37770000000049454e44ae426082";

pub(super) fn from_hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A CMYK JPEG as Adobe writes it (inverted): red above, black below.
// im = Image.new("CMYK", (16, 16)); im.paste((0, 255, 255, 0), (0, 0, 16, 8)); im.paste((0, 0, 0, 255), (0, 8, 16, 16))
// im.save("cmyk.jpg", quality=90)
pub(super) const CMYK_JPEG: &[u8] = include_bytes!("../../../tests/fixtures/cmyk.jpg");

pub(super) fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind, data].concat();
    let mut crc = !0_u32;
    for byte in &body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 * (crc & 1));
        }
    }
    [&(data.len() as u32).to_be_bytes(), &body[..], &(!crc).to_be_bytes()].concat()
}

/// A PNG of a few bytes whose header announces any size: 16 bits each of red, green, blue and alpha.
fn announcing_png(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    let chunks = [png_chunk(b"IHDR", &header), png_chunk(b"IDAT", &[0x78, 0x9C, 3, 0]), png_chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

/// The JPEG with an APP1 segment after its first mark that holds EXIF's orientation and nothing else.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let exif = [
        b"Exif\0\0II*\0\x08\0\0\0".as_slice(),
        &[1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn lossless_formats_give_back_the_pixels_that_were_written() {
    let image = noise(37, 23);
    for &format in &FORMATS_READ[..4] {
        assert_eq!(decoded(&encoded(image.clone(), format)), image, "{format:?}");
    }
}

#[test]
fn a_jpeg_comes_back_nearly_as_it_was() {
    let image = decoded(&encoded(flag(), ImageFormat::Jpeg));
    for (x, y, pixel) in image.enumerate_pixels() {
        let want = flag().get_pixel(x, y).0;
        assert!(pixel.0.iter().zip(want).all(|(got, want)| got.abs_diff(want) < 12), "{x},{y}: {pixel:?}");
    }
}

#[test]
fn grey_deep_and_transparent_pixels_become_8_bit_rgb_on_white() {
    let one = |image: DynamicImage, format| decoded(&encoded(image, format)).get_pixel(0, 0).0;
    let png = ImageFormat::Png;
    let grey = image::GrayImage::from_pixel(3, 3, Luma([77]));
    assert_eq!(one(grey.into(), png), [77, 77, 77]);
    let deep = image::ImageBuffer::from_pixel(3, 3, Rgb([0xFFFF_u16, 0x8080, 0]));
    assert_eq!(one(deep.clone().into(), png), [255, 128, 0]);
    assert_eq!(one(deep.into(), ImageFormat::Tiff), [255, 128, 0]);
    let clear = image::GrayAlphaImage::from_pixel(3, 3, LumaA([0, 0]));
    assert_eq!(one(clear.into(), png), [255, 255, 255]);
    let faint = RgbaImage::from_pixel(3, 3, Rgba([255, 0, 100, 51]));
    assert_eq!(one(faint.clone().into(), png), [255, 204, 224]);
    assert_eq!(one(faint.into(), ImageFormat::WebP), [255, 204, 224]);
}

#[test]
fn palettes_are_looked_up_and_cmyk_is_converted() {
    let palette = decoded(&from_hex(PALETTE_PNG));
    let want = [RED, WHITE, BLUE, RED, BLUE, WHITE, RED, BLUE];
    assert_eq!(palette.pixels().copied().collect::<Vec<_>>(), want);
    let cmyk = decoded(CMYK_JPEG);
    let ([r, g, b], black) = (cmyk.get_pixel(3, 2).0, cmyk.get_pixel(3, 13).0);
    assert!(r > 240 && g < 15 && b < 15 && black.iter().all(|v| *v < 15), "{r} {g} {b}, {black:?}");
}

#[test]
fn exif_orientation_is_applied() {
    let jpeg = encoded(flag(), ImageFormat::Jpeg);
    // The colours of the upper corners once the image is upright, by EXIF's definition of each value.
    let corners = [
        (1, RED, BLUE),
        (2, BLUE, RED),
        (3, WHITE, GREEN),
        (4, GREEN, WHITE),
        (5, RED, GREEN),
        (6, GREEN, RED),
        (7, WHITE, BLUE),
        (8, BLUE, WHITE),
    ];
    for (orientation, left, right) in corners {
        let upright = decoded(&with_orientation(&jpeg, orientation));
        assert_eq!(upright.dimensions(), if orientation < 5 { (64, 32) } else { (32, 64) }, "{orientation}");
        for (x, corner) in [(3, left), (upright.width() - 4, right)] {
            let got = upright.get_pixel(x, 3).0;
            assert!(got.iter().zip(corner.0).all(|(a, b)| a.abs_diff(b) < 12), "{orientation}: {got:?} at {x}");
        }
    }
    assert_eq!(decoded(&with_orientation(&jpeg, 9)), decoded(&jpeg), "a value that EXIF does not have");
}

#[test]
fn what_is_not_an_image_gets_another_error_than_a_broken_image() {
    for (bytes, words) in [
        (&b""[..], "the file is empty; the formats that are read are PNG, JPEG, TIFF, WebP and BMP"),
        (b"To whom it may concern", "not an image"),
        (b"\x89PN", "not an image"),
        (b"GIF89a\x01\0\x01\0", "GIF images are not read"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "not an image"),
    ] {
        let error = decode(bytes, &limits()).unwrap_err();
        assert!(matches!(error, PixelsError::UnknownFormat { .. }) && error.to_string().contains(words), "{error}");
    }
    for format in FORMATS_READ {
        let whole = encoded(noise(64, 64), format);
        for kept in [16, whole.len() / 2, whole.len() * 9 / 10] {
            let error = decode(&whole[..kept], &limits()).unwrap_err();
            assert!(matches!(error, PixelsError::Undecodable { .. }), "{format:?} cut to {kept}: {error}");
        }
    }
}

#[test]
fn sizes_are_refused_by_the_header_alone() {
    for (width, height) in [(60_000, 60_000), (8001, 8000), (i32::MAX as u32, 1), (i32::MAX as u32, i32::MAX as u32)] {
        let error = decode(&announcing_png(width, height), &limits()).unwrap_err();
        let too_large = matches!(error, PixelsError::TooManyPixels { .. } | PixelsError::TooMuchMemory { .. });
        assert!(too_large, "{width}x{height}: {error}");
    }
    let error = decode(&announcing_png(60_000, 60_000), &limits()).unwrap_err();
    assert!(error.to_string().contains("60000x60000 pixels, and at most 64000000"), "{error}");
    let empty = decode(&announcing_png(0, 5), &limits()).unwrap_err();
    assert!(matches!(empty, PixelsError::Undecodable { .. }), "{empty}");

    let mut webp = b"RIFF\x2A\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\x03\0\0\x03\0\0".to_vec(); // a canvas of 4x4
    webp.extend(b"VP8 \x0A\0\0\0\x10\0\0\x9D\x01\x2A\xFF\x3F\xFF\x3F"); // and a frame of 16383x16383 in it
    let error = decode(&webp, &limits()).unwrap_err();
    assert!(matches!(error, PixelsError::TooManyPixels { width: 16383, .. }), "{error}");

    let exact = DecodeLimits { max_pixels: 64 * 32, ..limits() };
    let tight = DecodeLimits { max_pixels: 64 * 32 - 1, ..limits() };
    for format in FORMATS_READ {
        let bytes = encoded(flag(), format);
        assert!(decode(&bytes, &exact).is_ok(), "{format:?}");
        let error = decode(&bytes, &tight).unwrap_err();
        let is_refused = matches!(error, PixelsError::TooManyPixels { width: 64, height: 32, limit: 2047 });
        assert!(is_refused, "{format:?}: {error}");
    }
    let bytes = encoded(flag(), ImageFormat::Png);
    let short = DecodeLimits { max_bytes: bytes.len() - 1, ..limits() };
    assert!(matches!(decode(&bytes, &short), Err(PixelsError::TooManyBytes { .. })));
    assert!(decode(&bytes, &DecodeLimits { max_bytes: bytes.len(), ..limits() }).is_ok());
}

#[test]
fn a_deep_tiff_takes_the_memory_of_its_8_bit_pixels() {
    let floats = encoded(Rgb32FImage::from_pixel(1500, 1000, Rgb([1.0, 0.2, 0.0])), ImageFormat::Tiff);
    let image = decode(&floats, &DecodeLimits { max_pixels: 1_500_000, ..limits() }).unwrap();
    assert_eq!(image.image.get_pixel(1499, 999).0, [255, 51, 0]);
}

#[test]
fn reading_a_file_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let (good, text) = (folder.path().join("good.jpg"), folder.path().join("letter.png"));
    std::fs::write(&good, encoded(flag(), ImageFormat::Png)).unwrap();
    std::fs::write(&text, "To whom it may concern").unwrap();
    assert_eq!(read(&good, &limits()).unwrap().image, flag(), "the bytes decide, not the name");
    let error = read(&text, &limits()).unwrap_err();
    assert!(error.to_string().contains("cannot use the image") && error.to_string().ends_with("letter.png"), "{error}");
    let error = read(&folder.path().join("none.png"), &limits()).unwrap_err();
    assert!(matches!(error, PixelsError::Read { .. }) && error.to_string().contains("none.png"), "{error}");
    let error = read(&good, &DecodeLimits { max_bytes: 10, ..limits() }).unwrap_err();
    let PixelsError::File(_, source) = error else { panic!("{error}") };
    let whole = std::fs::metadata(&good).unwrap().len();
    assert!(matches!(*source, PixelsError::TooManyBytes { limit: 10, bytes } if bytes == whole), "{source}");
}

#[test]
fn a_local_file_may_be_larger_than_an_upload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("camera.bmp");
    std::fs::write(&path, encoded(RgbImage::new(4000, 3000), ImageFormat::Bmp)).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() > limits().max_bytes as u64);
    assert!(matches!(read(&path, &limits()).unwrap_err(), PixelsError::File(..)));
    assert_eq!(
        read(&path, &DecodeLimits { max_bytes: 40 << 20, ..limits() }).unwrap().image.dimensions(),
        (4000, 3000)
    );
    let local = DecodeLimits::local();
    assert!((limits().max_bytes..=1 << 30).contains(&local.max_bytes) && local.max_pixels == limits().max_pixels);
}

#[test]
fn damaged_files_never_panic_and_are_decoded_or_refused_with_a_short_reason() {
    let image = noise(24, 18);
    let faint = RgbaImage::from_fn(20, 20, |x, y| Rgba([x as u8, y as u8, 9, (x * y) as u8]));
    let lossy = encoded(image.clone(), ImageFormat::Jpeg);
    let mut files = vec![with_orientation(&lossy, 6), CMYK_JPEG.to_vec(), from_hex(PALETTE_PNG)];
    for &format in &FORMATS_READ[..4] {
        files.extend([encoded(image.clone(), format), encoded(faint.clone(), format)]);
    }
    files.push(encoded(Rgb32FImage::from_pixel(5, 5, Rgb([0.1, 0.2, 0.3])), ImageFormat::Tiff));

    let small = DecodeLimits { max_bytes: 1 << 16, max_pixels: 1 << 16 };
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut decoded = 0;
    for round in 0..6000 {
        let mut bytes = files[round % files.len()].clone();
        // Half of the damage goes to the first 64 bytes, where the headers are.
        let reach = if random.random() { bytes.len() } else { bytes.len().min(64) };
        for _ in 0..random.random_range(1..6) {
            bytes[random.random_range(0..reach)] = random.random();
        }
        if random.random_ratio(1, 8) {
            bytes.truncate(random.random_range(0..bytes.len()));
        }
        match decode(&bytes, &small) {
            Ok(Decoded { image, .. }) => {
                assert!(image.width() > 0 && image.height() > 0);
                decoded += 1;
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.len() < 300 && !message.contains('\n'), "{message}");
            }
        }
    }
    assert!(decoded > 500 && decoded < 5500, "both ways out are taken: {decoded} of 6000 are decoded");
}

#[test]
fn orientation_after_the_pixels_of_a_png_is_applied() {
    let png = encoded(flag(), ImageFormat::Png);
    let exif = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".as_slice(), &[0, 6, 0, 0, 0, 0, 0, 0]].concat();
    let chunk = png_chunk(b"eXIf", &exif);
    for at in [33, png.len() - 12] {
        let upright = decoded(&[&png[..at], &chunk, &png[at..]].concat());
        assert_eq!((upright.dimensions(), *upright.get_pixel(0, 0)), ((32, 64), GREEN), "at {at}");
    }
}

/// The file with a chunk of EXIF's data that states this orientation, begun as these bytes do.
fn webp_with_orientation(webp: &[u8], start: &[u8], orientation: u8) -> Vec<u8> {
    let exif =
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat();
    let exif = [start, &exif].concat();
    let header = [b"VP8X\x0A\0\0\0\x08\0\0\0".as_slice(), &[63, 0, 0, 31, 0, 0]].concat();
    let body = [b"WEBP", &header[..], &webp[12..], b"EXIF", &(exif.len() as u32).to_le_bytes(), &exif].concat();
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

#[test]
fn orientation_in_a_webp_is_applied_however_it_begins() {
    let webp = encoded(flag(), ImageFormat::WebP);
    for start in [&b""[..], b"Exif\0\0"] {
        let upright = decoded(&webp_with_orientation(&webp, start, 6));
        assert_eq!((upright.dimensions(), *upright.get_pixel(0, 0)), ((32, 64), GREEN), "{start:?}");
    }
}

#[test]
fn alpha_that_is_zero_everywhere_means_none() {
    let hidden = RgbaImage::from_pixel(3, 2, Rgba([60, 40, 20, 0]));
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff] {
        let Decoded { image, notes } = decode(&encoded(hidden.clone(), format), &limits()).unwrap();
        assert_eq!((image.get_pixel(1, 1).0, &notes[..]), ([60, 40, 20], &[Note::AlphaIgnored][..]), "{format:?}");
    }

    // The third to fifth version of the header, with a mask for alpha.
    for header in [56, 108, 124_u8] {
        for alpha in [0, 128] {
            let mut bitmap = b"BM\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
            bitmap[10] = 14 + header;
            bitmap.extend([header, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 32, 0, 3, 0, 0, 0]);
            bitmap.extend([0; 20]);
            bitmap.extend([0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255]);
            bitmap.resize(usize::from(14 + header), 0);
            bitmap.extend([20, 40, 60, alpha, 0, 0, 255, 0]);
            let Decoded { image, notes } = decode(&bitmap, &limits()).unwrap();
            let (first, note) = match alpha {
                0 => ([60, 40, 20], Note::AlphaIgnored),
                _ => ([157, 147, 137], Note::TransparentOnWhite),
            };
            assert_eq!((image.get_pixel(0, 0).0, &notes[..]), (first, &[note][..]), "{header} bytes, alpha {alpha}");
        }
    }
}

#[test]
fn notes_say_what_was_done() {
    let clear = RgbaImage::from_pixel(4, 4, Rgba([0; 4]));
    let Decoded { image, notes } = decode(&encoded(clear, ImageFormat::Png), &limits()).unwrap();
    assert_eq!((image.get_pixel(0, 0), &notes[..]), (&WHITE, &[Note::TransparentOnWhite][..]));
    let png = encoded(flag(), ImageFormat::Png);
    let frames = png_chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
    let Decoded { image, notes } = decode(&[&png[..33], &frames, &png[33..]].concat(), &limits()).unwrap();
    assert_eq!((image, &notes[..]), (flag(), &[Note::FirstFrame][..]));
    // 14 bits of a camera in the 16 of a PNG, and the same where they were scaled.
    for (step, notes) in [(163, &[Note::Dark][..]), (655, &[])] {
        let deep = image::ImageBuffer::from_fn(10, 10, |x, y| Luma([(y * 10 + x) as u16 * step]));
        let clear = DynamicImage::ImageLuma16(deep.clone()).into_rgba16();
        let mut clear = image::ImageBuffer::from_fn(20, 10, |x, y| *clear.get_pixel(x % 10, y));
        clear.rows_mut().for_each(|row| row.skip(10).for_each(|pixel| *pixel = Rgba([65535, 65535, 65535, 0])));
        assert_eq!(decode(&encoded(deep, ImageFormat::Png), &limits()).unwrap().notes, notes);
        let seen = decode(&encoded(clear, ImageFormat::Png), &limits()).unwrap().notes;
        assert_eq!(seen, [notes, &[Note::TransparentOnWhite]].concat(), "what is transparent is not looked at");
    }
    for format in FORMATS_READ {
        assert_eq!(decode(&encoded(flag(), format), &limits()).unwrap().notes, [], "{format:?}");
    }
}
