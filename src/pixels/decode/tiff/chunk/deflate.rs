//! Deflate in zlib's format, by the decoder that PNG has too.

use std::io::{self, BufRead, Read};

use fdeflate::Decompressor;

/// Bytes that the data may refer back to.
const WINDOW: usize = 32 << 10;

/// Bytes that there is room for at first: a chunk may be a pixel, and there may be many of them.
const FIRST: usize = 1 << 10;

/// What the data of a chunk expand to. Data that stop before the stream's end are an error, which no other end is.
pub(super) struct Deflate<R> {
    data: R,
    decompressor: Box<Decompressor>,
    /// What the data may refer back to, and what comes behind it.
    buffer: Vec<u8>,
    /// Where in it the bytes that were not read yet begin and end.
    start: usize,
    end: usize,
}

impl<R: BufRead> Deflate<R> {
    pub(super) fn new(data: R) -> Self {
        Self { data, decompressor: Box::new(Decompressor::new()), buffer: vec![0; FIRST], start: 0, end: 0 }
    }

    /// Expands what can be had of the data at once, as far as there is room for it.
    fn expand(&mut self) -> io::Result<()> {
        if self.end == 2 * WINDOW {
            self.buffer.copy_within(WINDOW.., 0);
            (self.start, self.end) = (WINDOW, WINDOW);
        } else if self.end == self.buffer.len() {
            self.buffer.resize((8 * self.end).min(2 * WINDOW), 0);
        }
        let data = self.data.fill_buf()?;
        let (taken, given) =
            self.decompressor.read(data, &mut self.buffer, self.end, false).map_err(|_| io::ErrorKind::InvalidData)?;
        // Bits that were taken before may hold the last bytes.
        if data.is_empty() && given == 0 && !self.decompressor.is_done() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.data.consume(taken);
        self.end += given;
        Ok(())
    }
}

impl<R: BufRead> Read for Deflate<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.start == self.end && !self.decompressor.is_done() && !target.is_empty() {
            self.expand()?;
        }
        let count = target.len().min(self.end - self.start);
        target[..count].copy_from_slice(&self.buffer[self.start..][..count]);
        self.start += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The bytes, and whether they end as they should; none where the data are wrong.
    fn outcome(mut reader: impl Read) -> Option<(Vec<u8>, bool)> {
        let mut bytes = Vec::new();
        match reader.read_to_end(&mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => None,
            result => Some((bytes, result.is_ok())),
        }
    }

    proptest! {
        #[test]
        fn data_expand_to_what_was_compressed_and_no_damage_passes(
            pattern in prop::collection::vec(any::<u8>(), 1..2000),
            length in 1_usize..200_000,
            level in 0_u8..10,
            piece in 1_usize..5000,
            (cut, bit) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        ) {
            let bytes: Vec<u8> = pattern.iter().copied().cycle().take(length).collect();
            let data = miniz_oxide::deflate::compress_to_vec_zlib(&bytes, level);
            let in_pieces = |data: &[u8]| outcome(Deflate::new(io::BufReader::with_capacity(piece, data)));
            prop_assert!(in_pieces(&data) == Some((bytes.clone(), true)));
            prop_assert!(in_pieces(&[&data[..], b"behind it"].concat()) == Some((bytes.clone(), true)));
            // What was cut off is not whole, and what there is of it is right.
            let cut = in_pieces(&data[..cut.index(data.len())]);
            prop_assert!(cut.is_some_and(|(part, is_whole)| !is_whole && bytes.starts_with(&part)));
            let mut damaged = data;
            let bit = bit.index(8 * damaged.len());
            damaged[bit / 8] ^= 1 << (bit % 8);
            let expected = outcome(flate2::bufread::ZlibDecoder::new(&*damaged)).filter(|(_, is_whole)| *is_whole);
            prop_assert!(in_pieces(&damaged).filter(|(_, is_whole)| *is_whole) == expected);
        }
    }
}
