//! What samples mean.

use super::*;

/// A row of pixels in grey.
fn grey(levels: &[u8]) -> Vec<u8> {
    levels.iter().flat_map(|&level| [level; 3]).collect()
}

#[test]
fn associated_alpha_gives_the_same_image_as_straight_alpha() {
    let straight = [[200, 100, 50, 128], [255, 255, 255, 51], [9, 8, 7, 255], [0, 0, 0, 0]];
    let multiplied = straight
        .map(|[red, green, blue, alpha]| [red, green, blue].map(|level| (level * alpha + 127) / 255))
        .map(|[red, green, blue]| [red, green, blue, 0]);
    let bytes = |pixels: [[u32; 4]; 4]| pixels.as_flattened().iter().map(|&level| level as u8).collect::<Vec<u8>>();
    let mut premultiplied = bytes(multiplied);
    for (pixel, [.., alpha]) in premultiplied.chunks_mut(4).zip(straight) {
        pixel[3] = alpha as u8;
    }
    let page = |strip| Page::new(4, 1, RGB, 4, strip);
    let first = pixels(&page(bytes(straight)).short(tag::EXTRA_SAMPLES, 2).file());
    assert_eq!(first, bytes(straight));
    let second = pixels(&page(premultiplied.clone()).short(tag::EXTRA_SAMPLES, 1).file());
    assert!(first.iter().zip(&second).all(|(first, second)| first.abs_diff(*second) <= 2), "{second:?}");

    // As Pillow: a sample of no stated meaning is passed over, and four samples without the tag have straight alpha.
    assert_eq!(
        pixels(&page(premultiplied.clone()).short(tag::EXTRA_SAMPLES, 0).file())[..6],
        [100, 50, 25, 51, 51, 51]
    );
    assert_eq!(pixels(&page(bytes(straight)).file()), bytes(straight));
    let grey_alpha = Page::new(2, 1, 1, 2, vec![100, 200, 30, 60]).short(tag::EXTRA_SAMPLES, 1);
    assert_eq!(pixels(&grey_alpha.file()), [128, 128, 128, 200, 128, 128, 128, 60]);
    refuses(Page::new(1, 1, 0, 2, vec![1, 2]).short(tag::EXTRA_SAMPLES, 1), "multiplied by its alpha");
}

#[test]
fn samples_of_any_depth_are_scaled_by_their_range() {
    let page = |bits: u64, strip: &[u8]| Page::new(3, 1, 1, 1, strip.to_vec()).short(tag::BITS_PER_SAMPLE, bits);
    assert_eq!(pixels(&page(1, &[0b1010_0000]).file()), grey(&[255, 0, 255]));
    assert_eq!(pixels(&page(2, &[0b1101_1000]).file()), grey(&[255, 85, 170]));
    assert_eq!(pixels(&page(4, &[0xF3, 0x80]).file()), grey(&[255, 51, 136]));
    assert_eq!(pixels(&page(12, &[0xFF, 0xF8, 0x00, 0x00, 0x10]).file()), grey(&[255, 128, 0]));
    assert_eq!(pixels(&page(16, &words(&[65535, 257, 32768])).file()), grey(&[255, 1, 128]));
    let deep: Vec<u8> = [u32::MAX, 16_843_009 * 7, 0].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(pixels(&page(32, &deep).file()), grey(&[255, 7, 0]));
    assert_eq!(
        pixels(&page(4, &[0xCF, 0x01]).short(tag::FILL_ORDER, 2).file()),
        grey(&[255, 51, 136]),
        "bits stored in reverse"
    );
}

