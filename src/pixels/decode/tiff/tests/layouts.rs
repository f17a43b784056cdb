//! Where the samples of an image lie, and how they are compressed.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, RgbImage};

use super::*;
use crate::pixels::decode::jpeg::tests::NARROW;
use crate::pixels::decode::tests::from_hex;

#[test]
fn tiles_may_go_beyond_the_edges_however_they_are_compressed() {
    let image = drawn(60, 37);
    let tiles = tiles(&image, [60, 37], [16, 32]);
    let page = Page::new(60, 37, RGB, 3, Vec::new());
    let raw = page.clone().in_tiles(16, 32, tiles.clone());
    assert_eq!(pixels(&raw.file()), image);
    let file = page.clone().short(tag::COMPRESSION, 5).in_tiles(16, 32, each(tiles.clone(), lzw)).file();
    assert_eq!(pixels(&file), image);
    for deflate_code in [8, 32946] {
        let tiles = each(tiles.clone(), deflate);
        assert_eq!(pixels(&page.clone().short(tag::COMPRESSION, deflate_code).in_tiles(16, 32, tiles).file()), image);
    }
}

#[test]
fn strips_end_with_the_image_and_bytes_behind_them_are_passed_over() {
    let image = drawn(20, 23);
    let strips = |rows: usize| image.chunks(20 * 3 * rows).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let page = Page::new(20, 23, RGB, 3, Vec::new());
    for rows in [1, 5, 23] {
        assert_eq!(pixels(&page.clone().in_strips(rows as u64, strips(rows)).file()), image);
        let lzw = each(strips(rows), lzw);
        assert_eq!(pixels(&page.clone().short(tag::COMPRESSION, 5).in_strips(rows as u64, lzw).file()), image);
    }
    let padded = each(strips(5), |strip| [strip, b"more"].concat());
    assert_eq!(pixels(&page.in_strips(5, padded).file()), image);
}

#[test]
fn planes_of_their_own_are_put_together() {
    let image = drawn(17, 19);
    let plane = |channel| image.iter().skip(channel).step_by(3).copied().collect::<Vec<u8>>();
    let planes = (0..3).flat_map(|channel| tiles(&plane(channel), [17, 19], [16, 16])).collect();
    let page = Page::new(17, 19, RGB, 3, Vec::new()).short(tag::PLANAR_CONFIGURATION, 2);
    assert_eq!(pixels(&page.clone().in_tiles(16, 16, planes).file()), image);
    let strips = (0..3).flat_map(|channel| plane(channel).chunks(17 * 4).map(lzw).collect::<Vec<_>>()).collect();
    assert_eq!(pixels(&page.short(tag::COMPRESSION, 5).in_strips(4, strips).file()), image);
}

#[test]
fn either_order_of_bytes_and_bigtiff_are_read() {
    let image = drawn(20, 9);
    let deep: Vec<u16> = image.iter().map(|&level| u16::from(level) * 257).collect();
    for (big_endian, big) in [(false, false), (false, true), (true, false), (true, true)] {
        let bytes = deep.iter().flat_map(|word| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() });
        let page = Page::new(20, 9, RGB, 3, bytes.collect()).with(tag::BITS_PER_SAMPLE, SHORT, &[16; 3]);
        let file = Form { big_endian, big }.file(vec![page]);
        assert_eq!(pixels(&file), image, "{big_endian} {big}");
    }
}

#[test]
fn the_first_full_page_is_taken_and_what_was_passed_over_is_told() {
    let page = |width: u64| Page::new(width, 1, RGB, 3, vec![width as u8; 3 * width as usize]);
    let read = |pages: Vec<Page>| {
        let raster = decoded(&Form::default().file(pages));
        (raster.image.width(), raster.notes)
    };
    let thumbnail = |width| page(width).short(tag::NEW_SUBFILE_TYPE, 1);
    assert_eq!(read(vec![thumbnail(1), page(5)]), (5, vec![Note::ThumbnailSkipped]));
    assert_eq!(read(vec![page(1).short(tag::SUBFILE_TYPE, 2), page(5)]), (5, vec![Note::ThumbnailSkipped]));
    assert_eq!(read(vec![page(1).short(tag::NEW_SUBFILE_TYPE, 4), page(5)]), (5, vec![Note::ThumbnailSkipped]));
    assert_eq!(read(vec![page(5), page(6).short(tag::NEW_SUBFILE_TYPE, 2), page(7)]), (5, vec![Note::FirstOfPages(3)]));
    assert_eq!(read(vec![page(5), thumbnail(1)]), (5, vec![]));
    assert_eq!(read(vec![thumbnail(3), thumbnail(1)]), (3, vec![]), "of nothing but reduced images the first");
    refuses(thumbnail(3).with(tag::SUB_IFDS, LONG, &[8]), "thumbnail in place of an image");
}

#[test]
fn a_chain_of_pages_that_runs_in_a_circle_ends() {
    let mut file = Page::new(1, 1, RGB, 3, vec![1, 2, 3]).file();
    let directory: [u8; 4] = file[4..8].try_into().unwrap();
    let end = file.len();
    file[end - 4..].copy_from_slice(&directory);
    let raster = decoded(&file);
    assert_eq!((raster.image.into_bytes(), raster.notes), (vec![1, 2, 3], vec![]));
}

