//! YCbCr: its coefficients and ranges as libtiff takes them, and chroma that is stored at a lower resolution.

use std::io::{self, Read};

use super::compression::Compression;
use super::directory::{Directory, tag};
use super::{PixelsError, not_read, refused};

/// How three samples of 8 bits become red, green and blue.
pub(super) struct YCbCr {
    /// How many columns and rows share their chroma, where they do in the rows that decompressing gives.
    pub shared: (usize, usize),
    /// What a level of chroma adds: Cr to red, Cr and Cb to green, Cb to blue.
    weights: [f32; 4],
    luma: [f32; 256],
    chroma: [[f32; 256]; 2],
}

impl YCbCr {
    pub(super) fn read(tags: &Directory<'_>, compression: Compression) -> Result<Self, PixelsError> {
        let numbers = |tag, count: usize| -> Result<Option<Vec<f32>>, PixelsError> {
            let Some(field) = tags.field(tag)? else { return Ok(None) };
            let numbers: Option<Vec<f32>> = (0..count).map(|index| field.real(index).map(|n| n as f32)).collect();
            Ok(numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite())))
        };
        if compression.is_jpeg() {
            return Ok(Self::new([0.299, 0.587, 0.114], [0.0, 255.0, 128.0, 255.0, 128.0, 255.0], (1, 1)));
        }
        let luma = numbers(tag::YCBCR_COEFFICIENTS, 3)?.and_then(|luma| <[f32; 3]>::try_from(luma).ok());
        let luma = luma.unwrap_or([0.299, 0.587, 0.114]);
        if luma[1] == 0.0 {
            return Err(refused("its coefficients of YCbCr cannot be used"));
        }
        let range = numbers(tag::REFERENCE_BLACK_WHITE, 6)?.and_then(|range| <[f32; 6]>::try_from(range).ok());
        let shared = match tags.field(tag::YCBCR_SUBSAMPLING)? {
            Some(field) => (field.unsigned(0), field.unsigned(1)),
            None => (Some(2), Some(2)),
        };
        let (Some(across @ (1 | 2 | 4)), Some(down @ (1 | 2 | 4))) = shared else {
            return Err(not_read("its chroma is subsampled in an unusual way"));
        };
        let range = range.unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
        Ok(Self::new(luma, range, (across as usize, down as usize)))
    }

    fn new([red, green, blue]: [f32; 3], range: [f32; 6], shared: (usize, usize)) -> Self {
        let weight = |luma: f32| (2.0 - 2.0 * luma).clamp(0.0, 2.0);
        let share = |luma: f32| (luma * (2.0 - 2.0 * luma) / green).clamp(0.0, 2.0);
        // libtiff's Code2V, whose black is cut to a whole number.
        let value = |code: f32, black: f32, white: f32, levels: f32| {
            let span = if white == black { 1.0 } else { white - black };
            (((code - black.trunc()) * levels / span).clamp(-4096.0, 4096.0)).trunc()
        };
        let chroma = |black: f32, white: f32| {
            std::array::from_fn(|code| value(code as f32 - 128.0, black - 128.0, white - 128.0, 127.0))
        };
        Self {
            shared,
            weights: [weight(red), share(red), share(blue), weight(blue)],
            luma: std::array::from_fn(|code| value(code as f32, range[0], range[1], 255.0)),
            chroma: [chroma(range[2], range[3]), chroma(range[4], range[5])],
        }
    }

    pub(super) fn to_rgb(&self, [y, cb, cr]: [u8; 3]) -> [u32; 3] {
        let y = self.luma[usize::from(y)];
        let (cb, cr) = (self.chroma[0][usize::from(cb)], self.chroma[1][usize::from(cr)]);
        let [red, green_cr, green_cb, blue] = self.weights;
        [y + red * cr, y - green_cr * cr - green_cb * cb, y + blue * cb]
            .map(|level| (level.clamp(0.0, 255.0) + 0.5) as u32)
    }
}

/// Reads rows of whole pixels out of rows of blocks, each the luma of its pixels, then one Cb and one Cr.
pub(super) struct Upsampled<R> {
    stored: R,
    shared: (usize, usize),
    width: usize,
    blocks: Vec<u8>,
    rows: Vec<u8>,
    /// How much of `rows` has been read.
    at: usize,
}

impl<R: Read> Upsampled<R> {
    pub(super) fn new(stored: R, shared: (usize, usize), width: usize) -> Self {
        let (across, down) = shared;
        let blocks = vec![0; width.div_ceil(across) * (across * down + 2)];
        let rows = vec![0; width * down * 3];
        Self { stored, shared, width, blocks, at: rows.len(), rows }
    }
}

impl<R: Read> Read for Upsampled<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.at == self.rows.len() {
            let count = self.stored.read(&mut self.blocks)?;
            if count == 0 {
                return Ok(0);
            }
            self.stored.read_exact(&mut self.blocks[count..])?;
            let (across, down) = self.shared;
            let size = across * down;
            let (pixels, _) = self.rows.as_chunks_mut::<3>();
            for (index, pixel) in pixels.iter_mut().enumerate() {
                let (x, y) = (index % self.width, index / self.width);
                let block = &self.blocks[x / across * (size + 2)..][..size + 2];
                *pixel = [block[y * across + x % across], block[size], block[size + 1]];
            }
            self.at = 0;
        }
        let count = (&self.rows[self.at..]).read(target)?;
        self.at += count;
        Ok(count)
    }
}
