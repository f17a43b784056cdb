//! JPEGs whose segments say, or do not say, which colours and which way up.

use moxcms::ColorProfile;

use crate::pixels::decode::tests::{BLUE, CMYK_JPEG, GREEN, RED, encoded, flag, from_hex};
use crate::pixels::decode::{DecodeLimits, Decoded, Note, PixelsError, decode};

/// Three columns whose chroma is halved in both directions.
// im = Image.new("RGB", (3, 40), "#f00"); im.paste("#00f", (2, 0, 3, 40)); im.paste("#0c0", (0, 17, 2, 40))
// im.save("narrow.jpg", quality=60, optimize=True)
pub(in crate::pixels::decode) const NARROW: &str = "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17202e2931\
    302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffdb0043010e0e0e131113261515264f352d35\
    4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4fffc00011\
    080028000303012200021101031101ffc40017000100030000000000000000000000000000010306ffc4002210000201010803000000\
    0000000000000000010205030434358182b1b2212272ffc40017010100030000000000000000000000000001000406ffc40020110001\
    030402030000000000000000000001000203053472b10411313371ffda000c03010002110311003f00c4df7173d3802fb8b9e9c03794\
    eb38b16e8239f752e47655d588a8d52d94524bd7c2f9409ad66b6db7aa014cb28716e82a1112e6349f3d04ad66b6db7aa001299650e2\
    dd0443eb6fc0bfffd9";

const XMP: &str = "http://ns.adobe.com/xap/1.0/\0";