#[test]
fn channels_that_are_stored_as_pages_are_refused() {
    let described = |page: Page, text: &str| {
        let bytes: Vec<u64> = text.bytes().map(u64::from).collect();
        page.with(tag::IMAGE_DESCRIPTION, BYTE, &bytes)
    };
    let grey = Page::new(2, 1, 1, 1, vec![30, 60]);
    let ome =
        |channels| format!(r#"<?xml version="1.0"?><OME><Image><Pixels SizeC="{channels}" SizeT="1"/></Image></OME>"#);
    for description in ["ImageJ=1.54f\nimages=3\nchannels=3\nmode=composite\n\0", &ome(3), &ome(3).replace('"', "'")] {
        let page = described(grey.clone(), description);
        let reason = refusal(&Form::default().file(vec![page, grey.clone(), grey.clone()]));
        assert_eq!(reason, "its 3 channels are stored as pages, each in grey; export it as RGB", "{description}");
    }
    for description in ["ImageJ=1.54f\nimages=3\nslices=3\n", "channels=3", &ome(1), "SizeC=\"3\"", "<OME SizeC="] {
        assert_eq!(pixels(&described(grey.clone(), description).file()), [30, 30, 30, 60, 60, 60], "{description}");
    }
    let colours = Page::new(1, 1, RGB, 3, vec![1, 2, 3]);
    assert_eq!(pixels(&described(colours, &ome(3)).file()), [1, 2, 3], "the channels of one page");
}

#[test]
fn predictors_are_undone() {
    let differences: Vec<u8> = [[10, 20, 30], [1, 255, 0], [1, 1, 226]].concat();
    let page = Page::new(3, 1, RGB, 3, deflate(&differences)).short(tag::COMPRESSION, 8).short(tag::PREDICTOR, 2);
    assert_eq!(pixels(&page.file()), [10, 20, 30, 11, 19, 30, 12, 20, 0]);

    let differences = deflate(&words(&[65535, 32768, 1]));
    let page = Page::new(3, 1, 1, 1, differences)
        .short(tag::BITS_PER_SAMPLE, 16)
        .short(tag::COMPRESSION, 8)
        .short(tag::PREDICTOR, 2);
    assert_eq!(pixels(&page.file()), [255, 255, 255, 127, 127, 127, 128, 128, 128]);

    let sorted: Vec<u8> = [0.0_f32, 1.0, 0.2].map(f32::to_be_bytes).as_flattened().to_vec();
    let sorted: Vec<u8> = (0..4).flat_map(|place| [0, 1, 2].map(|index| sorted[index * 4 + place])).collect();
    let differences: Vec<u8> =
        (0..12).map(|at| if at == 0 { sorted[0] } else { sorted[at].wrapping_sub(sorted[at - 1]) }).collect();
    let page = Page::new(3, 1, 1, 1, deflate(&differences))
        .short(tag::BITS_PER_SAMPLE, 32)
        .short(tag::SAMPLE_FORMAT, 3)
        .short(tag::COMPRESSION, 8)
        .short(tag::PREDICTOR, 3);
    assert_eq!(pixels(&page.file()), [0, 0, 0, 255, 255, 255, 51, 51, 51]);

    let page = Page::new(2, 1, 1, 1, vec![7, 9]).short(tag::PREDICTOR, 2);
    assert_eq!(pixels(&page.file()), [7, 7, 7, 9, 9, 9], "without compression libtiff ignores the tag");
    refuses(
        Page::new(2, 1, 1, 1, lzw(&[7]))
            .short(tag::BITS_PER_SAMPLE, 4)
            .short(tag::COMPRESSION, 5)
            .short(tag::PREDICTOR, 2),
        "predictor",
    );
}

#[test]
fn packbits_has_literals_repeats_and_bytes_without_meaning() {
    let data = vec![2, 1, 2, 3, 128, 254, 9, 128, 0, 4];
    let page = Page::new(7, 1, 1, 1, data).short(tag::COMPRESSION, 32773);
    assert_eq!(pixels(&page.file()), [1, 2, 3, 9, 9, 9, 4].map(|level| [level; 3]).as_flattened());
}

#[test]
fn a_file_need_not_say_how_long_its_only_strip_is() {
    let file = Page::new(2, 1, RGB, 3, drawn(2, 1)).file();
    let at = entry(&file, tag::STRIP_BYTE_COUNTS);
    let without = [&file[..at], &[24, 1], &file[at + 2..]].concat();
    assert_eq!(pixels(&without), drawn(2, 1));
}

/// A JPEG of one colour, whose tables stand in a stream of their own.
fn jpeg(width: u32, height: u32, colour: [u8; 3]) -> (Vec<u8>, Vec<u8>) {
    let image = RgbImage::from_pixel(width, height, image::Rgb(colour));
    let mut whole = Vec::new();
    JpegEncoder::new_with_quality(&mut whole, 95).encode(&image, width, height, ExtendedColorType::Rgb8).unwrap();
    let (mut tables, mut rest) = (vec![0xFF, 0xD8], vec![0xFF, 0xD8]);
    let mut at = 2;
    while whole[at + 1] != 0xDA {
        let next = at + 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        let is_table = matches!(whole[at + 1], 0xDB | 0xC4);
        if is_table { &mut tables } else { &mut rest }.extend_from_slice(&whole[at..next]);
        at = next;
    }
    rest.extend_from_slice(&whole[at..]);
    tables.extend([0xFF, 0xD9]);
    (tables, rest)
}

#[test]
fn jpeg_tiles_are_completed_by_the_tables_of_the_file() {
    let colours = [[200, 30, 60], [10, 220, 90]];
    let [(tables, left), (_, right)] = colours.map(|colour| jpeg(16, 16, colour));
    let tables: Vec<u64> = tables.into_iter().map(u64::from).collect();
    let page = Page::new(20, 10, 6, 3, Vec::new()).short(tag::COMPRESSION, 7).with(tag::JPEG_TABLES, BYTE, &tables);
    let image = decoded(&page.clone().in_tiles(16, 16, vec![left.clone(), right]).file()).image.into_rgb8();
    for (x, colour) in [(0, colours[0]), (15, colours[0]), (16, colours[1]), (19, colours[1])] {
        let found = image.get_pixel(x, 9).0;
        assert!(found.iter().zip(colour).all(|(found, drawn)| found.abs_diff(drawn) <= 2), "{found:?} {colour:?}");
    }
    // Of a photometric interpretation of RGB the components are what they are, whatever JPEG's own habit.
    let raw =
        decoded(&page.clone().short(tag::PHOTOMETRIC, RGB).in_tiles(16, 16, vec![left.clone(), left.clone()]).file());
    assert!(raw.image.into_rgb8().get_pixel(0, 0).0[0].abs_diff(84) <= 2, "the luma of the first colour");
    // Its frame header says that the first component has four samples where the others have one.
    let mut shared = left.clone();
    let frame = shared.windows(2).position(|mark| mark == [0xFF, 0xC0]).unwrap();
    shared[frame + 11] = 0x22;
    let tiles = vec![shared, left.clone()];
    refuses(page.clone().short(tag::PHOTOMETRIC, RGB).in_tiles(16, 16, tiles), "fewer samples of some colours");
    let cut = left[..left.len() - 12].to_vec();
    refuses(page.clone().in_tiles(16, 16, vec![left.clone(), cut]), "damaged");
    refuses(page.in_tiles(32, 32, vec![left]), "another size");
}

#[test]
fn chroma_of_few_columns_is_repeated_as_in_a_jpeg_alone() {
    let jpeg = from_hex(NARROW);
    let alone = crate::pixels::decode(&jpeg, &DecodeLimits::default()).unwrap().image;
    let page = Page::new(3, 40, 6, 3, jpeg).short(tag::COMPRESSION, 7);
    let image = decoded(&page.file()).image.into_rgb8();
    let differ = |(found, other): (&u8, &u8)| found.abs_diff(*other) > 2;
    assert!(!image.iter().zip(alone.iter()).any(differ), "{:?} {:?}", image.as_raw(), alone.as_raw());
}

#[test]
fn an_old_jpeg_is_read_where_one_stream_holds_it() {
    let (tables, rest) = jpeg(16, 16, [200, 30, 60]);
    let whole = [&tables[..tables.len() - 2], &rest[2..]].concat();
    let page = Page::new(16, 16, 6, 3, whole.clone()).short(tag::COMPRESSION, 6);
    let with_tags = page.clone().with(tag::JPEG_INTERCHANGE_FORMAT, LONG, &[8]).with(
        tag::JPEG_INTERCHANGE_FORMAT_LENGTH,
        LONG,
        &[whole.len() as u64],
    );
    for file in [page.clone().file(), with_tags.file()] {
        assert!(pixels(&file).chunks(3).all(|pixel| pixel[0].abs_diff(200) <= 2));
    }
    let mut scan_alone = page;
    scan_alone.chunks[0].drain(..2);
    refuses(scan_alone, "JPEG stream");
}

#[test]
fn webp_strips_are_read() {
    let image = drawn(20, 23);
    let webp = |strip: &[u8]| {
        let mut file = Vec::new();
        let rows = strip.len() as u32 / 60;
        WebPEncoder::new_lossless(&mut file).encode(strip, 20, rows, ExtendedColorType::Rgb8).unwrap();
        file
    };
    let strips = each(image.chunks(60 * 10).map(<[u8]>::to_vec).collect(), webp);
    let page = Page::new(20, 23, RGB, 3, Vec::new()).short(tag::COMPRESSION, 50001);
    assert_eq!(pixels(&page.clone().in_strips(10, strips.clone()).file()), image);
    refuses(page.clone().in_strips(9, strips.clone()), "another size");
    let cut = strips.iter().map(|strip| strip[..strip.len() - 20].to_vec()).collect();
    refuses(page.in_strips(10, cut), "damaged");
}
