//! An image whose rows are read as they are needed, so that no more of it is held than some of them: the same pixels as
//! those of the whole, or else it is said why it must be decoded as a whole.
//!
//! What only all pixels together say (what range they have, whether their alpha means anything, whether the file has them
//! all) is found out by reading them once before: [`ByRows::survey`].

mod png;

use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, RgbImage};

use super::colour_profile::Conversion;
use super::raster::{Census, Raster, opaque};
use super::source::Source;
use super::{DecodeLimits, Note, format, panics, tiff};
use crate::pixels::PixelsError;

/// Bytes from a file's beginning on that tell its format.
const START: u64 = 4096;

/// What an image is read as.
pub(in crate::pixels) enum Opened<'a> {
    ByRows(Box<ByRows<'a>>),
    /// It has to be decoded as a whole.
    Whole {
        /// Its format.
        name: &'static str,
        /// Why, as a clause.
        reason: &'static str,
    },
}

/// An image and how far it has been read.
pub(in crate::pixels) struct ByRows<'a> {
    raster: Raster<Rows<'a>>,
    name: &'static str,
    conversion: Option<Conversion>,
    census: Census,
}

/// The rows of a file, as 8-bit RGB or RGBA in the file's own colours.
enum Rows<'a> {
    Tiff(Box<tiff::Rows<'a>>),
    Png(png::Rows<'a>),
}

impl Rows<'_> {
    fn next(&mut self) -> Result<Option<DynamicImage>, PixelsError> {
        match self {
            Self::Tiff(rows) => rows.next(),
            Self::Png(rows) => rows.next(),
        }
    }

    fn restart(&mut self) -> Result<(), PixelsError> {
        match self {
            Self::Tiff(rows) => rows.restart(),
            Self::Png(rows) => rows.restart()?,
        }
        Ok(())
    }
}

/// Opens an image. The limit of its pixels is that of those that are held at a time.
///
/// # Errors
/// As those of [`super::decode`], as far as the file's header and its other metadata tell.
pub(in crate::pixels) fn open<'a>(source: Source<'a>, limits: &DecodeLimits) -> Result<Opened<'a>, PixelsError> {
    let start = source.slice(0, source.len().min(START)).unwrap_or_default();
    let (format, name) = format::detect(&start)?;
    let opened = contained(name, || match format {
        ImageFormat::Tiff => {
            let raster = tiff::open_rows(source, limits)?;
            Ok(Ok(raster.map(|rows| Rows::Tiff(rows.into()))))
        }
        ImageFormat::Png => Ok(png::open(source, limits)?.map(|raster| raster.map(Rows::Png))),
        _ => Ok(Err("its format is not read by rows")),
    })?;
    Ok(match opened {
        Ok(raster) if raster.orientation != Orientation::NoTransforms => {
            Opened::Whole { name, reason: "it has to be turned upright" }
        }
        Ok(raster) => Opened::ByRows(Box::new(ByRows { raster, name, conversion: None, census: Census::default() })),
        Err(reason) => Opened::Whole { name, reason },
    })
}

/// A panic of a decoder that is not ours is an error of its image.
fn contained<T>(name: &'static str, work: impl FnOnce() -> Result<T, PixelsError>) -> Result<T, PixelsError> {
    panics::caught(work).unwrap_or_else(|_| Err(super::contradiction(name)))
}

impl ByRows<'_> {
    /// The name of its format.
    pub(in crate::pixels) fn name(&self) -> &'static str {
        self.name
    }

    /// Width and height in pixels.
    pub(in crate::pixels) fn size(&self) -> (u32, u32) {
        match &self.raster.image {
            Rows::Tiff(rows) => rows.size(),
            Rows::Png(rows) => rows.size(),
        }
    }

    /// The most rows that come at a time.
    pub(in crate::pixels) fn at_once(&self) -> u32 {
        match &self.raster.image {
            Rows::Tiff(rows) => rows.at_once(),
            Rows::Png(rows) => rows.at_once(),
        }
    }

    /// Reads all rows once, and begins again with the first.
    ///
    /// # Errors
    /// As those of [`super::decode`]; an image that has none has all its pixels.
    pub(in crate::pixels) fn survey(&mut self) -> Result<(), PixelsError> {
        contained(self.name, || {
            let Self { raster, conversion, census, .. } = self;
            loop {
                *census = Census::default();
                while let Some(mut image) = raster.image.next()? {
                    if let Some(colours) = raster.colours.take() {
                        let note;
                        (*conversion, note) = Conversion::of(&colours, raster.is_grey, image.color().has_alpha());
                        raster.notes.extend(note);
                    }
                    convert(conversion.as_ref(), &mut image, self.name)?;
                    census.count(&image, raster.is_deep);
                }
                if let Rows::Tiff(rows) = &mut raster.image
                    && !rows.has_its_range()?
                {
                    continue;
                }
                raster.notes.extend(census.notes());
                return raster.image.restart();
            }
        })
    }

    /// What is to be said of the image that was surveyed.
    pub(in crate::pixels) fn notes(&self) -> &[Note] {
        &self.raster.notes
    }

    /// The next rows of the image that was surveyed; none after the last.
    ///
    /// # Errors
    /// When the file has changed since.
    pub(in crate::pixels) fn next(&mut self) -> Result<Option<RgbImage>, PixelsError> {
        contained(self.name, || {
            let Some(mut image) = self.raster.image.next()? else { return Ok(None) };
            convert(self.conversion.as_ref(), &mut image, self.name)?;
            Ok(Some(opaque(image, &self.census)))
        })
    }
}

fn convert(conversion: Option<&Conversion>, image: &mut DynamicImage, name: &'static str) -> Result<(), PixelsError> {
    match conversion.map(|conversion| conversion.apply(image)) {
        Some(None) => Err(PixelsError::Undecodable(name, "its colour profile fits some of its rows only".into())),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests;
