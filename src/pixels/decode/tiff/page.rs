//! How one image of a TIFF file is laid out: read from its tags, checked against the limits, refused where its samples
//! cannot be read without a guess.

use super::colour::{Alpha, Colour};
use super::compression::Compression;
use super::directory::{Directory, Field, File, tag};
use super::samples::Depth;
use super::{DecodeLimits, PixelsError, refused};

/// The most samples in a row: what is held beside the image is some rows of it.
const MOST_IN_A_ROW: u64 = 4 << 20;

/// The most bytes of tables that all JPEG chunks share; real ones have less than one KiB.
const MOST_JPEG_TABLES: usize = 16 << 10;

/// An image and where its chunks (strips or tiles) lie.
pub(super) struct Page<'a> {
    pub width: u32,
    pub height: u32,
    /// Samples of a pixel, with those that are not colours.
    pub samples: usize,
    pub depth: Depth,
    pub colour: Colour,
    pub alpha: Alpha,
    pub compression: Compression,
    pub predictor: u32,
    /// The bits of each byte are stored the other way round.
    pub bits_reversed: bool,
    /// Each sample has chunks of its own.
    pub planar: bool,
    pub big_endian: bool,
    /// Its chunks are tiles, which go on beyond its edges; strips end with it.
    tiled: bool,
    pub chunk_width: u32,
    pub chunk_height: u32,
    pub jpeg_tables: Option<&'a [u8]>,
    chunks: Chunks<'a>,
}

enum Chunks<'a> {
    Listed {
        file: File<'a>,
        offsets: Field<'a>,
        lengths: Option<Field<'a>>,
    },
    /// One JPEG file with everything in it.
    Whole(&'a [u8]),
}

