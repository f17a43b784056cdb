//! Files are drawn and encoded here, damaged or not. Those of three kinds that no encoder of ours writes were made by
//! libjpeg from four squares of red, blue (above), green and white (below).

use image::{ImageFormat, Rgb, RgbImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::pixels::decode;
use crate::pixels::decode::tests::{encoded, from_hex, noise};

// im = Image.new("RGB", (40, 40))
// for x, y, c in ((0, 0, "#f00"), (16, 0, "#00f"), (0, 16, "#0f0"), (16, 16, "#fff")): im.paste(c, (x, y, 40, 40))
// im.save("squares.ppm"); im.save("progressive.jpg", quality=60, progressive=True, optimize=True)
const PROGRESSIVE: &str = "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17202e2931\
    302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffdb0043010e0e0e131113261515264f352d35\
    4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4fffc20011\
    080028002803012200021101031101ffc40017000101010100000000000000000000000000060405ffc4001701010101010000000000\
    0000000000000005000604ffda000c03010002100310000001e78e2d2601b1ca85530c18d40187c2a7c0e050061f0affc40014100100\
    000000000000000000000000000040ffda00080101000105024fffc40014110100000000000000000000000000000030ffda00080103\
    01013f011fffc40014110100000000000000000000000000000030ffda0008010201013f011fffc40014100100000000000000000000\
    000000000040ffda0008010100063f024fffc40014100100000000000000000000000000000040ffda0008010100013f214fffda000c\
    030100020003000000100fef8100004003ffc40014110100000000000000000000000000000030ffda0008010301013f101fffc40014\
    110100000000000000000000000000000030ffda0008010201013f101fffc40014100100000000000000000000000000000040ffda00\
    08010100013f104fffd9";

// echo "0;1;2;" > scans; cjpeg -quality 60 -optimize -sample 2x2 -restart 1 -scans scans squares.ppm
const SCAN_A_COMPONENT: &str = "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17202e2931\
    302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffdb0043010e0e0e131113261515264f352d35\
    4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4fffc00011\
    080028002803012200021101031101ffc4001800010003010000000000000000000000000004050706ffc40014100100000000000000\
    000000000000000000ffdd00040005ffda0008010100003f00e7c5103fffd0e7c5103fffd19c34007fffd29c34007fffd39c34007fff\
    c40017010101010100000000000000000000000006000507ffc40014110100000000000000000000000000000000ffdd00040003ffda\
    0008010211003f00c67624ffd01e609fffd11e609fffc400160101010100000000000000000000000000060007ffc400141101000000\
    00000000000000000000000000ffda0008010311003f00d259527fffd0047a9fffd1047a9fffd9";

// cjpeg -quality 60 -optimize -sample 1x1,2x2,1x1 squares.ppm
const FINE_BLUE: &str = "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17202e2931\
    302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffdb0043010e0e0e131113261515264f352d35\
    4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4fffc00011\
    080028002803011100022201031101ffc40017000101010100000000000000000000000007000506ffc4001410010000000000000000\
    0000000000000000ffc40017010101010100000000000000000000000000060705ffc400141101000000000000000000000000000000\
    00ffda000c03010002110311003f00e7dc601a4b09b100ca90004b60c023880b0017a8001fa3c0411016002f5000ffd9";

fn limits() -> DecodeLimits {
    DecodeLimits::default()
}

/// What the file lacks, none where nothing.
fn lacks(jpeg: &[u8]) -> Option<String> {
    match check(jpeg, &limits()) {
        Ok(_) => None,
        Err(PixelsError::Undecodable("JPEG", lacks) | PixelsError::Unsupported("JPEG", lacks)) => Some(lacks),
        Err(other) => panic!("{other}"),
    }
}

/// Where each scan begins, and where the last one ends.
fn scans(jpeg: &[u8]) -> Vec<usize> {
    let starts = jpeg.windows(2).enumerate().filter(|(_, pair)| pair == b"\xFF\xDA").map(|(at, _)| at);
    starts.chain([jpeg.len() - 2]).collect()
}

/// Smooth, so that blocks end early, with edges.
fn waves(width: u32, height: u32) -> RgbImage {
    let level = |of: u32, wide: f32| (127.0 + 120.0 * (of as f32 / wide).sin()) as u8;
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([level(x, 9.0), level(y, 7.0), if x / 50 % 2 == 0 { level(x + y, 11.0) } else { 200 }])
    })
}

#[test]
fn whole_files_of_all_kinds_are_decoded() {
    for (file, layout) in
        [(PROGRESSIVE, Layout::Usual), (SCAN_A_COMPONENT, Layout::Unusual), (FINE_BLUE, Layout::Unusual)]
    {
        let jpeg = from_hex(file);
        assert_eq!(check(&jpeg, &limits()).unwrap(), layout);
        let image = decode(&jpeg, &limits()).unwrap();
        for (x, y, want) in [(5, 5, [255, 0, 0]), (30, 5, [0, 0, 255]), (5, 30, [0, 255, 0]), (30, 30, [255, 255, 255])]
        {
            let got = image.image.get_pixel(x, y).0;
            assert!(got.iter().zip(want).all(|(got, want)| got.abs_diff(want) <= 2), "{layout:?}, {x} {y}: {got:?}");
        }
    }
    for (width, height) in [(1, 1), (8, 8), (17, 9), (640, 3), (3, 640), (300, 200)] {
        for image in [noise(width, height), waves(width, height)] {
            assert_eq!(lacks(&encoded(image.clone(), ImageFormat::Jpeg)), None, "{width}x{height}");
            let grey = image::DynamicImage::from(image).into_luma8();
            assert_eq!(lacks(&encoded(grey, ImageFormat::Jpeg)), None, "grey, {width}x{height}");
        }
    }
}

