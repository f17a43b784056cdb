//! Images are drawn into files and cut, and the fields compared to crops of the decoded image.

use std::fs;
use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, Rgba, RgbaImage};

use super::*;
use crate::pixels::read;

fn drawn(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 5) as u8, (y * 7) as u8, (x * y) as u8]))
}

/// Pixels that do not compress.
fn noise(width: u32, height: u32) -> RgbImage {
    let mixed = |x: u32, y: u32| (x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0xC2B2_AE35);
    RgbImage::from_fn(width, height, |x, y| Rgb([0, 8, 16].map(|shift| (mixed(x, y) >> shift) as u8)))
}

fn clear(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| Rgba([(x * 5) as u8, (y * 7) as u8, 90, (3 * (x + y)) as u8]))
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG with a palette of 4 bits, of which one colour is transparent, and with a gamma of its own.
fn palette(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Four);
    encoder.set_palette((0..48_u8).map(|level| level * 5).collect::<Vec<_>>());
    encoder.set_trns([255, 40, 255].as_slice());
    encoder.set_source_gamma(png::ScaledFloat::new(1.0));
    let row = (width as usize).div_ceil(2);
    let pixels: Vec<u8> = (0..row * height as usize).map(|at| (at * 29 + at / row) as u8).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    file
}

/// EXIF's data that turn an image by a quarter.
const TURNED: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

fn turned_png(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::ChunkType(*b"eXIf"), TURNED).unwrap();
    writer.write_image_data(&drawn(width, height)).unwrap();
    drop(writer);
    file
}

fn turned_jpeg(width: u32, height: u32) -> Vec<u8> {
    let jpeg = encoded(drawn(width, height), ImageFormat::Jpeg);
    let length = (TURNED.len() as u16 + 8).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, b"Exif\0\0", TURNED, &jpeg[2..]].concat()
}

/// A TIFF of one directory with these tags, each a 32-bit number, and 1000 bytes behind it, from byte 1000 on.
fn tiff(tags: &[(u16, u32)]) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        file.extend([&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat());
    }
    file.resize(2000, 77);
    file
}

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const OFFSETS: u16 = 273;
const ROWS: u16 = 278;
const LENGTHS: u16 = 279;

/// A grey image of a strip at byte 1000, not compressed, in which what is asked for differs.
fn grey(differs: &[(u16, u32)]) -> Vec<u8> {
    let mut tags = vec![(WIDTH, 25), (HEIGHT, 40), (BITS, 8), (COMPRESSION, 1), (PHOTOMETRIC, 1), (OFFSETS, 1000)];
    tags.extend([(ROWS, 40), (LENGTHS, 1000)]);
    for (tag, value) in differs {
        tags.iter_mut().filter(|(other, _)| other == tag).for_each(|entry| entry.1 = *value);
    }
    tiff(&tags)
}

struct OnDisk(tempfile::TempDir);

impl OnDisk {
    fn new(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("image"), bytes).unwrap();
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("image")
    }

    fn refusal(&self, size: u32, memory: u64) -> String {
        let mut image = LargeImage::with_memory(&self.path(), memory).unwrap();
        let Err(PixelsError::File(path, reason)) = image.fields(Fields::new(size, 0).unwrap()) else {
            panic!("it is cut");
        };
        assert_eq!(path, self.path());
        reason.to_string()
    }
}

#[test]
fn fields_are_the_crops_of_the_decoded_image_whatever_holds_it() {
    let (width, height) = (50, 41);
    let (plain, clear) = (DynamicImage::from(drawn(width, height)), DynamicImage::from(clear(width, height)));
    for (name, file, is_turned) in [
        ("PNG", encoded(plain.clone(), ImageFormat::Png), false),
        ("PNG of 16 bits with alpha", encoded(clear.to_rgba16(), ImageFormat::Png), false),
        ("PNG with a palette", palette(width, height), false),
        ("turned PNG", turned_png(width, height), true),
        ("TIFF", encoded(plain.clone(), ImageFormat::Tiff), false),
        ("TIFF of 16 bits with alpha", encoded(clear.to_rgba16(), ImageFormat::Tiff), false),
        ("JPEG", encoded(plain.clone(), ImageFormat::Jpeg), false),
        ("turned JPEG", turned_jpeg(width, height), true),
        ("bitmap", encoded(plain, ImageFormat::Bmp), false),
    ] {
        let file = OnDisk::new(&file);
        let whole = read(&file.path(), &DecodeLimits::default()).unwrap();
        let size = if is_turned { (height, width) } else { (width, height) };
        let cut = Fields::new(16, 5).unwrap();
        let mut image = LargeImage::open(&file.path()).unwrap();
        let reader = image.fields(cut).unwrap();
        assert_eq!((reader.size(), reader.notes()), (size, &whole.notes[..]), "{name}");
        let mut fields = Vec::new();
        for field in reader {
            let Field { x, y, image } = field.unwrap();
            assert_eq!(image, imageops::crop_imm(&whole.image, x, y, 16, 16).to_image(), "{name} at {x}, {y}");
            fields.push((y, x));
        }
        let starts = |length| cut.starts(length).unwrap();
        let expected: Vec<_> = starts(size.1).flat_map(|y| starts(size.0).map(move |x| (y, x))).collect();
        assert_eq!(fields, expected, "{name}: from the top, and in a row from the left");
        assert_eq!(cut.count(size.0, size.1).unwrap(), expected.len() as u64);
        // What is cut from the file once can be cut again.
        let one = image.fields(Fields::new(41, 0).unwrap()).unwrap();
        assert_eq!(one.map(|field| field.unwrap().image.width()).collect::<Vec<_>>(), vec![41; 2], "{name}");
    }
}

