//! TIFF: the image of a file as libtiff shows it, or a sentence that says what is not read.
//!
//! The file's tags say how its samples are stored (`directory`, `pages`, `page`); its strips or tiles are read row by row
//! (`chunk`, `jpeg`, `webp`, `predictor`), samples become levels (`samples`) and levels become colours (`colour`,
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
mod samples;
mod webp;
mod ycbcr;

use std::fmt::Display;

use image::metadata::Orientation;

use self::colour::{Alpha, Colour};
use self::directory::{Directory, File, tag};
use self::page::Page;
use self::predictor::Predictor;
use self::samples::{Range, Verdict};
use super::Note;
use super::colour_profile::ColourSource;
use super::raster::{Raster, image_of};
use super::{DecodeLimits, PixelsError};

/// Reads a TIFF file.
///
/// Beside the image itself, 3 or 4 bytes a pixel, it holds some rows of it and, where the pixels are a JPEG or WebP, one
/// strip or tile with what its decoder needs.
pub(super) fn read(bytes: &[u8], limits: &DecodeLimits) -> Result<Raster, PixelsError> {
    let (file, first) = File::open(bytes)?;
    let (tags, notes) = pages::choose(&file, first)?;
    let mut page = Page::read(&tags, limits)?;
    let (mut pixels, mut verdict) = draw(&page)?;
    if matches!(verdict, Verdict::BeyondStated) {
        page.depth.stated_white = None;
        (pixels, verdict) = draw(&page)?;
    }
    if matches!(verdict, Verdict::Unknown) {
        let bits = page.depth.bits;
        return Err(unknown_range(&format!("its samples have {bits} bits, of which the highest are not used")));
    }
    let image = image_of(pixels, page.width, page.height, page.alpha != Alpha::None);
    let mut raster = Raster {
        image: image.ok_or_else(|| refused("its size contradicts itself"))?,
        is_grey: page.colour.is_grey(),
        is_deep: page.depth.bits > 8 || page.depth.float,
        colours: profile(&tags).map(ColourSource::Profile),
        orientation: orientation(&tags),
        notes,
    };
    if matches!(page.colour, Colour::Cmyk) {
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
    Some(tags.field(tag::ICC_PROFILE).ok()??.bytes.to_vec())
}

/// All pixels, as RGB or RGBA of 8 bits.
fn draw(page: &Page<'_>) -> Result<(Vec<u8>, Verdict), PixelsError> {
    let predictor = Predictor::of(page)?;
    let mut range = Range::of(&page.depth);
    let channels = if page.alpha == Alpha::None { 3 } else { 4 };
    let (width, chunk_width) = (page.width as usize, page.chunk_width as usize);
    let chunks_in_plane = page.across() as usize * page.down() as usize;

    let mut pixels = vec![0; width * page.height as usize * channels];
    let mut stored = vec![0; page.depth.bytes(chunk_width * page.samples_in_plane())];
    let mut row = vec![0; chunk_width * page.samples];
    let mut spare = Vec::new();
    for down in 0..page.down() {
        let rows = page.rows_stored(down);
        for across in 0..page.across() {
            let index = down as usize * page.across() as usize + across as usize;
            let planes = 0..page.planes();
            let mut chunks = planes
                .map(|plane| {
                    chunk::open(page, plane * chunks_in_plane + index, rows.min(page.height - down * page.chunk_height))
                })
                .collect::<Result<Vec<_>, _>>()?;
            let left = across as usize * chunk_width;
            let visible = chunk_width.min(width - left);
            for y in 0..rows {
                for (plane, chunk) in chunks.iter_mut().enumerate() {
                    chunk::read_row(chunk, &mut stored)?;
                    predictor.undo(page, &mut stored, &mut spare);
                    page.depth.unpack(&stored, page.big_endian, &mut row[plane..], page.planes());
                }
                let top = (down * page.chunk_height + y) as usize;
                // Tiles go on beyond the image's edges.
                if top < page.height as usize {
                    let row = &mut row[..visible * page.samples];
                    to_levels(page, &mut range, row)?;
                    let target = &mut pixels[(top * width + left) * channels..][..visible * channels];
                    page.colour.paint(row, page.samples, page.alpha, target);
                }
            }
            chunks.into_iter().try_for_each(|chunk| chunk::finish(chunk, page))?;
        }
    }
    Ok((pixels, range.verdict()))
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

#[cfg(test)]
mod tests;
