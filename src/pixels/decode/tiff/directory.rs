//! The tags of a TIFF file, read where they lie: a file that claims millions of values costs nothing until they are
//! asked for. (The `tiff` crate copies the first directory's arrays, with 32 bytes a value, before a limit can be set.)

use std::borrow::Cow;

use super::{PixelsError, Source, refused};

/// The numbers of the tags, by their names in the specification.
pub(super) mod tag {
    pub(crate) const NEW_SUBFILE_TYPE: u16 = 254;
    pub(crate) const SUBFILE_TYPE: u16 = 255;
    pub(crate) const WIDTH: u16 = 256;
    pub(crate) const HEIGHT: u16 = 257;
    pub(crate) const BITS_PER_SAMPLE: u16 = 258;
    pub(crate) const COMPRESSION: u16 = 259;
    pub(crate) const PHOTOMETRIC: u16 = 262;
    pub(crate) const FILL_ORDER: u16 = 266;
    pub(crate) const IMAGE_DESCRIPTION: u16 = 270;
    pub(crate) const STRIP_OFFSETS: u16 = 273;
    pub(crate) const ORIENTATION: u16 = 274;
    pub(crate) const SAMPLES_PER_PIXEL: u16 = 277;
    pub(crate) const ROWS_PER_STRIP: u16 = 278;
    pub(crate) const STRIP_BYTE_COUNTS: u16 = 279;
    pub(crate) const MIN_SAMPLE_VALUE: u16 = 280;
    pub(crate) const MAX_SAMPLE_VALUE: u16 = 281;
    pub(crate) const PLANAR_CONFIGURATION: u16 = 284;
    pub(crate) const PREDICTOR: u16 = 317;
    pub(crate) const COLOUR_MAP: u16 = 320;
    pub(crate) const TILE_WIDTH: u16 = 322;
    pub(crate) const TILE_HEIGHT: u16 = 323;
    pub(crate) const TILE_OFFSETS: u16 = 324;
    pub(crate) const TILE_BYTE_COUNTS: u16 = 325;
    pub(crate) const SUB_IFDS: u16 = 330;
    pub(crate) const INK_SET: u16 = 332;
    pub(crate) const EXTRA_SAMPLES: u16 = 338;
    pub(crate) const SAMPLE_FORMAT: u16 = 339;
    pub(crate) const S_MIN_SAMPLE_VALUE: u16 = 340;
    pub(crate) const S_MAX_SAMPLE_VALUE: u16 = 341;
    pub(crate) const JPEG_TABLES: u16 = 347;
    pub(crate) const JPEG_INTERCHANGE_FORMAT: u16 = 513;
    pub(crate) const JPEG_INTERCHANGE_FORMAT_LENGTH: u16 = 514;
    pub(crate) const YCBCR_COEFFICIENTS: u16 = 529;
    pub(crate) const YCBCR_SUBSAMPLING: u16 = 530;
    pub(crate) const REFERENCE_BLACK_WHITE: u16 = 532;
    pub(crate) const ICC_PROFILE: u16 = 34675;
}

/// What libtiff reads too, so that no directory of a few bytes costs more than its file's size suggests.
const MOST_ENTRIES: u64 = 4096;

/// The most bytes of a tag's values that are read from a disk: where four million strips or tiles are.
const MOST_BYTES_FROM_DISK: u64 = 64 << 20;

/// A whole file and how its numbers are stored.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub source: Source<'a>,
    pub big_endian: bool,
    /// BigTIFF: offsets of 8 bytes.
    big: bool,
}

/// The entries of one image file directory.
pub(super) struct Directory<'a> {
    pub file: File<'a>,
    entries: Cow<'a, [u8]>,
    /// Where the next directory begins; 0 after the last.
    pub next: u64,
}

/// The values of one tag.
pub(super) struct Field<'a> {
    kind: Kind,
    /// Exactly the bytes of its values.
    pub bytes: Cow<'a, [u8]>,
    big_endian: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Unsigned(usize),
    Signed(usize),
    Rational,
    SignedRational,
    Float,
    Double,
}

impl Kind {
    fn of(code: u64) -> Option<Self> {
        Some(match code {
            1 | 2 | 7 => Self::Unsigned(1),
            3 => Self::Unsigned(2),
            4 | 13 => Self::Unsigned(4),
            16 | 18 => Self::Unsigned(8),
            6 => Self::Signed(1),
            8 => Self::Signed(2),
            9 => Self::Signed(4),
            17 => Self::Signed(8),
            5 => Self::Rational,
            10 => Self::SignedRational,
            11 => Self::Float,
            12 => Self::Double,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::Unsigned(size) | Self::Signed(size) => size,
            Self::Float => 4,
            Self::Rational | Self::SignedRational | Self::Double => 8,
        }
    }
}

/// The bytes as an unsigned number.
fn number(bytes: &[u8], big_endian: bool) -> u64 {
    let append = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    if big_endian { bytes.iter().fold(0, append) } else { bytes.iter().rev().fold(0, append) }
}

impl<'a> File<'a> {
    /// Reads the header; gives the file and where its first directory begins.
    pub(super) fn open(source: Source<'a>) -> Result<(Self, u64), PixelsError> {
        let big_endian = source.slice(0, 2).is_some_and(|mark| *mark == *b"MM");
        let mut file = Self { source, big_endian, big: false };
        let first = match file.number(2, 2) {
            Some(42) => file.number(4, 4),
            Some(43) if file.number(4, 2) == Some(8) => {
                file.big = true;
                file.number(8, 8)
            }
            _ => None,
        };
        Ok((file, first.ok_or_else(|| refused("its header is damaged"))?))
    }