#[test]
fn an_image_is_never_padded_nor_stretched() {
    let file = OnDisk::new(&encoded(drawn(50, 41), ImageFormat::Png));
    for size in [42, 51, 1_000_000_000, u32::MAX] {
        let sentence = format!("the image is 50x41 pixels, and no field of {size}x{size} fits into it");
        assert!(file.refusal(size, 1 << 30).starts_with(&sentence));
    }
}

#[test]
fn memory_is_asked_for_the_rows_of_a_field_where_they_are_read_and_else_for_the_image() {
    let image = drawn(400, 4000);
    let memory = 5 << 20; // a quarter of what decoding it takes
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let file = OnDisk::new(&encoded(image.clone(), format));
        let mut cut = LargeImage::with_memory(&file.path(), memory).unwrap();
        assert_eq!(cut.fields(Fields::new(400, 0).unwrap()).unwrap().count(), 10, "{format:?}");
        assert!(file.refusal(400, 1 << 19).starts_with("reading the image takes about "), "{format:?}");
    }
    let file = OnDisk::new(&encoded(image.clone(), ImageFormat::Jpeg));
    let refusal = file.refusal(400, memory);
    assert!(refusal.starts_with("this JPEG image has 400x4000 pixels and is decoded as a whole"), "{refusal}");
    assert!(refusal.contains("its format is not read by rows") && refusal.ends_with("strips or tiles"), "{refusal}");
    assert!(file.refusal(400, 100).contains("at most 100 are read"));
}

#[test]
fn what_is_damaged_has_no_fields_at_all() {
    let png = encoded(drawn(300, 300), ImageFormat::Png);
    let strip = grey(&[]);
    for half in [&png[..png.len() / 2], &strip[..1500]] {
        let refusal = OnDisk::new(half).refusal(10, 1 << 30);
        assert!(refusal.contains("cannot be decoded") && refusal.contains(" ends "), "{refusal}");
    }
}

#[test]
fn an_image_that_changes_while_it_is_read_is_an_error_and_the_end() {
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let file = OnDisk::new(&encoded(noise(300, 3000), format));
        let mut image = LargeImage::open(&file.path()).unwrap();
        let mut fields = image.fields(Fields::new(100, 0).unwrap()).unwrap();
        assert!(fields.next().unwrap().is_ok());
        fs::OpenOptions::new().write(true).open(file.path()).unwrap().set_len(3000).unwrap();
        let last = fields.find(Result::is_err).unwrap().unwrap_err();
        assert!(matches!(last, PixelsError::File(..)) && fields.next().is_none(), "{format:?}");
    }
}

#[test]
fn tiffs_that_say_more_than_they_hold_are_refused_at_once() {
    let billion = 1_000_000_000;
    assert_eq!(OnDisk::new(&grey(&[])).path().metadata().unwrap().len(), 2000);
    let mut whole = LargeImage::open(&OnDisk::new(&grey(&[])).path()).unwrap();
    assert_eq!(whole.fields(Fields::new(10, 0).unwrap()).unwrap().count(), 12);
    for (differs, refusal) in [
        (
            &[(WIDTH, billion), (HEIGHT, billion), (ROWS, billion)][..],
            "1000000000 pixels wide, which is more than is read",
        ),
        (&[(WIDTH, u32::MAX), (HEIGHT, u32::MAX), (ROWS, 1)], "pixels wide, which is more than is read"),
        (&[(HEIGHT, billion), (ROWS, billion)], "a strip or tile of it ends too early"),
        (&[(HEIGHT, billion), (ROWS, 1)], "does not say where all its strips or tiles are"),
        (&[(ROWS, 1)], "does not say where all its strips or tiles are"),
        (&[(OFFSETS, 5000)], "the file ends before its pixels do"),
        (&[(OFFSETS, u32::MAX)], "the file ends before its pixels do"),
        (&[(OFFSETS, 1500)], "a strip or tile of it ends too early"),
        (&[(COMPRESSION, 8)], "a strip or tile of it is damaged"),
        // A strip that is one JPEG is held as a whole.
        (&[(WIDTH, 100_000), (HEIGHT, billion), (ROWS, billion), (COMPRESSION, 7)], "reading the image takes about"),
    ] {
        let found = OnDisk::new(&grey(differs)).refusal(10, 1 << 30);
        assert!(found.contains(refusal), "{differs:?}: {found}");
    }
}
