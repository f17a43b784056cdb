//! The rows of an image, from the top: one by one where a strip is as wide as the image and is decompressed as a stream,
//! else those of a row of strips or tiles at a time.

use std::io::Read;

use image::DynamicImage;

use super::colour::{Alpha, Colour};
use super::page::Page;
use super::predictor::Predictor;
use super::samples::{Range, Verdict};
use super::{PixelsError, chunk, image_of, refused, unknown_range};

/// An image, and how far it has been read.
pub(in crate::pixels::decode) struct Rows<'a> {
    page: Page<'a>,
    predictor: Predictor,
    range: Range,
    /// The next row of chunks.
    down: u32,
    /// The chunks whose rows come one by one, one a plane, and the next of these rows.
    open: Option<(Vec<Box<dyn Read + 'a>>, u32)>,
    buffers: Buffers,
}

/// A row of a chunk as it is stored, as samples, and what else undoing a predictor takes.
#[derive(Default)]
struct Buffers {
    stored: Vec<u8>,
    samples: Vec<u32>,
    spare: Vec<u8>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(page: Page<'a>) -> Result<Self, PixelsError> {
        let (predictor, range) = (Predictor::of(&page)?, Range::of(&page.depth));
        let chunk_width = page.chunk_width as usize;
        let buffers = Buffers {
            stored: vec![0; page.depth.bytes(chunk_width * page.samples_in_plane())],
            samples: vec![0; chunk_width * page.samples],
            spare: Vec::new(),
        };
        Ok(Self { page, predictor, range, down: 0, open: None, buffers })
    }

