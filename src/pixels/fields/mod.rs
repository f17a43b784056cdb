//! A large image cut into square fields, each an image of its own, whose rows are read as they are needed.
//!
//! In: a file ([`LargeImage`]) and how it is cut ([`Fields`]). Out: the fields from the top, and in a row from the left
//! ([`FieldReader`]), with the same pixels as crops of the decoded image have. The limit of the pixels is that of memory,
//! and a TIFF or a PNG that is not interlaced takes no more of it for more rows.

mod grid;

use std::fs::File;
use std::path::{Path, PathBuf};

use image::{RgbImage, imageops};

use super::decode::by_rows::{self, ByRows, Opened};
use super::decode::read_bytes;
use super::decode::source::Source;
use super::{DecodeLimits, Decoded, Note, PixelsError, decode};
use crate::system::{available_memory, cores, open_file};

pub use grid::{FieldStarts, Fields, FieldsError};

/// What memory is taken to be where the operating system does not tell.
const UNKNOWN_MEMORY: u64 = 2 << 30;

/// Bytes of fields that are held at a time without a second thought.
const SMALL: u64 = 64 << 20;

/// A file whose image may be larger than memory.
pub struct LargeImage {
    path: PathBuf,
    stored: Stored,
    /// What reading it may take of memory, in bytes.
    memory: u64,
}

enum Stored {
    /// What cannot be read twice, as a pipe.
    Bytes(Vec<u8>),
    File(File, u64),
}

/// A field of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Where its left edge is, in pixels of the whole image, upright.
    pub x: u32,
    /// Where its upper edge is.
    pub y: u32,
    /// Its pixels.
    pub image: RgbImage,
}

/// The fields of an image one after the other, of which a row is held at a time. After an error there are no more.
pub struct FieldReader<'a> {
    path: &'a Path,
    pixels: Pixels<'a>,
    fields: Fields,
    /// Those rows of fields that are still to come.
    rows: FieldStarts,
    /// Where the row of fields is whose turn it is, and those of it that are still to come.
    row: Option<(u32, FieldStarts)>,
    size: (u32, u32),
    memory: u64,
    has_failed: bool,
}

enum Pixels<'a> {
    Whole(Decoded),
    ByRows { image: Box<ByRows<'a>>, held: HeldRows },
}

impl LargeImage {
    /// Opens a file, of which half of the memory that is free may be taken.
    ///
    /// # Errors
    /// [`PixelsError::Read`] when it cannot be opened or read.
    pub fn open(path: &Path) -> Result<Self, PixelsError> {
        Self::with_memory(path, available_memory().map_or(UNKNOWN_MEMORY, |free| free as u64) / 2)
    }

    /// The same with so many bytes of memory that may be taken.
    ///
    /// # Errors
    /// The same.
    pub fn with_memory(path: &Path, memory: u64) -> Result<Self, PixelsError> {
        let failed = |source| PixelsError::Read(path.into(), source);
        let file = open_file(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let stored = if metadata.is_file() {
            Stored::File(file, metadata.len())
        } else {
            let max_bytes = usize::try_from(memory / 2).unwrap_or(usize::MAX);
            Stored::Bytes(read_bytes(path, &DecodeLimits { max_bytes, max_pixels: 0 })?)
        };
        Ok(Self { path: path.into(), stored, memory })
    }

    /// Cuts it into fields, after all of its pixels have been read once: an image that is damaged has none.
    ///
    /// # Errors
    /// [`PixelsError::File`] around what [`super::decode`] says, and around [`PixelsError::SmallerThanField`],
    /// [`PixelsError::RowsTooLarge`] and [`PixelsError::WholeTooLarge`].
    pub fn fields(&mut self, fields: Fields) -> Result<FieldReader<'_>, PixelsError> {
        self.cut(fields).map_err(|source| PixelsError::File(self.path.clone(), Box::new(source)))
    }

    fn source(&self) -> Source<'_> {
        match &self.stored {
            Stored::Bytes(bytes) => Source::Bytes(bytes),
            Stored::File(file, length) => Source::File(file, *length),
        }
    }

    fn cut(&self, fields: Fields) -> Result<FieldReader<'_>, PixelsError> {
        let pixels = match by_rows::open(self.source(), &of_memory(self.memory))? {
            Opened::Whole { name, reason } => Pixels::Whole(self.decode_whole(name, reason)?),
            Opened::ByRows(image) => Pixels::ByRows { image, held: HeldRows::default() },
        };
        let (width, height) = match &pixels {
            Pixels::Whole(decoded) => decoded.image.dimensions(),
            Pixels::ByRows { image, .. } => image.size(),
        };
        let smaller = |_| PixelsError::SmallerThanField { width, height, size: fields.size() };
        fields.starts(width).map_err(smaller)?;
        let rows = fields.starts(height).map_err(smaller)?;
        let memory = self.memory;
        let mut reader = FieldReader {
            path: &self.path,
            pixels,
            fields,
            rows,
            row: None,
            size: (width, height),
            memory,
            has_failed: false,
        };
        reader.prepare()?;
        Ok(reader)
    }

    /// Decodes an image that is not read by rows.
    fn decode_whole(&self, name: &'static str, reason: &'static str) -> Result<Decoded, PixelsError> {
        let (source, most) = (self.source(), self.memory);
        let bytes = source.len();
        let Some(left) = most.checked_sub(bytes) else {
            return Err(PixelsError::TooManyBytes { bytes, limit: usize::try_from(most).unwrap_or(usize::MAX) });
        };
        let limits = DecodeLimits { max_bytes: usize::MAX, ..of_memory(left) };
        let file = source.slice(0, bytes).ok_or_else(|| changed(name))?;
        decode(&file, &limits).map_err(|error| match error {
            PixelsError::TooManyPixels { width, height, .. } => {
                let needed = (u64::from(width) * u64::from(height)).saturating_mul(DecodeLimits::BYTES_PER_PIXEL);
                PixelsError::WholeTooLarge { name, width, height, reason, needed: needed.saturating_add(bytes), most }
            }
            error => error,
        })
    }
}

