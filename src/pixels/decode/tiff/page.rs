//! How one image of a TIFF file is laid out: read from its tags, checked against the limits, refused where its samples
//! cannot be read without a guess.

use std::borrow::Cow;

use super::colour::{Alpha, Colour};
use super::compression::Compression;
use super::directory::{Directory, Field, File, tag};
use super::samples::Depth;
use super::{DecodeLimits, PixelsError, SourceReader, refused};

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
    pub jpeg_tables: Option<Cow<'a, [u8]>>,
    chunks: Chunks<'a>,
}

/// Where chunks lie.
struct Chunks<'a> {
    file: File<'a>,
    kind: ChunkPlaces<'a>,
}

enum ChunkPlaces<'a> {
    Listed {
        offsets: Field<'a>,
        lengths: Option<Field<'a>>,
    },
    /// One JPEG file with everything in it: where it begins, and its length.
    Whole(u64, u64),
}

/// How much of an image is held at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// All of it.
    Image,
    /// The rows that its strips or tiles bring.
    Rows,
}

impl<'a> Page<'a> {
    pub(super) fn read(tags: &Directory<'a>, limits: &DecodeLimits, held: Held) -> Result<Self, PixelsError> {
        let (width, height) = (tags.small(tag::WIDTH, 0)?, tags.small(tag::HEIGHT, 0)?);
        if width == 0 || height == 0 {
            return Err(refused(format!("it is {width}x{height} pixels")));
        }
        if held == Held::Image {
            limits.check_pixels(width, height)?;
        }
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
        let places = match whole_jpeg(tags)? {
            Some((at, length)) if compression == Compression::OldJpeg => ChunkPlaces::Whole(at, length),
            _ => {
                let (offsets, lengths) = if tiled {
                    (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
                } else {
                    (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
                };
                let offsets = tags.field(offsets)?.ok_or_else(|| refused("it does not say where its pixels are"))?;
                ChunkPlaces::Listed { offsets, lengths: tags.field(lengths)? }
            }
        };
        let (chunk_width, chunk_height) =
            if matches!(places, ChunkPlaces::Whole(..)) { (width, height) } else { (chunk_width, chunk_height) };

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
            chunks: Chunks { file: tags.file, kind: places },
        };
        page.check(limits, held)?;
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

    /// Whether rows come one by one, and not with all others of their strip or tile.
    pub(super) fn comes_by_rows(&self) -> bool {
        self.across() == 1 && self.compression.is_of_bytes()
    }

    /// Whether a row holds its pixels as RGB or RGBA of 8 bits already.
    pub(super) fn stores_its_pixels(&self) -> bool {
        let channels = match self.alpha {
            Alpha::None => 3,
            Alpha::Straight => 4,
            Alpha::Premultiplied => return false,
        };
        matches!(self.colour, Colour::Rgb)
            && self.depth.is_of_8_bits()
            && (self.samples, self.planes()) == (channels, 1)
    }

    /// What decoding costs must be in proportion to the image and to the file.
    fn check(&self, limits: &DecodeLimits, held: Held) -> Result<(), PixelsError> {
        let of_8_bits = self.depth.is_of_8_bits();
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
        if covered > pixels.saturating_mul(4).saturating_add(4 << 20) {
            return Err(refused("its tiles are far larger than the image"));
        }
        let in_a_row = u64::from(self.chunk_width) * self.samples as u64;
        if in_a_row > MOST_IN_A_ROW {
            return Err(refused(format!("it is {} pixels wide, which is more than is read", self.width)));
        }
        if self.jpeg_tables.as_ref().is_some_and(|tables| tables.len() > MOST_JPEG_TABLES) {
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
        let beside = decoded.saturating_add((copies as u64).saturating_mul(largest));
        let needed = |pixels: u64| pixels.saturating_mul(4).saturating_add(beside);
        let most = limits.max_memory();
        match held {
            Held::Image if needed(pixels) > most => Err(PixelsError::TooMuchMemory(most)),
            Held::Rows => {
                let rows = if self.comes_by_rows() { 1 } else { self.chunk_height.min(self.height) };
                let needed = needed(u64::from(self.width) * u64::from(rows));
                if needed > most { Err(PixelsError::RowsTooLarge { needed, most }) } else { Ok(()) }
            }
            Held::Image => Ok(()),
        }
    }

    /// The bytes of the largest chunk; an error where they cannot be those of a whole image of so many pixels.
    fn largest_chunk(&self, pixels: u64) -> Result<u64, PixelsError> {
        let (offsets, lengths) = match &self.chunks.kind {
            ChunkPlaces::Whole(_, length) => return Ok(*length),
            ChunkPlaces::Listed { offsets, lengths } => (offsets, lengths),
        };
        let planes = self.planes() as u64;
        let count = (u64::from(self.across()) * u64::from(self.down())).saturating_mul(planes);
        if (offsets.len() as u64) < count || lengths.as_ref().is_some_and(|lengths| (lengths.len() as u64) < count) {
            return Err(refused("it does not say where all its strips or tiles are"));
        }
        // Smaller tiles than 16x16 and narrower strips of one row are no more than these.
        if count > pixels.saturating_mul(planes) / 256 + (4 << 10) {
            return Err(refused("it is cut into too many strips or tiles"));
        }
        let (mut total, mut largest) = (0, 0);
        for index in 0..count as usize {
            let (_, length) = self.place(index)?;
            (total, largest) = (total + length, largest.max(length));
            if total > self.chunks.file.source.len().saturating_mul(4).saturating_add(1 << 20) {
                return Err(refused("its strips or tiles lie on top of each other"));
            }
        }
        Ok(largest)
    }

    /// The bytes of a chunk, as they are stored.
    pub(super) fn data(&self, index: usize) -> Result<Cow<'a, [u8]>, PixelsError> {
        let (at, length) = self.place(index)?;
        self.chunks.file.source.slice(at, length).ok_or_else(missing)
    }

    /// The same as a stream.
    pub(super) fn stream(&self, index: usize) -> Result<SourceReader<'a>, PixelsError> {
        let (at, length) = self.place(index)?;
        Ok(self.chunks.file.source.reader(at, length))
    }

    /// Where the bytes of a chunk begin in the file, and how many they are; all of them are there.
    fn place(&self, index: usize) -> Result<(u64, u64), PixelsError> {
        let (offsets, lengths) = match &self.chunks.kind {
            ChunkPlaces::Whole(at, length) => return Ok((*at, *length)),
            ChunkPlaces::Listed { offsets, lengths } => (offsets, lengths),
        };
        let File { source, .. } = self.chunks.file;
        let offset = offsets.unsigned(index).ok_or_else(missing)?;
        if offset < self.chunks.file.header_bytes() {
            return Err(refused("one of its strips or tiles lies on top of the file's header"));
        }
        let rest = source.len().checked_sub(offset).ok_or_else(missing)?;
        let is_alone = offsets.len() == 1;
        match lengths {
            None if is_alone => Ok((offset, rest)),
            None => Err(refused("it does not say how long its strips or tiles are")),
            Some(lengths) => match lengths.unsigned(index) {
                Some(0) => Err(refused("one of its strips or tiles is empty")),
                Some(length) if length <= rest => Ok((offset, length)),
                // Raw pixels in one strip end where the image does, whatever is told of them; libtiff does so too.
                _ if is_alone && self.compression == Compression::None => Ok((offset, rest)),
                _ => Err(missing()),
            },
        }
    }
}

fn missing() -> PixelsError {
    refused("the file ends before its pixels do")
}

/// Where an old-style JPEG image (TIFF 6.0, section 22) keeps everything in one stream: where it begins, and its length.
fn whole_jpeg(tags: &Directory<'_>) -> Result<Option<(u64, u64)>, PixelsError> {
    let Some(offset @ 1..) = tags.unsigned(tag::JPEG_INTERCHANGE_FORMAT)? else { return Ok(None) };
    let length = tags.unsigned(tag::JPEG_INTERCHANGE_FORMAT_LENGTH)?.unwrap_or(u64::MAX);
    let at = offset.min(tags.file.source.len());
    Ok(Some((at, length.min(tags.file.source.len() - at))))
}
