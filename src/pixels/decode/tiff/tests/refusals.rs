//! What is not read, is damaged, or costs more than it may.

use super::*;

fn page() -> Page {
    Page::new(8, 8, RGB, 3, drawn(8, 8))
}

#[test]
fn what_is_not_read_is_named() {
    refuses(page().short(tag::COMPRESSION, 50000), "ZSTD");
    refuses(page().short(tag::COMPRESSION, 4), "group 4");
    refuses(page().short(tag::COMPRESSION, 60000), "number 60000");
    refuses(page().short(tag::SAMPLE_FORMAT, 2), "signed");
    refuses(page().short(tag::PHOTOMETRIC, 8), "L*a*b*");
    refuses(page().short(tag::PHOTOMETRIC, 32803), "camera");
    refuses(page().with(tag::BITS_PER_SAMPLE, SHORT, &[5, 6, 5]), "different numbers of bits");
    refuses(page().with(tag::BITS_PER_SAMPLE, SHORT, &[24; 3]), "24 bits");
    refuses(Page::new(4, 1, 1, 5, vec![0; 20]), "5 samples");
    refuses(Page::new(4, 1, 5, 4, vec![0; 16]).short(tag::INK_SET, 2), "inks");
    refuses(Page::new(8, 1, 6, 3, vec![0; 24]).with(tag::YCBCR_SUBSAMPLING, SHORT, &[3, 1]), "subsampled");
    refuses(
        Page::new(4, 4, 6, 3, vec![0; 99]).with(tag::YCBCR_SUBSAMPLING, SHORT, &[2, 2]).with(
            tag::BITS_PER_SAMPLE,
            SHORT,
            &[16; 3],
        ),
        "three of 8 bits",
    );
    refuses(
        Page::new(4, 4, 6, 3, vec![0; 99])
            .with(tag::YCBCR_SUBSAMPLING, SHORT, &[2, 2])
            .short(tag::PLANAR_CONFIGURATION, 2),
        "three of 8 bits",
    );
    refuses(
        Page::new(8, 8, 1, 1, vec![0; 64]).short(tag::COMPRESSION, 7).short(tag::BITS_PER_SAMPLE, 4),
        "8 bits a sample",
    );
    let mut unnamed = page();
    unnamed.tags.retain(|(tag, _)| *tag != tag::PHOTOMETRIC);
    refuses(unnamed, "what its samples mean");
}

#[test]
fn a_chunk_with_fewer_pixels_than_it_should_have_is_refused() {
    let mut short = page();
    short.chunks[0].pop();
    refuses(short, "ends");
    let compressed = |data: Vec<u8>, code| Page { chunks: vec![data], ..page() }.short(tag::COMPRESSION, code);
    for (code, data) in [(5, lzw(&drawn(8, 8))), (8, deflate(&drawn(8, 8)))] {
        assert_eq!(pixels(&compressed(data.clone(), code).file()), drawn(8, 8));
        refuses(compressed(data[..data.len() / 2].to_vec(), code), "ends too early");
    }
    let mut flipped = deflate(&drawn(8, 8));
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    refuses(compressed(flipped.clone(), 8), "damaged");
    flipped.truncate(last - 3);
    assert_eq!(pixels(&compressed(flipped, 8).file()), drawn(8, 8), "a checksum that was cut off says nothing");
    refuses(page().with(tag::STRIP_BYTE_COUNTS, LONG, &[0]), "empty");
    refuses(page().short(tag::ROWS_PER_STRIP, 4), "where all its strips");
}

/// PackBits without any repeats.
fn literals(data: &[u8]) -> Vec<u8> {
    data.chunks(128).flat_map(|run| [&[run.len() as u8 - 1], run].concat()).collect()
}

#[test]
fn a_chunk_that_goes_on_beyond_the_file_is_refused_however_it_is_compressed() {
    let image = drawn(8, 8);
    let compressed = [
        (5, lzw(&image)),
        (8, deflate(&image)),
        (32773, literals(&image)),
        (32773, [literals(&image), vec![0; 40]].concat()),
    ];
    // The length of the only strip is raised, so that it ends as far behind the file.
    let longer = |mut file: Vec<u8>, more: u32| {
        let at = entry(&file, tag::STRIP_BYTE_COUNTS) + 8;
        let length = u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let to_the_end = file.len() as u32 - 8;
        file[at..at + 4].copy_from_slice(&if more == 0 { length } else { to_the_end + more }.to_le_bytes());
        file
    };
    for (code, data) in compressed {
        let file = Page { chunks: vec![data], ..page() }.short(tag::COMPRESSION, code).file();
        assert_eq!(pixels(&longer(file.clone(), 0)), image, "{code}");
        assert!(refusal(&longer(file.clone(), 1)).contains("the file ends before"), "{code}");
        assert!(refusal(&longer(file, u32::MAX / 2)).contains("the file ends before"), "{code}");
    }
    assert_eq!(pixels(&longer(page().file(), 9)), image, "raw pixels in one strip");
    let raw = page().in_strips(4, image.chunks(96).map(<[u8]>::to_vec).collect());
    refuses(raw.with(tag::STRIP_BYTE_COUNTS, LONG, &[96, 9999]), "the file ends before");
}

