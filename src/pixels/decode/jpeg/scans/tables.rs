//! What the segments between the scans of a JPEG define.

use super::huffman::Codes;
use super::{Checked, HEADER, MOST_SCANS};
use crate::pixels::decode::jpeg::segments::u16_at;

/// What is defined where a scan begins.
#[derive(Default)]
pub(super) struct Tables<'a> {
    /// For the means, then for the other coefficients: the numbers of codes, then the symbols.
    huffman: [[Option<&'a [u8]>; 4]; 2],
    /// The quantisation of the mean.
    mean_steps: [Option<u16>; 4],
    /// MCUs between two restart markers; 0 for no restarts.
    pub(super) restart_interval: u32,
    definitions: usize,
}

/// Which of the two kinds of Huffman tables.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Means = 0,
    Others = 1,
}

impl<'a> Tables<'a> {
    pub(super) fn define_codes(&mut self, mut segment: &'a [u8]) -> Checked<()> {
        while let Some((&place, rest)) = segment.split_first() {
            self.count_definition()?;
            let counts = rest.get(..16).ok_or(HEADER)?;
            let symbols = counts.iter().map(|&count| usize::from(count)).sum::<usize>();
            let table = rest.get(..16 + symbols).filter(|_| symbols <= 256).ok_or(HEADER)?;
            let slots = self.huffman.get_mut(usize::from(place >> 4)).ok_or(HEADER)?;
            *slots.get_mut(usize::from(place & 15)).ok_or(HEADER)? = Some(table);
            segment = &rest[table.len()..];
        }
        Ok(())
    }

    pub(super) fn define_quantisation(&mut self, mut segment: &[u8]) -> Checked<()> {
        while let Some((&place, rest)) = segment.split_first() {
            self.count_definition()?;
            let (mean, length) = match place >> 4 {
                0 => (rest.first().map(|&byte| u16::from(byte)), 64),
                1 => (u16_at(rest, 0), 128),
                _ => return Err(HEADER),
            };
            *self.mean_steps.get_mut(usize::from(place & 15)).ok_or(HEADER)? = mean;
            segment = rest.get(length..).ok_or(HEADER)?;
        }
        Ok(())
    }

    /// No file needs more than a scan has use for, and the decoder prepares each.
    fn count_definition(&mut self) -> Checked<()> {
        self.definitions += 1;
        if self.definitions > 8 * MOST_SCANS { Err("it has more tables than are read") } else { Ok(()) }
    }

    /// The step between two values of the mean of a block.
    pub(super) fn mean_step(&self, place: usize) -> Checked<u16> {
        self.mean_steps.get(place).copied().flatten().ok_or(HEADER)
    }

    pub(super) fn codes(&self, kind: Kind, place: u8) -> Checked<Codes> {
        let table = self.huffman[kind as usize].get(usize::from(place)).copied().flatten().ok_or(HEADER)?;
        let (counts, symbols) = table.split_first_chunk().ok_or(HEADER)?;
        Codes::new(counts, symbols)
    }
}