impl<'a> Page<'a> {
    pub(super) fn read(tags: &Directory<'a>, limits: &DecodeLimits) -> Result<Self, PixelsError> {
        let (width, height) = (tags.small(tag::WIDTH, 0)?, tags.small(tag::HEIGHT, 0)?);
        if width == 0 || height == 0 {
            return Err(refused(format!("it is {width}x{height} pixels")));
        }
        limits.check_pixels(width, height)?;
        let compression = Compression::read(tags.small(tag::COMPRESSION, 1)?)?;
        let samples = tags.small(tag::SAMPLES_PER_PIXEL, 1)?;
        let (colour, alpha) = Colour::read(tags, samples, compression)?;
        let planar = samples > 1 && tags.small(tag::PLANAR_CONFIGURATION, 1)? == 2;

        let tiled = tags.field(tag::TILE_OFFSETS)?.is_some();
        let (chunk_width, chunk_height) = if tiled {
            (tags.small(tag::TILE_WIDTH, 0)?, tags.small(tag::TILE_HEIGHT, 0)?)
        } else {
            (
                width,
                match tags.small(tag::ROWS_PER_STRIP, height)? {
                    0 => height,
                    rows => rows.min(height),
                },
            )
        };
        let chunks = match whole_jpeg(tags)? {
            Some(jpeg) if compression == Compression::OldJpeg => Chunks::Whole(jpeg),
            _ => {
                let (offsets, lengths) = if tiled {
                    (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
                } else {
                    (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
                };
                let offsets = tags.field(offsets)?.ok_or_else(|| refused("it does not say where its pixels are"))?;
                Chunks::Listed { file: tags.file, offsets, lengths: tags.field(lengths)? }
            }
        };
        let (chunk_width, chunk_height) =
            if matches!(chunks, Chunks::Whole(_)) { (width, height) } else { (chunk_width, chunk_height) };

        let page = Self {
            width,
            height,
            samples: samples as usize,
            depth: Depth::read(tags, samples)?,
            colour,
            alpha,
            compression,
            predictor: if compression.has_predictor() { tags.small(tag::PREDICTOR, 1)? } else { 1 },
            bits_reversed: compression.is_of_bytes() && tags.small(tag::FILL_ORDER, 1)? == 2,
            planar,
            big_endian: tags.file.big_endian,
            tiled,
            chunk_width,
            chunk_height,
            jpeg_tables: tags.field(tag::JPEG_TABLES)?.map(|field| field.bytes),
            chunks,
        };
        page.check(limits)?;
        Ok(page)
    }

    pub(super) fn across(&self) -> u32 {
        self.width.div_ceil(self.chunk_width)
    }

    pub(super) fn down(&self) -> u32 {
        self.height.div_ceil(self.chunk_height)
    }

    /// Planes of chunks: one, or one for each sample.
    pub(super) fn planes(&self) -> usize {
        if self.planar { self.samples } else { 1 }
    }

    /// Samples of a pixel in one plane.
    pub(super) fn samples_in_plane(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// How many rows each chunk in this row of chunks must have: tiles of bytes all of theirs, and images in strips or
    /// tiles, which know when they are whole, those of the page.
    pub(super) fn rows_stored(&self, row_of_chunks: u32) -> u32 {
        let left = self.height - row_of_chunks * self.chunk_height;
        if self.tiled && self.compression.is_of_bytes() { self.chunk_height } else { left.min(self.chunk_height) }
    }

    /// What decoding costs must be in proportion to the image and to the file.
    fn check(&self, limits: &DecodeLimits) -> Result<(), PixelsError> {
        let of_8_bits = self.depth.bits == 8 && !self.depth.float;
        if !self.compression.is_of_bytes() && !of_8_bits {
            return Err(refused("its strips or tiles are images of 8 bits a sample, and its tags say otherwise"));
        }
        let is_subsampled = matches!(&self.colour, Colour::YCbCr(ycbcr) if ycbcr.shared != (1, 1));
        if is_subsampled && !(of_8_bits && self.samples == 3 && !self.planar) {
            return Err(refused("its chroma is subsampled, and its samples are not three of 8 bits side by side"));
        }
        if self.chunk_width == 0 || self.chunk_height == 0 {
            return Err(refused("its tiles have no size"));
        }
        let pixels = u64::from(self.width) * u64::from(self.height);
        let covered = (u64::from(self.across()) * u64::from(self.chunk_width))
            .saturating_mul(u64::from(self.down()) * u64::from(self.chunk_height));
        if covered > 4 * pixels + (4 << 20) {
            return Err(refused("its tiles are far larger than the image"));
        }
        let in_a_row = u64::from(self.chunk_width) * self.samples as u64;
        if in_a_row > MOST_IN_A_ROW {
            return Err(refused(format!("it is {} pixels wide, which is more than is read", self.width)));
        }
        if self.jpeg_tables.is_some_and(|tables| tables.len() > MOST_JPEG_TABLES) {
            return Err(refused("its JPEG tables are too long"));
        }
        let largest = self.largest_chunk(pixels)?;
        // The page's pixels take up to 4 bytes. An image inside a strip or tile is decoded as a whole, whose samples take 3
        // bytes, and 1 while the chunks of other planes are decoded; streams of JPEG and reversed bits are copied.
        let in_a_chunk = u64::from(self.chunk_width).saturating_mul(self.chunk_height.into());
        let (decoded, copies) = match self.compression.is_of_bytes() {
            true => (0, if self.bits_reversed { self.planes() } else { 0 }),
            false => (in_a_chunk.saturating_mul((2 * self.samples_in_plane() + self.samples) as u64), 1),
        };
        let memory = (4 * pixels).saturating_add(decoded).saturating_add(copies as u64 * largest);
        if memory > limits.max_memory() {
            return Err(PixelsError::TooMuchMemory(limits.max_memory()));
        }
        Ok(())
    }

    /// The bytes of the largest chunk; an error where they cannot be those of a whole image of so many pixels.
    fn largest_chunk(&self, pixels: u64) -> Result<u64, PixelsError> {
        let (file, offsets, lengths) = match &self.chunks {
            Chunks::Whole(jpeg) => return Ok(jpeg.len() as u64),
            Chunks::Listed { file, offsets, lengths } => (file, offsets, lengths),
        };
        let count = u64::from(self.across()) * u64::from(self.down()) * self.planes() as u64;
        if (offsets.len() as u64) < count || lengths.is_some_and(|lengths| (lengths.len() as u64) < count) {
            return Err(refused("it does not say where all its strips or tiles are"));
        }
        // Smaller tiles than 16x16 and narrower strips of one row are no more than these.
        if count > pixels * self.planes() as u64 / 256 + (4 << 10) {
            return Err(refused("it is cut into too many strips or tiles"));
        }
        let (mut total, mut largest) = (0, 0);
        for index in 0..count as usize {
            let length = self.data(index)?.len() as u64;
            (total, largest) = (total + length, largest.max(length));
            if total > 4 * file.bytes.len() as u64 + (1 << 20) {
                return Err(refused("its strips or tiles lie on top of each other"));
            }
        }
        Ok(largest)
    }

    /// The bytes of a chunk, as they are stored.
    pub(super) fn data(&self, index: usize) -> Result<&'a [u8], PixelsError> {
        let (file, offsets, lengths) = match &self.chunks {
            Chunks::Whole(jpeg) => return Ok(jpeg),
            Chunks::Listed { file, offsets, lengths } => (file, offsets, lengths),
        };
        let missing = || refused("the file ends before its pixels do");
        let number = |field: &Field<'_>| field.unsigned(index).and_then(|number| usize::try_from(number).ok());
        let offset = number(offsets).ok_or_else(missing)?;
        if offset < file.header_bytes() {
            return Err(refused("one of its strips or tiles lies on top of the file's header"));
        }
        let data = file.bytes.get(offset..).ok_or_else(missing)?;
        let is_alone = offsets.len() == 1;
        match lengths {
            None if is_alone => Ok(data),
            None => Err(refused("it does not say how long its strips or tiles are")),
            Some(lengths) => match number(lengths) {
                Some(0) => Err(refused("one of its strips or tiles is empty")),
                Some(length) if length <= data.len() => Ok(&data[..length]),
                // Raw pixels in one strip end where the image does, whatever is told of them; libtiff does so too.
                _ if is_alone && self.compression == Compression::None => Ok(data),
                _ => Err(missing()),
            },
        }
    }
}

/// Where an old-style JPEG image (TIFF 6.0, section 22) keeps everything in one stream.
fn whole_jpeg<'a>(tags: &Directory<'a>) -> Result<Option<&'a [u8]>, PixelsError> {
    let Some(offset @ 1..) = tags.unsigned(tag::JPEG_INTERCHANGE_FORMAT)? else { return Ok(None) };
    let length = tags.unsigned(tag::JPEG_INTERCHANGE_FORMAT_LENGTH)?.unwrap_or(u64::MAX);
    let stream = usize::try_from(offset).ok().and_then(|offset| tags.file.bytes.get(offset..)).unwrap_or_default();
    Ok(Some(&stream[..usize::try_from(length).unwrap_or(usize::MAX).min(stream.len())]))
}
