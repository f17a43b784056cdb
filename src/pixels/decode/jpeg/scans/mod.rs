//! Whether a JPEG has all its pixels, by its data.
//!
//! The decoder fills what is missing or damaged with grey or with what it takes the next bits for and says nothing of
//! it, and a network would classify the result. So the compressed data are walked over once before: every code must be
//! one of its table, every block of every scan must be there and end where the data end, restart markers must come in
//! their order, and in the end every coefficient of every component must have been sent to its last bit. Nothing is
//! computed from the coefficients, which takes a tenth to a third of the time that decoding takes.

mod bits;
mod frame;
mod huffman;
mod scan;
mod tables;

use bits::Bits;
use frame::Frame;
use tables::Tables;

use super::segments::{Segment, next_segment, u16_at};
use crate::pixels::PixelsError;
use crate::pixels::decode::DecodeLimits;

/// Without it, what a file lacks, as a clause.
type Checked<T> = Result<T, &'static str>;

const TOO_SHORT: &str = "the file ends too early";
const DAMAGED: &str = "its compressed data are damaged";
const INCOMPLETE: &str = "a part of its compressed data is missing";
const HEADER: &str = "its header is damaged";

/// Encoders write 1 to 10 scans, those that search for the smallest file a few more; each costs the decoder a pass over
/// the image.
const MOST_SCANS: usize = 64;

/// How the components are sampled and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pixels::decode) enum Layout {
    /// 4:4:4, 4:2:2, 4:4:0 or 4:2:0, in one scan or progressive: what nearly all encoders write.
    Usual,
    /// Any other.
    Unusual,
}

/// What a frame header says first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::pixels::decode) struct Shape {
    pub(in crate::pixels::decode) width: u32,
    pub(in crate::pixels::decode) height: u32,
    pub(in crate::pixels::decode) components: usize,
    /// Some components have fewer samples than others.
    pub(in crate::pixels::decode) is_subsampled: bool,
}

/// Checks that the file has all the data of an image.
///
/// # Errors
/// [`PixelsError::TooManyPixels`] by the header alone, [`PixelsError::Undecodable`] with what the file lacks, and
/// [`PixelsError::Unsupported`].
pub(super) fn check(bytes: &[u8], limits: &DecodeLimits) -> Result<Layout, PixelsError> {
    let mut size = Ok(());
    let layout = walk(bytes, |Shape { width, height, .. }| {
        size = limits.check_pixels(width, height);
        size.is_ok()
    });
    size?;
    layout.map_err(|fault| match fault {
        Fault::Damaged(lacks) => PixelsError::Undecodable("JPEG", lacks.into()),
        Fault::NotRead(kind) => {
            PixelsError::Unsupported("JPEG", format!("{kind}; save it as PNG or as an ordinary JPEG"))
        }
    })
}

/// Why a JPEG is not decoded, as a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pixels::decode) enum Fault {
    Damaged(&'static str),
    /// It may be whole.
    NotRead(&'static str),
}

impl From<&'static str> for Fault {
    fn from(lacks: &'static str) -> Self {
        Self::Damaged(lacks)
    }
}

/// Walks over the markers and the scans between them.
pub(in crate::pixels::decode) fn walk(bytes: &[u8], is_allowed: impl FnOnce(Shape) -> bool) -> Result<Layout, Fault> {
    let mut is_allowed = Some(is_allowed);
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut scans = 0;
    let mut at = 2;
    loop {
        let Segment { marker, data: segment, place } = next_segment(bytes, at).ok_or(TOO_SHORT)?;
        at = place.1;
        match marker {
            0xD9 => break,
            0xC0..=0xC2 => {
                // The shape is checked once, before anything is allocated for it.
                let is_allowed = is_allowed.take().ok_or(HEADER)?;
                let (new, shape) = Frame::parse(segment, marker == 0xC2)?;
                if !is_allowed(shape) {
                    return Err(HEADER.into());
                }
                frame = Some(new);
            }
            0xC3 => return Err(Fault::NotRead("it is lossless")),
            0xC5..=0xC7 | 0xDE => return Err(Fault::NotRead("it is hierarchical")),
            0xC9..=0xCB | 0xCD..=0xCF => return Err(Fault::NotRead("its coding is arithmetic")),
            0xF7 | 0xF8 => return Err(Fault::NotRead("it is a JPEG-LS")),
            0xC4 => tables.define_codes(segment)?,
            0xDB => tables.define_quantisation(segment)?,
            0xDD => tables.restart_interval = u32::from(u16_at(segment, 0).ok_or(HEADER)?),
            0xDA => {
                scans += 1;
                if scans > MOST_SCANS {
                    return Err(Fault::NotRead("it has more than 64 scans"));
                }
                at = frame.as_mut().ok_or(HEADER)?.walk_scan(segment, &tables, Bits::new(bytes, at))?;
            }
            _ => {}
        }
    }
    match frame {
        Some(frame) if frame.is_complete() => Ok(frame.layout()),
        Some(_) => Err(INCOMPLETE.into()),
        None => Err(HEADER.into()),
    }
}

#[cfg(test)]
mod tests;
