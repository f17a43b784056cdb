//! A writer of TIFF files as the tests need them: any tags, any bytes as strips or tiles, right or wrong.

use super::tag;

/// The type and the values of a tag.
pub(super) type Values = (u16, Vec<u64>);

pub(super) const BYTE: u16 = 1;
pub(super) const SHORT: u16 = 3;
pub(super) const LONG: u16 = 4;
/// Numerators and denominators in turn.
pub(super) const RATIONAL: u16 = 5;
const LONG8: u16 = 16;

/// One directory and its chunks.
#[derive(Clone)]
pub(super) struct Page {
    pub tags: Vec<(u16, Values)>,
    pub chunks: Vec<Vec<u8>>,
    pub tiled: bool,
}

/// A file of several directories.
#[derive(Clone, Copy, Default)]
pub(super) struct Form {
    pub big_endian: bool,
    pub big: bool,
}

impl Page {
    /// An image in one strip, its samples of 8 bits.
    pub(super) fn new(width: u64, height: u64, photometric: u64, samples: u64, strip: Vec<u8>) -> Self {
        let tags = [
            (tag::WIDTH, width),
            (tag::HEIGHT, height),
            (tag::PHOTOMETRIC, photometric),
            (tag::SAMPLES_PER_PIXEL, samples),
            (tag::ROWS_PER_STRIP, height),
        ];
        let mut tags: Vec<_> = tags.map(|(tag, value)| (tag, (LONG, vec![value]))).into();
        tags.push((tag::BITS_PER_SAMPLE, (SHORT, vec![8; samples as usize])));
        Self { tags, chunks: vec![strip], tiled: false }
    }

    /// The same with a tag of this value, or this value for a tag that it has already.
    pub(super) fn with(mut self, tag: u16, kind: u16, values: &[u64]) -> Self {
        self.tags.retain(|(other, _)| *other != tag);
        self.tags.push((tag, (kind, values.to_vec())));
        self
    }

    pub(super) fn short(self, tag: u16, value: u64) -> Self {
        self.with(tag, SHORT, &[value])
    }

    pub(super) fn in_tiles(mut self, width: u64, height: u64, tiles: Vec<Vec<u8>>) -> Self {
        (self.tiled, self.chunks) = (true, tiles);
        self.short(tag::TILE_WIDTH, width).short(tag::TILE_HEIGHT, height)
    }

    pub(super) fn in_strips(mut self, rows: u64, strips: Vec<Vec<u8>>) -> Self {
        self.chunks = strips;
        self.short(tag::ROWS_PER_STRIP, rows)
    }

    /// The file of this page alone, little-endian.
    pub(super) fn file(self) -> Vec<u8> {
        Form::default().file(vec![self])
    }
}

impl Form {
    fn number(self, value: u64, size: usize) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes()[8 - size..].to_vec() } else { value.to_le_bytes()[..size].to_vec() }
    }

    pub(super) fn file(self, pages: Vec<Page>) -> Vec<u8> {
        let offset = if self.big { 8 } else { 4 };
        let mut file = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        file.extend(self.number(if self.big { 43 } else { 42 }, 2));
        if self.big {
            file.extend([self.number(8, 2), self.number(0, 2)].concat());
        }
        let mut link = file.len();
        file.extend(vec![0; offset]);
        for Page { mut tags, chunks, tiled } in pages {
            let mut places = Vec::new();
            for chunk in &chunks {
                places.push(file.len() as u64);
                file.extend(chunk);
            }
            let lengths = chunks.iter().map(|chunk| chunk.len() as u64).collect();
            let [offsets, counts] = if tiled {
                [tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS]
            } else {
                [tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS]
            };
            let kind = if self.big { LONG8 } else { LONG };
            for (tag, values) in [(offsets, (kind, places)), (counts, (LONG, lengths))] {
                if !tags.iter().any(|(other, _)| *other == tag) {
                    tags.push((tag, values));
                }
            }
            tags.sort_by_key(|(tag, _)| *tag);
            let mut entries = self.number(tags.len() as u64, if self.big { 8 } else { 2 });
            for (tag, (kind, values)) in tags {
                let (size, count) = match kind {
                    BYTE => (1, values.len()),
                    SHORT => (2, values.len()),
                    RATIONAL => (4, values.len() / 2),
                    LONG8 => (8, values.len()),
                    _ => (4, values.len()),
                };
                let mut data: Vec<u8> = values.iter().flat_map(|&value| self.number(value, size)).collect();
                if data.len() > offset {
                    let place = file.len() as u64;
                    file.extend(data);
                    data = self.number(place, offset);
                }
                data.resize(offset, 0);
                entries.extend([self.number(tag.into(), 2), self.number(kind.into(), 2)].concat());
                entries.extend([self.number(count as u64, offset), data].concat());
            }
            let directory = self.number(file.len() as u64, offset);
            file[link..link + offset].copy_from_slice(&directory);
            file.extend(entries);
            link = file.len();
            file.extend(vec![0; offset]);
        }
        file
    }
}