#[test]
fn a_packbits_chunk_that_was_cut_or_torn_is_refused() {
    let data = literals(&drawn(8, 8));
    let strip = |data: &[u8]| Page { chunks: vec![data.to_vec()], ..page() }.short(tag::COMPRESSION, 32773);
    assert_eq!(pixels(&strip(&[&data[..], &[5; 300]].concat()).file()), drawn(8, 8), "bytes behind are passed over");
    for cut in [1, 40, data.len() - 1] {
        refuses(strip(&data[..data.len() - cut]), "ends too early");
    }
    let mut torn = data.clone();
    torn[120..150].fill(0); // a hole in which each two zeros are one
    refuses(strip(&torn), "ends too early");
}

#[test]
fn a_tile_as_wide_as_the_image_has_the_rows_below_it_too() {
    let tile = [drawn(16, 10), vec![9; 16 * 6 * 3]].concat();
    let page = |tile: &[u8]| Page::new(16, 10, RGB, 3, Vec::new()).in_tiles(16, 16, vec![tile.to_vec()]);
    assert_eq!(pixels(&page(&tile).file()), drawn(16, 10));
    refuses(page(&tile[..tile.len() - 1]), "ends too early");
    let packed = literals(&tile);
    assert_eq!(pixels(&page(&packed).short(tag::COMPRESSION, 32773).file()), drawn(16, 10));
    refuses(page(&packed[..packed.len() - 1]).short(tag::COMPRESSION, 32773), "ends too early");
}

#[test]
fn pixels_do_not_lie_in_the_header() {
    for big in [false, true] {
        for offset in [0, 4, 7, 12, 15] {
            let page = page().with(tag::STRIP_OFFSETS, LONG, &[offset]);
            let file = Form { big, ..Form::default() }.file(vec![page]);
            match read(&file, &DecodeLimits::default()) {
                Ok(_) => assert!(!big && offset > 7, "{offset}"),
                Err(_) => assert!(refusal(&file).contains("header") && (big || offset < 8), "{offset}"),
            }
        }
    }
}

#[test]
fn bytes_that_must_be_copied_count_as_memory() {
    let limits = DecodeLimits { max_pixels: 64, ..DecodeLimits::default() };
    let most = limits.max_memory() as usize;
    let strip = [drawn(8, 8), vec![0; most]].concat();
    let plain = Page { chunks: vec![strip], ..page() };
    assert!(read(&plain.clone().file(), &limits).is_ok());
    let outcome = read(&plain.short(tag::FILL_ORDER, 2).file(), &limits);
    assert!(matches!(outcome, Err(PixelsError::TooMuchMemory(_))));
}

#[test]
fn a_stream_that_goes_on_behind_the_rows_and_does_not_end_is_refused() {
    let compressed = |data: &[u8], code| Page { chunks: vec![data.to_vec()], ..page() }.short(tag::COMPRESSION, code);
    let longer = drawn(8, 16);
    for (code, stream) in [(5, lzw(&longer)), (8, deflate(&longer))] {
        assert_eq!(pixels(&compressed(&stream, code).file()), drawn(8, 8), "rows below the image may be stored");
        for cut in 1..6 {
            refuses(compressed(&stream[..stream.len() - cut], code), "damaged");
        }
        let mut torn = [&stream[..], &[0; 20]].concat();
        let hole = torn.len() - 60;
        torn[hole..hole + 30].fill(0xFF);
        refuses(compressed(&torn, code), "damaged");
    }
    let endless = [drawn(8, 8), vec![0; 1 << 20]].concat();
    refuses(compressed(&deflate(&endless), 8), "damaged");
    refuses(compressed(&lzw(&endless), 5), "damaged");
    let whole = lzw(&drawn(8, 8));
    assert_eq!(pixels(&compressed(&whole[..whole.len() - 1], 5).file()), drawn(8, 8), "some write no code of the end");
}