#[test]
fn floats_from_0_to_1_are_read_and_no_others() {
    let page = |samples: [f32; 3]| {
        let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        Page::new(3, 1, 1, 1, bytes).short(tag::BITS_PER_SAMPLE, 32).short(tag::SAMPLE_FORMAT, 3)
    };
    assert_eq!(pixels(&page([0.0, 0.2, 1.0]).file()), grey(&[0, 51, 255]));
    assert_eq!(pixels(&page([-0.003, 0.5, 1.003]).file()), grey(&[0, 128, 255]), "less than a level beyond");
    for samples in [[0.0, 1.0, 255.0], [0.0, -0.1, 1.0], [f32::NAN, 0.0, 1.0], [f32::INFINITY, 0.0, 1.0]] {
        refuses(page(samples), "range is not known");
    }
    let halves = [0_u16, 0x3266, 0x3C00].iter().flat_map(|half| half.to_le_bytes()).collect();
    assert_eq!(
        pixels(&Page::new(3, 1, 1, 1, halves).short(tag::BITS_PER_SAMPLE, 16).short(tag::SAMPLE_FORMAT, 3).file()),
        grey(&[0, 51, 255])
    );
    let doubles = [0.0_f64, 0.2, 1.0].iter().flat_map(|double| double.to_le_bytes()).collect();
    assert_eq!(
        pixels(&Page::new(3, 1, 1, 1, doubles).short(tag::BITS_PER_SAMPLE, 64).short(tag::SAMPLE_FORMAT, 3).file()),
        grey(&[0, 51, 255])
    );
}

#[test]
fn fewer_bits_than_are_stored_are_refused_unless_a_tag_states_white() {
    let page = |samples: &[u16; 3]| Page::new(3, 1, 1, 1, words(samples)).short(tag::BITS_PER_SAMPLE, 16);
    let of_12_bits = [0, 2048, 4095];
    refuses(page(&of_12_bits), "range is not known");
    assert_eq!(pixels(&page(&of_12_bits).short(tag::MAX_SAMPLE_VALUE, 4095).file()), grey(&[0, 128, 255]));
    assert_eq!(pixels(&page(&of_12_bits).short(tag::MAX_SAMPLE_VALUE, 65535).file()), grey(&[0, 8, 16]));
    refuses(page(&of_12_bits).short(tag::MAX_SAMPLE_VALUE, 4000), "range is not known");
    assert_eq!(
        pixels(&page(&[0, 32768, 65535]).short(tag::MAX_SAMPLE_VALUE, 255).file()),
        grey(&[0, 128, 255]),
        "the tag is wrong"
    );
    assert_eq!(pixels(&page(&[0, 2048, 4096]).file()), grey(&[0, 8, 16]));
    assert_eq!(
        pixels(&page(&[0, 32768, 65535]).short(tag::MAX_SAMPLE_VALUE, 4095).file()),
        grey(&[0, 128, 255]),
        "the tag is wrong"
    );
    assert_eq!(
        pixels(&Page::new(1, 1, 1, 1, vec![127]).short(tag::MAX_SAMPLE_VALUE, 127).file()),
        grey(&[127]),
        "a statistic"
    );
}

#[test]
fn an_image_that_is_dark_for_more_than_8_bits_says_so() {
    let side = 20;
    let shades = |white: u32| (0..side * side).map(move |at| at as u32 * white / 399);
    let grey = |bits, strip| Page::new(side, side, 1, 1, strip).short(tag::BITS_PER_SAMPLE, bits);
    let notes = |page: Page| decoded(&page.file()).finish().notes;
    let page = |white: u32, brightest: u32| {
        let samples: Vec<u16> = shades(white).chain([brightest]).skip(1).map(|sample| sample as u16).collect();
        grey(16, words(&samples))
    };
    for white in [4096, 8191, 16383] {
        assert_eq!(notes(page(white, white)), [Note::Dark], "{white}");
    }
    assert_eq!(notes(page(4095, 65535)), [Note::Dark], "a hot pixel");
    assert_eq!(notes(page(4095, 4095).short(tag::MAX_SAMPLE_VALUE, 65535)), [Note::Dark], "as it is stated");
    assert_eq!(notes(page(4095, 4095).short(tag::MAX_SAMPLE_VALUE, 4095)), []);
    assert_eq!(notes(page(16383, 16383).with(tag::S_MAX_SAMPLE_VALUE, SHORT, &[16383])), []);
    for white in [18_000, 30_000, 65535] {
        assert_eq!(notes(page(white, white)), [], "{white}");
    }

    let floats = |white: f32| {
        let samples = shades(399).flat_map(|shade| (shade as f32 / 399.0 * white).to_le_bytes()).collect();
        grey(32, samples).short(tag::SAMPLE_FORMAT, 3)
    };
    assert_eq!((notes(floats(0.06)), notes(floats(1.0))), (vec![Note::Dark], vec![]));
    let of_8_bits = shades(10).map(|shade| shade as u8).collect();
    assert_eq!(notes(grey(8, of_8_bits)), [], "their range is known");
}