/// The limits whose memory this is.
fn of_memory(memory: u64) -> DecodeLimits {
    DecodeLimits { max_bytes: usize::MAX, max_pixels: memory / DecodeLimits::BYTES_PER_PIXEL }
}

fn changed(name: &'static str) -> PixelsError {
    PixelsError::Undecodable(name, "it was changed while it was read".into())
}

impl FieldReader<'_> {
    /// The width and the height of the image, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// What was done to the image beyond reading it, in that order.
    pub fn notes(&self) -> &[Note] {
        match &self.pixels {
            Pixels::Whole(decoded) => &decoded.notes,
            Pixels::ByRows { image, .. } => image.notes(),
        }
    }

    /// How many fields are well held at a time beside what the reader holds: one for each core, more where they are small,
    /// and no more than one where a quarter of the memory that may be had takes no more.
    pub fn at_once(&self) -> usize {
        let in_bytes = |bytes: u64| usize::try_from(bytes / self.bytes_of_a_field()).unwrap_or(usize::MAX);
        in_bytes(SMALL).max(cores()).min(in_bytes(self.memory / 4)).max(1)
    }

    fn bytes_of_a_field(&self) -> u64 {
        u64::from(self.fields.size()).pow(2).saturating_mul(3)
    }

    /// Reads all pixels once, where this takes no more memory than can be had.
    fn prepare(&mut self) -> Result<(), PixelsError> {
        let (a_field, memory) = (self.bytes_of_a_field(), self.memory);
        let Pixels::ByRows { image, held } = &mut self.pixels else { return Ok(()) };
        // A row of fields and what comes at a time in RGB, the latter before that in up to four samples of 16 bits too.
        let (width, size, at_once) =
            (u64::from(self.size.0), u64::from(self.fields.size()), u64::from(image.at_once()));
        let rows = (3 * width).saturating_mul(size + at_once);
        let needed = rows.saturating_add(8 * width * at_once).saturating_add(a_field);
        if needed > memory {
            return Err(PixelsError::RowsTooLarge { needed, most: memory });
        }
        image.survey()?;
        held.samples.reserve_exact(rows as usize);
        Ok(())
    }

    fn next_field(&mut self) -> Result<Option<Field>, PixelsError> {
        loop {
            if let Some((y, row)) = &mut self.row
                && let Some(x) = row.next()
            {
                let y = *y;
                return Ok(Some(Field { x, y, image: self.crop(x, y) }));
            }
            let Some(y) = self.rows.next() else { return Ok(None) };
            if let Pixels::ByRows { image, held } = &mut self.pixels {
                held.move_to(y, y + self.fields.size(), image)?;
            }
            self.row = self.fields.starts(self.size.0).ok().map(|row| (y, row));
        }
    }

    fn crop(&self, x: u32, y: u32) -> RgbImage {
        let size = self.fields.size();
        match &self.pixels {
            Pixels::Whole(decoded) => imageops::crop_imm(&decoded.image, x, y, size, size).to_image(),
            Pixels::ByRows { held, .. } => {
                let (row, first) = (3 * self.size.0 as usize, (y - held.first) as usize);
                let rows = held.samples.chunks_exact(row).skip(first).take(size as usize);
                let mut samples = Vec::with_capacity(self.bytes_of_a_field() as usize);
                rows.for_each(|row| samples.extend_from_slice(&row[3 * x as usize..][..3 * size as usize]));
                RgbImage::from_raw(size, size, samples).unwrap_or_default() // all of its rows are held
            }
        }
    }
}

impl Iterator for FieldReader<'_> {
    type Item = Result<Field, PixelsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let next = self.next_field();
        self.has_failed = next.is_err();
        next.map_err(|source| PixelsError::File(self.path.into(), Box::new(source))).transpose()
    }
}

/// Some rows of an image.
#[derive(Default)]
struct HeldRows {
    /// The number of the first.
    first: u32,
    /// RGB of 8 bits.
    samples: Vec<u8>,
}

impl HeldRows {
    /// Lets those before `first` go, and reads those before `end`.
    fn move_to(&mut self, first: u32, end: u32, image: &mut ByRows<'_>) -> Result<(), PixelsError> {
        let row = 3 * image.size().0 as usize;
        let over = (first - self.first) as usize * row;
        self.samples.drain(..over.min(self.samples.len()));
        self.first = first;
        while self.samples.len() < (end - first) as usize * row {
            let rows = image.next()?.ok_or_else(|| changed(image.name()))?;
            self.samples.extend_from_slice(&rows);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
