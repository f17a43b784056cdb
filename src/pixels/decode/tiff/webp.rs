//! A chunk that is a WebP file.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

use super::page::Page;
use super::{PixelsError, refused};
use crate::pixels::decode::webp::{check, largest_frame};

/// The rows of a chunk; 8 bits a sample.
pub(super) fn decode(page: &Page<'_>, data: &[u8], rows: u32) -> Result<Vec<u8>, PixelsError> {
    let damaged = |_| refused("a WebP file in it is damaged");
    let most = u64::from(page.chunk_width) * u64::from(page.chunk_height);
    let (width, height) = largest_frame(data);
    if check(data).is_err() || u64::from(width) * u64::from(height) > most {
        return Err(refused("a WebP file in it is damaged"));
    }
    let decoder = WebPDecoder::new(Cursor::new(data)).map_err(damaged)?;
    let channels = usize::from(decoder.color_type().channel_count());
    let (width, height) = decoder.dimensions();
    let fits = width == page.chunk_width && (rows..=page.chunk_height).contains(&height);
    if !fits || channels != page.samples_in_plane() {
        return Err(refused("a WebP file in it has another size or number of colours than its tags say"));
    }
    let mut pixels = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut pixels).map_err(damaged)?;
    Ok(pixels)
}