#[test]
fn black_is_black_in_any_depth() {
    for (bits, bytes) in [(8, 1), (16, 2), (32, 4)] {
        let page = Page::new(2, 2, 1, 1, vec![0; 4 * bytes]).short(tag::BITS_PER_SAMPLE, bits);
        assert_eq!(pixels(&page.file()), [0; 12], "{bits} bits");
    }
}

#[test]
fn the_range_of_colours_is_known_by_the_alpha_that_multiplied_them() {
    let page = |alpha| {
        Page::new(2, 1, 1, 2, words(&[200, 400, 0, alpha])).short(tag::BITS_PER_SAMPLE, 16).short(tag::EXTRA_SAMPLES, 1)
    };
    assert_eq!(pixels(&page(65535).file()), [128, 128, 128, 2, 0, 0, 0, 255]);
    refuses(page(4095), "range is not known");
    refuses(page(65535).short(tag::EXTRA_SAMPLES, 2), "range is not known");
}

#[test]
fn palettes_have_levels_of_16_bits_or_of_8() {
    let page = |map: &[u64]| {
        Page::new(2, 1, 3, 1, vec![0b0110_0000]).short(tag::BITS_PER_SAMPLE, 2).with(tag::COLOUR_MAP, SHORT, map)
    };
    let wide = [0, 0xFFFF, 0x1234, 0, 0, 0x8000, 0xABCD, 0, 0, 0, 0xFF00, 0];
    assert_eq!(pixels(&page(&wide).file()), [255, 128, 0, 0x12, 0xAB, 255]);
    let narrow = [0, 255, 18, 0, 0, 128, 171, 0, 0, 0, 250, 0];
    assert_eq!(pixels(&page(&narrow).file()), [255, 128, 0, 18, 171, 250]);
    refuses(page(&wide[..11]), "palette");
}

#[test]
fn inverted_grey_cmyk_and_ycbcr_become_rgb() {
    assert_eq!(pixels(&Page::new(2, 1, 0, 1, vec![0, 200]).file()), grey(&[255, 55]));
    let inks = vec![0, 255, 255, 0, 0, 0, 0, 255, 51, 0, 0, 51];
    assert_eq!(pixels(&Page::new(3, 1, 5, 4, inks).file()), [255, 0, 0, 0, 0, 0, 163, 204, 204]);

    // Two blocks of two pixels by two, of which the image ends in the second: red, and grey of four levels.
    let red = [76, 76, 76, 76, 85, 255];
    let blocks = [red, [10, 20, 30, 40, 128, 128]].concat();
    let page = Page::new(3, 2, 6, 3, blocks).with(tag::YCBCR_SUBSAMPLING, SHORT, &[2, 2]);
    let is_red = [254, 0, 0];
    assert_eq!(pixels(&page.file()), [is_red, is_red, [10; 3], is_red, is_red, [30; 3]].concat());

    let video = [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1];
    let page = Page::new(2, 1, 6, 3, vec![16, 128, 128, 235, 128, 128]).with(tag::YCBCR_SUBSAMPLING, SHORT, &[1, 1]);
    assert_eq!(pixels(&page.with(tag::REFERENCE_BLACK_WHITE, RATIONAL, &video).file()), grey(&[0, 255]));
}

#[test]
fn orientation_and_profile_are_handed_up() {
    let page = Page::new(1, 1, RGB, 3, vec![1, 2, 3]);
    let plain = decoded(&page.clone().file());
    assert_eq!((plain.orientation, plain.colours), (Orientation::NoTransforms, None));
    let raster = decoded(&page.clone().short(tag::ORIENTATION, 6).with(tag::ICC_PROFILE, BYTE, &[7; 9]).file());
    assert_eq!((raster.orientation, raster.colours), (Orientation::Rotate90, Some(ColourSource::Profile(vec![7; 9]))));
    assert_eq!(decoded(&page.short(tag::ORIENTATION, 99).file()).orientation, Orientation::NoTransforms);
    let inks = Page::new(1, 1, 5, 4, vec![0; 4]).with(tag::ICC_PROFILE, BYTE, &[7; 9]);
    let inks = decoded(&inks.file());
    assert_eq!((inks.colours, inks.notes), (None, vec![Note::ProfileNotApplied]), "whatever colours it is for");
}
