//! TIFF: the image of a file as libtiff shows it, or a sentence that says what is not read.
//!
//! The file's tags say how its samples are stored (`directory`, `pages`, `page`); its strips or tiles are read row by row
//! (`rows`, `chunk`, `jpeg`, `webp`, `predictor`), samples become levels (`samples`) and levels become colours (`colour`,
//! `ycbcr`). The reference is libtiff, and Pillow where the two differ: extra samples of no stated meaning, and four
//! samples for red, green and blue.

mod chunk;
mod colour;
mod compression;
mod directory;
mod jpeg;
mod page;
mod pages;
mod predictor;
mod rows;
mod samples;
mod webp;
mod ycbcr;

use std::fmt::Display;

use image::metadata::Orientation;

use self::colour::Colour;
use self::directory::{Directory, File, tag};
use self::page::{Held, Page};
use super::Note;
use super::colour_profile::ColourSource;
use super::raster::{Raster, image_of};
use super::source::{Source, SourceReader};
use super::{DecodeLimits, PixelsError};

pub(super) use self::rows::Rows;

/// Reads a TIFF file.
///
/// Beside the image itself, 3 or 4 bytes a pixel, it holds some rows of it and, where the pixels are a JPEG or WebP, one
/// strip or tile with what its decoder needs.
pub(super) fn read(bytes: &[u8], limits: &DecodeLimits) -> Result<Raster, PixelsError> {
    let mut raster = open(Source::Bytes(bytes), limits, Held::Image)?;
    let image = raster.image.whole()?;
    Ok(raster.map(|_| image))
}

/// Opens a TIFF file whose rows are to be read as they are needed. The limit of its pixels is that of those that are held at
/// a time.
pub(super) fn open_rows<'a>(source: Source<'a>, limits: &DecodeLimits) -> Result<Raster<Rows<'a>>, PixelsError> {
    open(source, limits, Held::Rows)
}

fn open<'a>(source: Source<'a>, limits: &DecodeLimits, held: Held) -> Result<Raster<Rows<'a>>, PixelsError> {
    let (file, first) = File::open(source)?;
    let (tags, notes) = pages::choose(&file, first)?;
    let rows = Rows::new(Page::read(&tags, limits, held)?)?;
    let page = rows.page();
    let mut raster = Raster {
        is_grey: page.colour.is_grey(),
        is_deep: page.depth.bits > 8 || page.depth.float,
        colours: profile(&tags).map(ColourSource::Profile),
        orientation: orientation(&tags),
        notes,
        image: rows,
    };
    if matches!(raster.image.page().colour, Colour::Cmyk) {
        raster.pass_over_profile();
    }
    Ok(raster)
}

/// A TIFF that is damaged, and how, as a clause.
fn refused(reason: impl Into<String>) -> PixelsError {
    PixelsError::Undecodable("TIFF", reason.into())
}

/// A TIFF that may well be whole and is of a kind that is not read, and which, as a clause.
fn not_read(kind: impl Display) -> PixelsError {
    PixelsError::Unsupported("TIFF", format!("{kind}; save it as PNG"))
}

/// A TIFF that does not say which sample is white; `samples` is what they are, as a clause.
fn unknown_range(samples: &str) -> PixelsError {
    PixelsError::Unsupported(
        "TIFF",
        format!("{samples}, so that their range is not known; save it with 8 bits a channel"),
    )
}

/// An image whose metadata is broken is still an image.
fn orientation(tags: &Directory<'_>) -> Orientation {
    let stated = tags.unsigned(tag::ORIENTATION).ok().flatten().and_then(|value| u8::try_from(value).ok());
    stated.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

fn profile(tags: &Directory<'_>) -> Option<Vec<u8>> {
    Some(tags.field(tag::ICC_PROFILE).ok()??.bytes.into_owned())
}

#[cfg(test)]
mod tests;