    pub(super) fn page(&self) -> &Page<'a> {
        &self.page
    }

    /// Width and height in pixels.
    pub(in crate::pixels::decode) fn size(&self) -> (u32, u32) {
        (self.page.width, self.page.height)
    }

    /// The most rows that come at a time.
    pub(in crate::pixels::decode) fn at_once(&self) -> u32 {
        if self.page.comes_by_rows() { 1 } else { self.page.chunk_height.min(self.page.height) }
    }

    /// Bytes of a row: RGB or RGBA of 8 bits.
    fn row_bytes(&self) -> usize {
        self.page.width as usize * if self.page.alpha == Alpha::None { 3 } else { 4 }
    }

    /// All pixels.
    pub(super) fn whole(&mut self) -> Result<DynamicImage, PixelsError> {
        let (row_bytes, (width, height)) = (self.row_bytes(), self.size());
        let mut pixels = vec![0; row_bytes * height as usize];
        loop {
            let mut read = 0;
            while read < height as usize {
                read += self.read(&mut pixels[read * row_bytes..])?;
            }
            if self.has_its_range()? {
                break;
            }
        }
        self.image(pixels, width, height)
    }

    /// The next rows, [`Self::at_once`] or fewer; none after the last.
    pub(in crate::pixels::decode) fn next(&mut self) -> Result<Option<DynamicImage>, PixelsError> {
        if self.down == self.page.down() {
            return Ok(None);
        }
        let mut pixels = vec![0; self.row_bytes() * self.at_once() as usize];
        let rows = self.read(&mut pixels)?;
        pixels.truncate(self.row_bytes() * rows);
        self.image(pixels, self.page.width, rows as u32).map(Some)
    }

    /// Begins again with the first row.
    pub(in crate::pixels::decode) fn restart(&mut self) {
        (self.range, self.down, self.open) = (Range::of(&self.page.depth), 0, None);
    }

    /// Whether the samples had the range that they were taken for, after the last row. If not they are taken for another
    /// one, and must be read again from the first row on.
    pub(in crate::pixels::decode) fn has_its_range(&mut self) -> Result<bool, PixelsError> {
        match self.range.verdict() {
            Verdict::Fits => Ok(true),
            Verdict::BeyondStated => {
                self.page.depth.stated_white = None;
                self.restart();
                Ok(false)
            }
            Verdict::Unknown => {
                let bits = self.page.depth.bits;
                Err(unknown_range(&format!("its samples have {bits} bits, of which the highest are not used")))
            }
        }
    }

    fn image(&self, pixels: Vec<u8>, width: u32, height: u32) -> Result<DynamicImage, PixelsError> {
        let image = image_of(pixels, width, height, self.page.alpha != Alpha::None);
        image.ok_or_else(|| refused("its size contradicts itself"))
    }

    /// Reads the next rows into the beginning of `target`, and says how many they are.
    fn read(&mut self, target: &mut [u8]) -> Result<usize, PixelsError> {
        if self.page.comes_by_rows() { self.next_row(target) } else { self.next_chunks(target) }
    }

    /// How many rows of the image the next row of chunks holds.
    fn visible_rows(&self) -> u32 {
        self.page.chunk_height.min(self.page.height - self.down * self.page.chunk_height)
    }

    fn chunks(&self, across: u32) -> Result<Vec<Box<dyn Read + 'a>>, PixelsError> {
        let in_plane = self.page.across() as usize * self.page.down() as usize;
        let index = self.down as usize * self.page.across() as usize + across as usize;
        let open = |plane| chunk::open(&self.page, plane * in_plane + index, self.visible_rows());
        (0..self.page.planes()).map(open).collect()
    }

    fn next_row(&mut self, target: &mut [u8]) -> Result<usize, PixelsError> {
        let (mut chunks, y) = match self.open.take() {
            Some(open) => open,
            None => (self.chunks(0)?, 0),
        };
        let row_bytes = self.row_bytes();
        self.row(&mut chunks, Some(&mut target[..row_bytes]))?;
        if y + 1 < self.visible_rows() {
            self.open = Some((chunks, y + 1));
            return Ok(1);
        }
        (y + 1..self.page.rows_stored(self.down)).try_for_each(|_| self.row(&mut chunks, None))?;
        self.finish(chunks)?;
        self.down += 1;
        Ok(1)
    }

    fn next_chunks(&mut self, target: &mut [u8]) -> Result<usize, PixelsError> {
        let (visible_rows, row_bytes) = (self.visible_rows() as usize, self.row_bytes());
        let (width, chunk_width) = (self.page.width as usize, self.page.chunk_width as usize);
        for across in 0..self.page.across() {
            let mut chunks = self.chunks(across)?;
            let pixel = row_bytes / width;
            let left = across as usize * chunk_width;
            let visible = chunk_width.min(width - left);
            for y in 0..self.page.rows_stored(self.down) as usize {
                let target = (y < visible_rows).then(|| &mut target[y * row_bytes + left * pixel..][..visible * pixel]);
                self.row(&mut chunks, target)?;
            }
            self.finish(chunks)?;
        }
        self.down += 1;
        Ok(visible_rows)
    }

    /// Reads a row of a chunk, of which as much is painted as the target takes. Tiles go on beyond the image's edges, where
    /// there is none.
    fn row(&mut self, chunks: &mut [Box<dyn Read + 'a>], target: Option<&mut [u8]>) -> Result<(), PixelsError> {
        let Self { page, predictor, range, buffers: Buffers { stored, samples, spare }, .. } = self;
        let stores_pixels = page.stores_its_pixels();
        for (plane, chunk) in chunks.iter_mut().enumerate() {
            chunk::read_row(chunk, stored)?;
            predictor.undo(page, stored, spare);
            if !stores_pixels {
                page.depth.unpack(stored, page.big_endian, &mut samples[plane..], page.planes());
            }
        }
        if let Some(target) = target {
            if stores_pixels {
                target.copy_from_slice(&stored[..target.len()]);
                return Ok(());
            }
            let pixels = target.len() / if page.alpha == Alpha::None { 3 } else { 4 };
            let samples = &mut samples[..pixels * page.samples];
            to_levels(page, range, samples)?;
            page.colour.paint(samples, page.samples, page.alpha, target);
        }
        Ok(())
    }

    fn finish(&self, chunks: Vec<Box<dyn Read + 'a>>) -> Result<(), PixelsError> {
        chunks.into_iter().try_for_each(|chunk| chunk::finish(chunk, &self.page))
    }
}

/// Turns the samples of a row into levels, except the indices of a palette.
fn to_levels(page: &Page<'_>, range: &mut Range, row: &mut [u32]) -> Result<(), PixelsError> {
    if !matches!(page.colour, Colour::Palette(_)) {
        // Colours that were multiplied by it are dark where it is, and have its range.
        let alpha = usize::from(page.alpha == Alpha::Premultiplied);
        return range.levels(row, page.samples, page.colour.samples() + alpha);
    }
    row.chunks_exact_mut(page.samples).try_for_each(|pixel| range.levels(&mut pixel[1..], 1, 0))
}