fn limits() -> DecodeLimits {
    DecodeLimits::default()
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [&[0xFF, marker], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat()
}

/// The JPEG without its APP0 and APP14, with these segments instead.
fn with_segments(jpeg: &[u8], segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut file = jpeg[..2].to_vec();
    segments.iter().for_each(|(marker, data)| file.extend(segment(*marker, data)));
    let mut at = 2;
    while let [0xFF, 0xE0 | 0xEE, high, low] = jpeg[at..at + 4] {
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    [&file, &jpeg[at..]].concat()
}

/// The flag, with components of these names.
fn named(names: [u8; 3]) -> Vec<u8> {
    let mut jpeg = encoded(flag(), image::ImageFormat::Jpeg);
    let find = |mark: u8| jpeg.windows(2).position(|pair| pair == [0xFF, mark]).unwrap();
    let (frame, scan) = (find(0xC0), find(0xDA));
    for (index, name) in names.into_iter().enumerate() {
        (jpeg[frame + 10 + 3 * index], jpeg[scan + 5 + 2 * index]) = (name, name);
    }
    jpeg
}

fn assert_near(got: [u8; 3], want: [u8; 3], what: &str) {
    assert!(got.iter().zip(want).all(|(got, want)| got.abs_diff(want) < 12), "{what}: {got:?}, {want:?}");
}

#[test]
fn three_components_mean_the_colours_that_libjpeg_takes_them_for() {
    const JFIF: (u8, &[u8]) = (0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    const SHORT_JFIF: (u8, &[u8]) = (0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0");
    const ADOBE: [(u8, &[u8]); 3] =
        [(0xEE, b"Adobe\0\x64\0\0\0\0\0"), (0xEE, b"Adobe\0\x64\0\0\0\0\x01"), (0xEE, b"Adobe\0\x64\0\0\0\0\x02")];
    // Red as YCbCr, where its numbers are taken for red, green and blue.
    let mixed = [76, 85, 255];
    let numbers = [1, 2, 3];
    for (names, segments, want) in [
        (numbers, &[][..], RED.0),
        (numbers, &[JFIF], RED.0),
        (numbers, &[ADOBE[0]], mixed),
        (numbers, &[SHORT_JFIF, ADOBE[0]], mixed),
        (numbers, &[ADOBE[1]], RED.0),
        (numbers, &[ADOBE[2]], RED.0),
        (numbers, &[JFIF, ADOBE[0]], RED.0),
        (*b"RGB", &[], mixed),
        (*b"RGB", &[JFIF], RED.0),
        (*b"RGB", &[ADOBE[0]], mixed),
        (*b"RGB", &[ADOBE[1]], RED.0),
        (*b"rgb", &[], RED.0),
        ([0, 1, 2], &[], RED.0),
    ] {
        let image = decode(&with_segments(&named(names), segments), &limits()).unwrap().image;
        assert_near(image.get_pixel(3, 3).0, want, &format!("{names:?}, {segments:?}"));
    }
    let unknown = with_segments(&named(numbers), &[(0xEE, b"Adobe\0\x64\0\0\0\0\x03")]);
    let error = decode(&unknown, &limits()).unwrap_err();
    assert!(matches!(&error, PixelsError::Unsupported("JPEG", why) if why.contains("colours")), "{error}");
}

#[test]
fn four_components_mean_inks_or_ycck() {
    let at = CMYK_JPEG.windows(5).position(|name| name == b"Adobe").unwrap() + 11;
    assert_eq!(CMYK_JPEG[at], 0, "the fixture is of inks");
    let before = decode(CMYK_JPEG, &limits()).unwrap().image;
    for (transform, is_of_inks) in [(None, true), (Some(0), true), (Some(1), false), (Some(2), false)] {
        let adobe = transform.map(|number| [b"Adobe\0\x64\0\0\0\0".as_slice(), &[number]].concat());
        let segments: Vec<(u8, &[u8])> = adobe.iter().map(|adobe| (0xEE, &adobe[..])).collect();
        let image = decode(&with_segments(CMYK_JPEG, &segments), &limits()).unwrap().image;
        assert_eq!(image == before, is_of_inks, "{transform:?}");
    }
}

#[test]
fn a_profile_is_not_applied_to_inks() {
    let profile = ColorProfile::new_adobe_rgb().encode().unwrap();
    let icc = segment(0xE2, &[b"ICC_PROFILE\0\x01\x01".as_slice(), &profile].concat());
    let plain = decode(CMYK_JPEG, &limits()).unwrap();
    let Decoded { image, notes } = decode(&[&CMYK_JPEG[..2], &icc, &CMYK_JPEG[2..]].concat(), &limits()).unwrap();
    assert_eq!((image, &notes[..]), (plain.image, &[Note::ProfileNotApplied][..]));
    assert_eq!(plain.notes, []);
}

#[test]
fn orientation_is_of_the_first_exif_else_of_xmp() {
    let jpeg = encoded(flag(), image::ImageFormat::Jpeg);
    let exif = |entries: u8, orientation: u8| {
        let start = b"Exif\0\0II*\0\x08\0\0\0".as_slice();
        [start, &[entries, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
    };
    let xmp = |text: &str| [XMP.as_bytes(), text.as_bytes()].concat();
    let upside_down = xmp("<rdf:Description tiff:Orientation=\"3\"/>");
    let (left, none) = (exif(1, 8), exif(0, 8));
    for (segments, first, what) in [
        (vec![(0xE1, &left)], BLUE, "EXIF"),
        (vec![(0xE1, &left), (0xE1, &exif(1, 6))], BLUE, "two of EXIF"),
        (vec![(0xE1, &none), (0xE1, &left)], RED, "two of EXIF, of which the first has none"),
        (vec![(0xE1, &left), (0xE1, &upside_down)], BLUE, "EXIF and XMP"),
        (vec![(0xE1, &none), (0xE1, &upside_down)], image::Rgb([255; 3]), "EXIF without it, and XMP"),
        (vec![(0xE1, &xmp("<tiff:Orientation>6</tiff:Orientation>"))], GREEN, "XMP"),
        (vec![(0xE1, &xmp("<tiff:Orientation>0</tiff:Orientation>"))], RED, "XMP with no orientation"),
        (vec![(0xE1, &xmp("tiff:Orientation=6 tiff:Orientation=\"8\""))], BLUE, "XMP with two, of which one is none"),
    ] {
        let segments: Vec<_> = segments.into_iter().map(|(marker, data)| (marker, &data[..])).collect();
        let image = decode(&with_segments(&jpeg, &segments), &limits()).unwrap().image;
        assert_near(image.get_pixel(3, 3).0, first.0, what);
    }
    // What does not fit into a segment goes on in the next.
    let (begin, end) = left.split_at(20);
    let end = [b"Exif\0\0", end].concat();
    let image = decode(&with_segments(&jpeg, &[(0xE1, begin), (0xE1, &end)]), &limits()).unwrap().image;
    assert_near(image.get_pixel(3, 3).0, BLUE.0, "EXIF in two segments");
}

#[test]
fn chroma_of_two_columns_is_repeated_as_libjpeg_does() {
    let image = decode(&from_hex(NARROW), &limits()).unwrap().image;
    assert_eq!(image.dimensions(), (3, 40));
    // By libjpeg, around the edges of the colours.
    for (y, want) in [
        (15, [[253, 0, 0], [252, 0, 0], [4, 1, 255]]),
        (16, [[16, 132, 0], [31, 147, 0], [18, 0, 228]]),
        (17, [[42, 158, 0], [52, 168, 9], [30, 0, 240]]),
        (18, [[42, 185, 17], [47, 190, 22], [25, 0, 246]]),
    ] {
        for (x, want) in (0..).zip(want) {
            let got = image.get_pixel(x, y).0;
            assert!(
                got.iter().zip(want).all(|(got, want): (_, u8)| got.abs_diff(want) <= 4),
                "{x} {y}: {got:?}, {want:?}"
            );
        }
    }
}