    /// How many bytes come before anything that an offset can point to.
    pub(super) fn header_bytes(&self) -> u64 {
        if self.big { 16 } else { 8 }
    }

    fn number(&self, at: u64, length: u64) -> Option<u64> {
        Some(number(&self.source.slice(at, length)?, self.big_endian))
    }

    /// The directory that begins at `at`; `None` where there is none.
    pub(super) fn directory(&self, at: u64) -> Option<Directory<'a>> {
        let (count_size, entry_size) = if self.big { (8, 20) } else { (2, 12) };
        let count = self.number(at, count_size)?;
        if count == 0 || count > MOST_ENTRIES {
            return None;
        }
        let start = at.checked_add(count_size)?;
        let entries = self.source.slice(start, count * entry_size)?;
        // A file may end with its last directory's entries.
        let next = self.number(start + count * entry_size, if self.big { 8 } else { 4 }).unwrap_or(0);
        Some(Directory { file: *self, entries, next })
    }
}

impl<'a> Directory<'a> {
    /// How many tags it has.
    pub(super) fn len(&self) -> usize {
        self.entries.len() / self.entry_size()
    }

    fn entry_size(&self) -> usize {
        if self.file.big { 20 } else { 12 }
    }

    /// The values of a tag, if the directory has it.
    pub(super) fn field(&self, tag: u16) -> Result<Option<Field<'a>>, PixelsError> {
        let big_endian = self.file.big_endian;
        let mut entries = self.entries.chunks_exact(self.entry_size());
        let Some(place) = entries.position(|entry| number(&entry[..2], big_endian) == u64::from(tag)) else {
            return Ok(None);
        };
        let entry = place * self.entry_size()..(place + 1) * self.entry_size();
        let entry = match &self.entries {
            Cow::Borrowed(entries) => Cow::Borrowed(&entries[entry]),
            Cow::Owned(entries) => Cow::Owned(entries[entry].to_vec()),
        };
        let broken = || refused(format!("the values of its tag {tag} cannot be read"));
        let kind = Kind::of(number(&entry[2..4], big_endian)).ok_or_else(broken)?;
        let size = if self.file.big { 8 } else { 4 };
        let length = number(&entry[4..][..size], big_endian).checked_mul(kind.size() as u64).ok_or_else(broken)?;
        let bytes = if length <= size as u64 {
            let value = 4 + size..4 + size + length as usize;
            Some(match entry {
                Cow::Borrowed(entry) => Cow::Borrowed(&entry[value]),
                Cow::Owned(entry) => Cow::Owned(entry[value].to_vec()),
            })
        } else if matches!(self.file.source, Source::File(..)) && length > MOST_BYTES_FROM_DISK {
            None
        } else {
            self.file.source.slice(number(&entry[4 + size..], big_endian), length)
        };
        Ok(Some(Field { kind, bytes: bytes.ok_or_else(broken)?, big_endian }))
    }

    /// The first value of a tag as an unsigned number.
    pub(super) fn unsigned(&self, tag: u16) -> Result<Option<u64>, PixelsError> {
        let Some(field) = self.field(tag)? else { return Ok(None) };
        let value = field.unsigned(0).ok_or_else(|| refused(format!("its tag {tag} has no usable value")))?;
        Ok(Some(value))
    }

    /// The same, where a tag that is missing or too large stands for `default`.
    pub(super) fn small(&self, tag: u16, default: u32) -> Result<u32, PixelsError> {
        Ok(self.unsigned(tag)?.map_or(default, |value| u32::try_from(value).unwrap_or(u32::MAX)))
    }
}

impl Field<'_> {
    /// How many values it has.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.kind.size()
    }

    fn value(&self, index: usize) -> Option<&[u8]> {
        self.bytes.chunks_exact(self.kind.size()).nth(index)
    }

    /// A value that is a whole number and not negative.
    pub(super) fn unsigned(&self, index: usize) -> Option<u64> {
        let value = number(self.value(index)?, self.big_endian);
        match self.kind {
            Kind::Unsigned(_) => Some(value),
            Kind::Signed(size) if value >> (size * 8 - 1) == 0 => Some(value),
            _ => None,
        }
    }

    /// A value of any kind that is not signed.
    pub(super) fn real(&self, index: usize) -> Option<f64> {
        let bytes = self.value(index)?;
        let value = number(bytes, self.big_endian);
        match self.kind {
            Kind::Unsigned(_) => Some(value as f64),
            Kind::Float => Some(f32::from_bits(value as u32).into()),
            Kind::Double => Some(f64::from_bits(value)),
            Kind::Rational => {
                let (numerator, denominator) = bytes.split_at(4);
                Some(number(numerator, self.big_endian) as f64 / number(denominator, self.big_endian) as f64)
            }
            Kind::Signed(_) | Kind::SignedRational => None,
        }
    }
}