#[test]
fn a_file_cut_behind_its_thumbnail_is_refused() {
    let thumbnail = Page::new(2, 2, RGB, 3, drawn(2, 2)).short(tag::NEW_SUBFILE_TYPE, 1);
    let file = Form::default().file(vec![thumbnail.clone(), page()]);
    assert_eq!(pixels(&file), drawn(8, 8));
    assert!(refusal(&file[..file.len() - 10]).contains("behind its thumbnail"));
    assert_eq!(pixels(&thumbnail.file()), drawn(2, 2), "a file of nothing else");
}

#[test]
fn what_to_do_depends_on_whether_the_file_may_be_whole() {
    let sentence = |page: Page| read(&page.file(), &DecodeLimits::default()).err().unwrap().to_string();
    assert_eq!(
        sentence(page().short(tag::COMPRESSION, 50000)),
        "this TIFF image is not read: its compression is ZSTD; save it as PNG"
    );
    assert_eq!(
        sentence(Page::new(1, 1, 1, 1, vec![9, 0]).short(tag::BITS_PER_SAMPLE, 16)),
        "this TIFF image is not read: its samples have 16 bits, of which the highest are not used, so that their range \
         is not known; save it with 8 bits a channel"
    );
    assert_eq!(
        sentence(Page { chunks: vec![vec![1]], ..page() }),
        "this TIFF image cannot be decoded: a strip or tile of it ends too early; check that the file is whole, or save \
         it again as PNG"
    );
}

#[test]
fn limits_are_checked_before_anything_is_decoded() {
    let limits = DecodeLimits { max_pixels: 63, ..DecodeLimits::default() };
    assert!(matches!(read(&page().file(), &limits), Err(PixelsError::TooManyPixels { width: 8, height: 8, .. })));
    let huge = page().with(tag::WIDTH, LONG, &[u64::from(u32::MAX)]);
    assert!(matches!(read(&huge.file(), &DecodeLimits::default()), Err(PixelsError::TooManyPixels { .. })));
    refuses(page().with(tag::WIDTH, LONG, &[0]), "0x8 pixels");
    refuses(page().in_tiles(60_000, 60_000, vec![Vec::new()]), "larger than the image");
    refuses(page().in_tiles(0, 16, vec![Vec::new()]), "no size");
    refuses(page().with(tag::WIDTH, LONG, &[2_000_000]), "pixels wide");
    let strips = vec![drawn(8, 8); 1];
    let slim = Page::new(1, 40_000, 1, 1, Vec::new()).in_strips(1, strips);
    refuses(slim.clone(), "where all its strips");
    refuses(Page { chunks: vec![vec![0]; 40_000], ..slim }, "too many");
    let tables = vec![0; 20_000];
    refuses(page().short(tag::COMPRESSION, 7).with(tag::JPEG_TABLES, BYTE, &tables), "JPEG tables");
}

#[test]
fn chunks_on_top_of_each_other_are_refused() {
    let mut file = Page::new(100, 100, 1, 1, Vec::new()).in_strips(1, vec![vec![5; 100]; 100]).file();
    let at = entry(&file, tag::STRIP_BYTE_COUNTS);
    let lengths = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
    let mut stating = |length: u32| {
        for place in file[lengths..lengths + 400].chunks_mut(4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        file.clone()
    };
    assert_eq!(pixels(&stating(800)), vec![5; 30_000], "a small file may say so");
    let large = [stating(60_000), vec![0; 1 << 20]].concat();
    assert!(refusal(&large).contains("on top of each other"));
}

#[test]
fn no_damage_is_a_panic() {
    let tiled = tiles(&drawn(20, 20), [20, 20], [16, 16]);
    let palette =
        Page::new(4, 1, 3, 1, vec![0x1B]).short(tag::BITS_PER_SAMPLE, 2).with(tag::COLOUR_MAP, SHORT, &[999; 12]);
    let chroma = Page::new(4, 4, 6, 3, vec![77; 24]).with(tag::YCBCR_SUBSAMPLING, SHORT, &[2, 2]);
    let files = [
        Form { big_endian: true, big: true }.file(vec![page().short(tag::COMPRESSION, 5)]),
        Page::new(20, 20, RGB, 3, Vec::new()).short(tag::COMPRESSION, 8).in_tiles(16, 16, each(tiled, deflate)).file(),
        Page::new(2, 1, 1, 2, vec![1, 2, 3, 4]).short(tag::EXTRA_SAMPLES, 1).file(),
        Form::default().file(vec![palette, chroma]),
    ];
    for file in files {
        for at in 0..file.len() {
            let _ = read(&file[..at], &DecodeLimits::default());
            for value in [0, 1, 2, 3, 6, 7, 16, 127, 255, file[at].wrapping_add(1)] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = read(&damaged, &DecodeLimits::default());
            }
        }
    }
}
