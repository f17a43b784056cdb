//! PNGs with chunks of their own before or after the pixels.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::{ImageFormat, Rgb};

use crate::pixels::decode::by_rows::tests::decode_both_ways as decode;
use crate::pixels::decode::tests::{BLUE, GREEN, RED, WHITE, encoded, flag, png_chunk};
use crate::pixels::decode::{DecodeLimits, Decoded, Note, PixelsError};

type Kind = &'static [u8; 4];

/// The flag with chunks after its header, or before its end.
fn with_chunks(chunks: &[(Kind, &[u8])], before_pixels: bool) -> Vec<u8> {
    let png = encoded(flag(), ImageFormat::Png);
    let (begin, end) = png.split_at(if before_pixels { 33 } else { png.len() - 12 });
    let chunks: Vec<u8> = chunks.iter().flat_map(|(kind, data)| png_chunk(kind, data)).collect();
    [begin, &chunks, end].concat()
}

fn decoded(png: &[u8]) -> Result<Decoded, PixelsError> {
    decode(png, &DecodeLimits::default())
}

fn exif(orientation: u8) -> Vec<u8> {
    [b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0]].concat()
}

/// A profile as ImageMagick writes it.
fn raw(exif: &[u8]) -> String {
    let digits: Vec<String> = exif.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<String> = digits.chunks(36).map(<[String]>::concat).collect();
    format!("\nexif\n{:8}\n{}\n", exif.len(), lines.join("\n"))
}

fn deflated(text: &str) -> Vec<u8> {
    let mut file = ZlibEncoder::new(Vec::new(), Compression::default());
    file.write_all(text.as_bytes()).unwrap();
    file.finish().unwrap()
}

#[test]
fn orientation_is_of_exif_else_of_a_text() {
    const RAW: &[u8] = b"Raw profile type exif\0";
    const XMP: &[u8] = b"XML:com.adobe.xmp\0";
    let text = |keyword: &[u8], header: &[u8], text: &[u8]| [keyword, header, text].concat();
    let turned = "<rdf:Description tiff:Orientation=\"8\"/>";
    let plain: (Kind, _) = (b"tEXt", text(RAW, b"", raw(&exif(6)).as_bytes()));
    let compressed: (Kind, _) = (b"zTXt", text(RAW, b"\0", &deflated(&raw(&exif(6)))));
    let xmp: (Kind, _) = (b"iTXt", text(XMP, b"\0\0en\0\0", turned.as_bytes()));
    let small_xmp: (Kind, _) = (b"iTXt", text(XMP, b"\x01\0\0\0", &deflated(turned)));
    let chunk: (Kind, _) = (b"eXIf", exif(3)[6..].to_vec());
    let none: (Kind, _) = (b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0".to_vec());
    for (chunks, corner, what) in [
        (&[][..], RED, "nothing"),
        (&[&chunk], WHITE, "eXIf"),
        (&[&plain], GREEN, "a raw profile"),
        (&[&compressed], GREEN, "a compressed raw profile"),
        (&[&chunk, &plain, &xmp], WHITE, "eXIf stands above texts"),
        (&[&plain, &xmp], GREEN, "a raw profile stands above XMP"),
        (&[&xmp], BLUE, "XMP"),
        (&[&small_xmp], BLUE, "compressed XMP"),
        (&[&none, &xmp], BLUE, "eXIf without it, and XMP"),
        (&[&(b"tEXt", text(RAW, b"", b"\nexif\n 2\nno digits"))], RED, "no digits"),
        (&[&(b"tEXt", text(b"Comment\0", b"", turned.as_bytes()))], RED, "a comment"),
        (&[&(b"zTXt", text(XMP, b"\0", turned.as_bytes()))], RED, "no zlib"),
    ] as [(&[&(Kind, Vec<u8>)], Rgb<u8>, &str); 12]
    {
        let chunks: Vec<(Kind, &[u8])> = chunks.iter().map(|(kind, data)| (*kind, &data[..])).collect();
        for before_pixels in [true, false] {
            let image = decoded(&with_chunks(&chunks, before_pixels)).unwrap().image;
            assert_eq!(*image.get_pixel(0, 0), corner, "{what}, before the pixels: {before_pixels}");
        }
    }
}

#[test]
fn of_a_text_its_first_mebibyte_is_read() {
    let late = " ".repeat(1 << 20) + "tiff:Orientation=\"8\"";
    let xmp = [b"XML:com.adobe.xmp\0\x01\0\0\0".as_slice(), &deflated(&late)].concat();
    assert_eq!(decoded(&with_chunks(&[(b"iTXt", &xmp)], true)).unwrap().image, flag());
}

#[test]
fn code_points_that_no_png_has_are_told_and_ignored() {
    for points in [&[1, 13, 0, 2][..], &[1, 13, 1, 1], &[9, 16, 9, 0]] {
        let chunks: [(Kind, &[u8]); 2] = [(b"cICP", points), (b"cICP", &[12, 13, 6, 1])];
        for chunks in [&chunks[..1], &chunks] {
            let Decoded { image, notes } = decoded(&with_chunks(chunks, true)).unwrap();
            assert_eq!((image, &notes[..]), (flag(), &[Note::ProfileNotApplied][..]), "{points:?}");
        }
    }
    // One that is too long is none, and one after the pixels says nothing.
    for (points, before_pixels) in [(&[12, 13, 0, 1, 0][..], true), (&[12, 13, 6, 1], false)] {
        let Decoded { image, notes } = decoded(&with_chunks(&[(b"cICP", points)], before_pixels)).unwrap();
        assert_eq!((image, &notes[..]), (flag(), &[][..]), "{points:?}");
    }
}

#[test]
fn a_profile_that_cannot_be_inflated_is_told_and_ignored() {
    for data in [&b"name\0\0no zlib"[..], b"name", b"name\0\x07x", b""] {
        let Decoded { image, notes } = decoded(&with_chunks(&[(b"iCCP", data)], true)).unwrap();
        assert_eq!((image, &notes[..]), (flag(), &[Note::ProfileNotApplied][..]), "{data:?}");
    }
}

#[test]
fn a_chunk_that_is_needed_and_unknown_is_refused_in_our_words() {
    let png = with_chunks(&[(b"CgBI", &[0x50, 0, 0x20, 2])], true);
    let error = decoded(&png).unwrap_err();
    assert!(matches!(&error, PixelsError::Unsupported("PNG", why) if why.contains("specification")), "{error}");
    let mut damaged = png;
    damaged[33 + 8] ^= 1;
    let error = decoded(&damaged).unwrap_err();
    assert!(matches!(&error, PixelsError::Undecodable("PNG", why) if why == "a chunk in it is damaged"), "{error}");
}
