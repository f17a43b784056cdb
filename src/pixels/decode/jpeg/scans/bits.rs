//! The bits of entropy-coded data, up to the next marker.

use super::{Checked, DAMAGED, TOO_SHORT};
use crate::pixels::decode::jpeg::segments::after_fill;

/// Reads bits, the highest first, and undoes the stuffing of `0xFF 0x00`.
///
/// At a marker it goes on with zeros, so that the inner loops need no check of their own; [`Bits::check`] tells.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// Of the next byte that is not in the buffer yet; at a marker, of its `0xFF`.
    at: usize,
    /// The next bits, from the top down.
    buffer: u64,
    /// How many bits of the buffer are filled.
    count: u32,
    /// How many zeros were put into the buffer since the marker was met.
    padded: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, buffer: 0, count: 0, padded: 0 }
    }

    /// The next bits, of which [`Bits::refill`] has seen to at least 56.
    #[inline(always)]
    pub(super) fn peek(&self, bits: u32) -> usize {
        (self.buffer >> (64 - bits)) as usize
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count -= bits;
    }

    /// The value of the next `bits` bits, at most 16 and after a [`Bits::refill`].
    #[inline(always)]
    pub(super) fn take(&mut self, bits: u32) -> u32 {
        let value = ((self.buffer >> 1) >> (63 - bits)) as u32;
        self.skip(bits);
        value
    }

    /// Skips any number of bits.
    #[inline(always)]
    pub(super) fn skip_many(&mut self, mut bits: u32) {
        while bits > 32 {
            self.refill();
            self.skip(32);
            bits -= 32;
        }
        self.refill();
        self.skip(bits);
    }

    /// Sees to it that at least 56 bits are in the buffer.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if let Some(&bytes) = self.data.get(self.at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_be_bytes(bytes);
            let has_0xff = word & !word.wrapping_add(0x0101_0101_0101_0101) & 0x8080_8080_8080_8080;
            if has_0xff == 0 {
                self.buffer |= word >> self.count;
                let bytes = (63 - self.count) / 8;
                self.at += bytes as usize;
                self.count += bytes * 8;
                return;
            }
        }
        self.refill_bytewise();
    }

    #[cold]
    #[inline(never)]
    fn refill_bytewise(&mut self) {
        while self.count < 56 {
            let byte = match self.data.get(self.at) {
                // Once a marker was met it is not looked for again: the fill bytes before it may be many.
                Some(0xFF) if self.padded > 0 => None,
                Some(0xFF) => match after_fill(self.data, self.at) {
                    Some((0, next)) => {
                        self.at = next;
                        Some(0xFF)
                    }
                    _ => None,
                },
                Some(&byte) => {
                    self.at += 1;
                    Some(byte)
                }
                None => None,
            };
            match byte {
                Some(byte) => self.buffer |= u64::from(byte) << (56 - self.count),
                None => {
                    // A part of the marker's 0xFF may stand there already.
                    self.buffer &= !(u64::MAX >> self.count);
                    self.padded += 8;
                }
            }
            self.count += 8;
        }
    }

    /// Whether all bits that were read were there.
    #[inline(always)]
    pub(super) fn check(&self) -> Checked<()> {
        if self.padded > self.count {
            return Err(if self.at >= self.data.len() { TOO_SHORT } else { DAMAGED });
        }
        Ok(())
    }

    /// Ends a segment of entropy-coded data; gives the place of the marker after it.
    ///
    /// Some encoders pad to a multiple of bytes with zeros or ones. Anything else that is left over are blocks too many,
    /// and somewhere before them data are damaged.
    pub(super) fn finish(&mut self) -> Checked<usize> {
        self.refill();
        self.check()?;
        self.skip((self.count - self.padded) % 8);
        while self.count > self.padded {
            if !matches!(self.take(8), 0 | 0xFF) {
                return Err(DAMAGED);
            }
            self.refill();
        }
        Ok(self.at)
    }

    /// Goes on after a restart marker, which must be the one that is due.
    pub(super) fn restart(&mut self, due: u8) -> Checked<()> {
        let at = self.finish()?;
        match after_fill(self.data, at) {
            Some((marker, next)) if marker == due => *self = Self::new(self.data, next),
            None => return Err(TOO_SHORT),
            _ => return Err(DAMAGED),
        }
        Ok(())
    }
}