#[test]
fn what_stands_around_the_data_is_no_damage() {
    let whole = encoded(waves(200, 120), ImageFormat::Jpeg);
    let (start, data) = whole.split_at(2);
    let body = &whole[..whole.len() - 2];
    let thumbnail = [b"\xFF\xE1\0\x08\xFF\xD8\xFF\xDA\xFF\xD9".as_slice(), data].concat();
    for (file, what) in [
        ([&whole[..], &[0; 5000]].concat(), "trailing zeros"),
        ([&whole[..], &whole].concat(), "a second image"),
        ([start, &[0xFF; 3], data].concat(), "fill bytes before a segment"),
        ([body, &[0xFF; 9], b"\xD9"].concat(), "fill bytes before the end"),
        ([body, &[0; 20], b"\xFF\xD9"].concat(), "padding"),
        ([body, b"\xFF\xFE\0\x06text\xFF\xD9"].concat(), "a comment after the data"),
        ([start, &thumbnail].concat(), "a thumbnail with marks of its own"),
    ] {
        assert_eq!(lacks(&file), None, "{what}");
    }
}

#[test]
fn what_is_cut_off_or_has_a_hole_is_refused() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for whole in [encoded(waves(700, 460), ImageFormat::Jpeg), encoded(noise(200, 160), ImageFormat::Jpeg)] {
        let data = scans(&whole)[0] + 14;
        for _ in 0..60 {
            let at = random.random_range(data..whole.len() - 1200);
            assert!(lacks(&whole[..at]).is_some(), "cut at {at}");
            assert!(lacks(&[&whole[..at], b"\xFF\xD9"].concat()).is_some(), "cut at {at}, with a mark of its own");
            let mut holed = whole.clone();
            holed[at..at + 1024].fill(0);
            assert!(lacks(&holed).is_some(), "zeros at {at}");
            random.fill(&mut holed[at..at + 1024]);
            assert!(lacks(&holed).is_some(), "noise at {at}");
        }
        assert_eq!(lacks(&whole[..whole.len() - 2]).as_deref(), Some(TOO_SHORT), "without an end mark");
    }
}

#[test]
fn missing_scans_and_restart_marks_are_told() {
    for file in [PROGRESSIVE, SCAN_A_COMPONENT] {
        let whole = from_hex(file);
        let scans = scans(&whole);
        for (index, pair) in scans.windows(2).enumerate() {
            let without = [&whole[..pair[0]], &whole[pair[1]..]].concat();
            assert!(lacks(&without).is_some(), "without scan {index}");
            let first = [&whole[..pair[1]], b"\xFF\xD9"].concat();
            assert_eq!(lacks(&first).is_none(), index + 2 == scans.len(), "up to scan {index}");
        }
    }
    let whole = from_hex(SCAN_A_COMPONENT);
    let restart = whole.windows(2).position(|pair| pair == b"\xFF\xD1").unwrap();
    let mut other = whole.clone();
    other[restart + 1] = 0xD2;
    assert_eq!(lacks(&other).as_deref(), Some(DAMAGED));
    assert!(lacks(&[&whole[..restart], &whole[restart + 2..]].concat()).is_some());
}

#[test]
fn kinds_that_are_not_read_are_named() {
    let whole = encoded(waves(16, 16), ImageFormat::Jpeg);
    let frame = whole.windows(2).position(|pair| pair == b"\xFF\xC0").unwrap();
    for (at, value, words) in [
        (1, 0xC3, "it is lossless; save it as PNG or as an ordinary JPEG"),
        (1, 0xC5, "it is hierarchical; save it as PNG or as an ordinary JPEG"),
        (1, 0xC9, "its coding is arithmetic; save it as PNG or as an ordinary JPEG"),
        (1, 0xF7, "it is a JPEG-LS; save it as PNG or as an ordinary JPEG"),
        (4, 12, "it has 12 bits a sample; save it as PNG or as an ordinary JPEG"),
        (6, 0, "its height is not in its header"),
    ] {
        let mut file = whole.clone();
        file[frame + at] = value;
        let error = decode(&file, &limits()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_size_is_checked_before_the_data() {
    let mut jpeg = from_hex(PROGRESSIVE);
    let frame = jpeg.windows(2).position(|pair| pair == b"\xFF\xC2").unwrap();
    jpeg[frame + 5..frame + 9].fill(0xFF);
    let error = check(&jpeg, &limits()).unwrap_err();
    assert!(matches!(error, PixelsError::TooManyPixels { width: 65535, height: 65535, .. }), "{error}");
}

#[test]
fn scans_and_tables_without_end_are_refused() {
    let whole = from_hex(PROGRESSIVE);
    let tables = whole.windows(2).position(|pair| pair == b"\xFF\xC4").unwrap();
    let (start, rest) = whole.split_at(tables);
    let table = [b"\xFF\xC4\0\x13\x11".as_slice(), &[0; 16]].concat();
    assert_eq!(lacks(&[start, &table.repeat(100), rest].concat()), None);
    assert!(lacks(&[start, &table.repeat(600), rest].concat()).unwrap().contains("more tables"));

    // Scans of the first component's means, one after the other.
    let whole = encoded(noise(8, 8), ImageFormat::Jpeg);
    let scans = scans(&whole);
    let again = whole[scans[0]..scans[1]].repeat(70);
    assert!(lacks(&[&whole[..scans[0]], &again, b"\xFF\xD9"].concat()).is_some());
}
