//! Huffman tables for counting coefficients: what a code means, not the value that follows it.

use super::bits::Bits;
use super::{Checked, DAMAGED};

/// Bits that are looked up at once.
const LOOKUP: u32 = 12;
const ENTRIES: usize = 1 << LOOKUP;

/// A table as a file defines it.
pub(super) struct Codes {
    /// For each first [`LOOKUP`] bits `symbol << 8 | length`; 0 where the code is longer, or none.
    short: Box<[u16; ENTRIES]>,
    /// For each length above [`LOOKUP`]: the first code that is too large, and what makes a code an index.
    long: [(u32, i32); 16 - LOOKUP as usize],
    counts: [u8; 16],
    symbols: Vec<u8>,
}

impl Codes {
    /// From the numbers of codes of 1 to 16 bits, and their symbols.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Checked<Self> {
        let mut short = Box::new([0; ENTRIES]);
        let mut long = [(0, 0); 16 - LOOKUP as usize];
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1..).zip(counts) {
            let end = code + u32::from(count);
            if end >= 1 << length && count > 0 {
                return Err(DAMAGED); // A code of ones alone is none.
            }
            if length <= LOOKUP {
                for code in code..end {
                    let symbol = u16::from(*symbols.get(index).ok_or(DAMAGED)?);
                    let width = LOOKUP - length;
                    short[(code << width) as usize..((code + 1) << width) as usize].fill(symbol << 8 | length as u16);
                    index += 1;
                }
            } else {
                long[(length - LOOKUP - 1) as usize] = (end, index as i32 - code as i32);
                index += usize::from(count);
            }
            code = end << 1;
        }
        Ok(Self { short, long, counts: *counts, symbols: symbols.to_vec() })
    }

    /// The next symbol; for codes of any length.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits) -> Checked<u8> {
        let entry = self.short[bits.peek(LOOKUP)];
        if entry != 0 {
            bits.skip(u32::from(entry & 0xFF));
            return Ok((entry >> 8) as u8);
        }
        self.long_symbol(bits)
    }

    #[cold]
    fn long_symbol(&self, bits: &mut Bits) -> Checked<u8> {
        for (length, (end, offset)) in (LOOKUP + 1..).zip(self.long) {
            let code = bits.peek(length) as u32;
            if code < end {
                bits.skip(length);
                return self.symbols.get((code as i32 + offset) as usize).copied().ok_or(DAMAGED);
            }
        }
        Err(DAMAGED)
    }
}

/// How far a few bits lead through the AC coefficients of a block of a sequential image: `1 << 14` when the block ends,
/// added to `coefficients << 6`, added to `bits`; 0 where the code is too long for the table, or none.
type Stride = u32;

const BLOCK_ENDS: Stride = 1 << 14;

/// A table for AC coefficients of sequential images, which looks several codes up at once.
pub(super) struct Strides {
    codes: Codes,
    table: Box<[Stride; ENTRIES]>,
}

/// What a symbol stands for: how many coefficients it leads on, and how many bits follow it.
#[inline(always)]
fn meaning(symbol: u8) -> (u32, u32) {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    (if size > 0 || run == 15 { run + 1 } else { 0 }, size)
}

impl Strides {
    pub(super) fn new(codes: Codes) -> Self {
        let mut table = Box::new([0; ENTRIES]);
        // What `width` bits lead to is what their first code leads to and what the bits after that do.
        let mut by_width: Vec<Vec<Stride>> = vec![vec![0]];
        for width in 1..=LOOKUP {
            let mut entries = vec![0; 1 << width];
            let (mut code, mut symbols) = (0_usize, codes.symbols.iter());
            for (length, &count) in (1..=width).zip(&codes.counts) {
                for &symbol in symbols.by_ref().take(usize::from(count)) {
                    let (coefficients, size) = meaning(symbol);
                    let ends = if coefficients == 0 { BLOCK_ENDS } else { 0 };
                    let first = ends + (coefficients << 6) + length + size;
                    let range = &mut entries[code << (width - length)..(code + 1) << (width - length)];
                    if ends > 0 || length + size >= width {
                        range.fill(first);
                    } else {
                        let rest = &by_width[(width - length - size) as usize];
                        for part in range.chunks_exact_mut(rest.len()) {
                            for (entry, rest) in part.iter_mut().zip(rest) {
                                *entry = first + rest;
                            }
                        }
                    }
                    code += 1;
                }
                code <<= 1;
            }
            by_width.push(entries);
        }
        table.copy_from_slice(&by_width[LOOKUP as usize]);
        Self { codes, table }
    }

    /// Walks over the AC coefficients of a block; the buffer holds at least 29 bits.
    #[inline(always)]
    pub(super) fn skip_block(&self, bits: &mut Bits) -> Checked<()> {
        let mut k = 1;
        loop {
            if self.step(bits, &mut k)? {
                return Ok(());
            }
            bits.refill();
            if self.step(bits, &mut k)? {
                return Ok(());
            }
        }
    }

    /// Whether the block ends here.
    #[inline(always)]
    fn step(&self, bits: &mut Bits, k: &mut u32) -> Checked<bool> {
        let stride = self.table[bits.peek(LOOKUP)];
        let next = *k + (stride >> 6 & 0xFF);
        if next < 64 && stride != 0 {
            bits.skip(stride & 0x3F);
            *k = next;
            return Ok(stride & BLOCK_ENDS != 0);
        }
        self.single(bits, k)
    }

    /// The step of a code alone: a long one, or the last of a block.
    #[inline(never)]
    fn single(&self, bits: &mut Bits, k: &mut u32) -> Checked<bool> {
        bits.refill();
        let (coefficients, size) = meaning(self.codes.symbol(bits)?);
        bits.skip(size);
        bits.refill();
        *k += coefficients;
        match *k {
            65.. => Err(DAMAGED),
            reached => Ok(coefficients == 0 || reached == 64),
        }
    }
}
