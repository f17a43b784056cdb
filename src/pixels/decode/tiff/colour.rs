//! What samples mean: from the levels of a pixel to red, green and blue, and how its alpha is to be taken.

use super::compression::Compression;
use super::directory::{Directory, tag};
use super::samples::WHITE;
use super::ycbcr::YCbCr;
use super::{PixelsError, not_read, refused};

/// The colours of a pixel's first samples.
pub(super) enum Colour {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    /// One sample is an index into these.
    Palette(Vec<[u8; 3]>),
    YCbCr(Box<YCbCr>),
    Cmyk,
}

/// What the sample after the colours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// There is none, or its meaning is not stated: then it is passed over, as Pillow does.
    None,
    /// Unassociated.
    Straight,
    /// Associated: the colours have been multiplied by it.
    Premultiplied,
}

impl Colour {
    pub(super) fn read(
        tags: &Directory<'_>,
        samples: u32,
        compression: Compression,
    ) -> Result<(Self, Alpha), PixelsError> {
        let photometric = tags.unsigned(tag::PHOTOMETRIC)?;
        let colour = match photometric.ok_or_else(|| refused("it does not say what its samples mean"))? {
            0 => Self::WhiteIsZero,
            1 => Self::BlackIsZero,
            2 => Self::Rgb,
            3 => Self::Palette(palette(tags)?),
            5 if tags.small(tag::INK_SET, 1)? == 1 => Self::Cmyk,
            5 => return Err(not_read("its inks are not cyan, magenta, yellow and black")),
            6 if samples == 1 => Self::BlackIsZero,
            6 => Self::YCbCr(YCbCr::read(tags, compression)?.into()),
            4 => return Err(refused("it is a mask for another image")),
            8..=10 => return Err(not_read("its colours are CIE L*a*b*")),
            32803 | 34892 => return Err(not_read("it is the raw image of a camera")),
            other => return Err(not_read(format!("its kind of colour has the number {other}"))),
        };
        // As many beside the colours as Pillow reads.
        let most_extra = if matches!(colour, Self::Rgb) { 3 } else { 1 };
        let colours = colour.samples() as u32;
        if samples < colours || samples > colours + most_extra {
            return Err(refused(format!("{samples} samples for each pixel do not fit its kind of colour")));
        }
        let stated = tags.field(tag::EXTRA_SAMPLES)?.and_then(|field| field.unsigned(0));
        let alpha = match stated {
            _ if samples == colours => Alpha::None,
            Some(1) => Alpha::Premultiplied,
            // Corel Draw writes 999, and many write nothing; Pillow takes both for this.
            Some(2 | 999) => Alpha::Straight,
            None if samples == 4 && matches!(colour, Self::Rgb) => Alpha::Straight,
            _ => Alpha::None,
        };
        if alpha == Alpha::Premultiplied && !matches!(colour, Self::BlackIsZero | Self::Rgb) {
            return Err(not_read("its colours are not grey or RGB and have been multiplied by its alpha"));
        }
        Ok((colour, alpha))
    }

    /// How many samples of a pixel are colours.
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr(_) => 3,
            Self::Cmyk => 4,
        }
    }

    pub(super) fn is_grey(&self) -> bool {
        matches!(self, Self::WhiteIsZero | Self::BlackIsZero)
    }

    /// Paints pixels, each of so many samples, as RGB, or as RGBA with straight alpha.
    pub(super) fn paint(&self, row: &[u32], samples: usize, alpha: Alpha, target: &mut [u8]) {
        match self {
            Self::WhiteIsZero => each(row, samples, alpha, target, |&[grey]| [WHITE - grey; 3]),
            Self::BlackIsZero => each(row, samples, alpha, target, |&[grey]| [grey; 3]),
            Self::Rgb => each(row, samples, alpha, target, |&rgb: &[_; 3]| rgb),
            Self::Palette(colours) => each(row, samples, alpha, target, |&[index]| {
                colours.get(index as usize).map_or([0; 3], |colour| colour.map(|level| u32::from(level) * 257))
            }),
            Self::YCbCr(ycbcr) => each(row, samples, alpha, target, |ycc: &[_; 3]| {
                ycbcr.to_rgb(ycc.map(|level| (level >> 8) as u8)).map(|level| level * 257)
            }),
            Self::Cmyk => each(row, samples, alpha, target, |&[cyan, magenta, yellow, black]| {
                [cyan, magenta, yellow].map(|ink| ((WHITE - ink) * (WHITE - black) + WHITE / 2) / WHITE)
            }),
        }
    }
}

fn each<const COLOURS: usize>(
    row: &[u32],
    samples: usize,
    alpha: Alpha,
    target: &mut [u8],
    to_rgb: impl Fn(&[u32; COLOURS]) -> [u32; 3],
) {
    let pixels = row.chunks_exact(samples).filter_map(|pixel| pixel.split_first_chunk());
    if alpha == Alpha::None {
        for ((pixel, _), target) in pixels.zip(target.as_chunks_mut().0) {
            *target = to_rgb(pixel).map(to_8_bits);
        }
        return;
    }
    for ((pixel, extra), target) in pixels.zip(target.as_chunks_mut().0) {
        let opacity = extra.first().copied().unwrap_or(WHITE);
        let [red, green, blue] = to_rgb(pixel).map(|level| match alpha {
            Alpha::Premultiplied if opacity > 0 => (level.min(opacity) * WHITE + opacity / 2) / opacity,
            _ => level,
        });
        *target = [red, green, blue, opacity].map(to_8_bits);
    }
}

/// Rounds to the nearest of 256 levels.
fn to_8_bits(level: u32) -> u8 {
    ((level * 255 + WHITE / 2) / WHITE) as u8
}

/// The colours of an image with a palette. Levels have 16 bits, unless none is above 255: libtiff's rule for files of
/// writers that knew no better.
fn palette(tags: &Directory<'_>) -> Result<Vec<[u8; 3]>, PixelsError> {
    let bits = tags.small(tag::BITS_PER_SAMPLE, 1)?;
    let map = tags.field(tag::COLOUR_MAP)?.ok_or_else(|| refused("its palette is missing"))?;
    let colours = 1_usize << bits.min(16);
    if bits > 8 || map.len() < 3 * colours {
        return Err(refused("its palette does not have a colour for each value"));
    }
    let level = |index| map.unsigned(index).unwrap_or(0);
    let shift = if (0..3 * colours).all(|index| level(index) < 256) { 0 } else { 8 };
    Ok((0..colours).map(|index| [0, 1, 2].map(|part| (level(part * colours + index) >> shift) as u8)).collect())
}
