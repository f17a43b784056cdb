//! Walks over the blocks of one scan.

use super::bits::Bits;
use super::huffman::{Codes, Strides};
use super::{Checked, DAMAGED};

/// A component within a scan.
pub(super) struct ScanComponent<'a> {
    pub(super) means: Option<&'a Codes>,
    pub(super) others: Option<&'a Strides>,
    /// Blocks of it in each MCU.
    pub(super) blocks: u32,
    /// What the quantised mean of a block is at most, and its negative at least.
    pub(super) largest_mean: i32,
}

/// The MCUs of a scan and how many lie between two restart markers, 0 for no restarts.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) mcus: u32,
    pub(super) interval: u32,
}

impl Extent {
    /// Calls `segment` for the MCUs between two restart markers; gives the place of the marker after the scan.
    fn for_each(self, bits: &mut Bits, mut segment: impl FnMut(&mut Bits, u32, u32) -> Checked<()>) -> Checked<usize> {
        let interval = if self.interval == 0 { self.mcus } else { self.interval };
        let mut first = 0;
        while first < self.mcus {
            if first > 0 {
                bits.restart(0xD0 + ((first / interval - 1) % 8) as u8)?;
            }
            let end = first.saturating_add(interval).min(self.mcus);
            segment(bits, first, end)?;
            bits.check()?;
            first = end;
        }
        bits.finish()
    }
}

/// By how much a mean differs from the one before it.
#[inline(always)]
fn difference(bits: &mut Bits, codes: &Codes) -> Checked<i32> {
    let size = u32::from(codes.symbol(bits)?);
    if size > 11 {
        return Err(DAMAGED);
    }
    let value = bits.take(size) as i32;
    Ok(if size > 0 && value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
}

/// A scan of a sequential image.
pub(super) fn sequential(bits: &mut Bits, components: &[ScanComponent], extent: Extent) -> Checked<usize> {
    extent.for_each(bits, |bits, first, end| {
        let mut means = [0_i32; 4];
        for _ in first..end {
            for (component, mean) in components.iter().zip(&mut means) {
                let (Some(codes), Some(others)) = (component.means, component.others) else { return Err(DAMAGED) };
                for _ in 0..component.blocks {
                    bits.refill();
                    *mean += difference(bits, codes)?;
                    if mean.abs() > component.largest_mean {
                        return Err(DAMAGED);
                    }
                    others.skip_block(bits)?;
                }
            }
            bits.check()?;
        }
        Ok(())
    })
}

/// The first scan of the means of a progressive image.
pub(super) fn first_means(bits: &mut Bits, components: &[ScanComponent], extent: Extent, low: u8) -> Checked<usize> {
    extent.for_each(bits, |bits, first, end| {
        let mut means = [0_i32; 4];
        for _ in first..end {
            for (component, mean) in components.iter().zip(&mut means) {
                let Some(codes) = component.means else { return Err(DAMAGED) };
                for _ in 0..component.blocks {
                    bits.refill();
                    *mean += difference(bits, codes)?;
                    if mean.abs() > (component.largest_mean >> low) + 1 {
                        return Err(DAMAGED);
                    }
                }
            }
            bits.check()?;
        }
        Ok(())
    })
}

/// A scan that gives the means of a progressive image one more bit.
pub(super) fn refined_means(bits: &mut Bits, components: &[ScanComponent], extent: Extent) -> Checked<usize> {
    let blocks = components.iter().map(|component| component.blocks).sum();
    extent.for_each(bits, |bits, first, end| {
        for _ in first..end {
            bits.skip_many(blocks);
            bits.check()?;
        }
        Ok(())
    })
}

/// The coefficients from `first` to `last` of a block.
#[derive(Clone, Copy)]
pub(super) struct Band {
    pub(super) first: u32,
    pub(super) last: u32,
}

impl Band {
    /// A bit for each coefficient.
    fn mask(self) -> u64 {
        (u64::MAX >> (63 - self.last)) & (u64::MAX << self.first)
    }
}

/// The blocks of a component, a bit for each coefficient that is known not to be zero.
pub(super) struct Blocks<'a> {
    pub(super) nonzero: &'a mut [u64],
    /// Blocks in a row of `nonzero`, which may be more than the scan has.
    pub(super) stride: usize,
    /// Blocks in a row of the scan.
    pub(super) width: usize,
}

impl Blocks<'_> {
    #[inline(always)]
    fn get(&mut self, block: u32) -> Checked<&mut u64> {
        let block = block as usize;
        let at = if self.stride == self.width { block } else { block / self.width * self.stride + block % self.width };
        self.nonzero.get_mut(at).ok_or(DAMAGED)
    }
}

/// How many blocks, this one included, have no more coefficients in this scan.
fn run_of_ends(bits: &mut Bits, symbol: u8) -> u32 {
    let size = u32::from(symbol >> 4);
    (1 << size) + bits.take(size)
}

/// The first scan of a band of AC coefficients of a progressive image.
pub(super) fn first_band(
    bits: &mut Bits,
    codes: &Codes,
    extent: Extent,
    band: Band,
    mut blocks: Blocks,
) -> Checked<usize> {
    extent.for_each(bits, |bits, first, end| {
        let mut block = first;
        while block < end {
            let nonzero = blocks.get(block)?;
            let mut k = band.first;
            let mut ended = 1;
            while k <= band.last {
                bits.refill();
                let symbol = codes.symbol(bits)?;
                let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 0xF));
                if size > 0 {
                    k += run;
                    if k > band.last {
                        return Err(DAMAGED);
                    }
                    bits.skip(size);
                    *nonzero |= 1 << k;
                    k += 1;
                } else if run == 15 {
                    k += 16;
                } else {
                    ended = run_of_ends(bits, symbol);
                    break;
                }
            }
            if ended > end - block {
                return Err(DAMAGED);
            }
            block += ended;
            bits.check()?;
        }
        Ok(())
    })
}

/// A scan that gives a band of AC coefficients of a progressive image one more bit.
pub(super) fn refined_band(
    bits: &mut Bits,
    codes: &Codes,
    extent: Extent,
    band: Band,
    mut blocks: Blocks,
) -> Checked<usize> {
    let mask = band.mask();
    extent.for_each(bits, |bits, first, end| {
        let mut ended = 0;
        for block in first..end {
            let nonzero = blocks.get(block)?;
            let mut rest = mask;
            while ended == 0 && rest != 0 {
                bits.refill();
                let symbol = codes.symbol(bits)?;
                let (run, size) = (u32::from(symbol >> 4), symbol & 0xF);
                if size > 1 {
                    return Err(DAMAGED);
                }
                if size == 0 && run < 15 {
                    ended = run_of_ends(bits, symbol);
                    break;
                }
                bits.skip(u32::from(size));
                // The place of the zero after `run` others; what is not zero on the way has a bit of its own.
                let mut zeros = rest & !*nonzero;
                for _ in 0..run {
                    zeros &= zeros.wrapping_sub(1);
                }
                if zeros == 0 {
                    return Err(DAMAGED);
                }
                let place = zeros & zeros.wrapping_neg();
                bits.skip_many((rest & *nonzero & (place - 1)).count_ones());
                rest &= !(place | (place - 1));
                if size == 1 {
                    *nonzero |= place;
                }
            }
            if ended > 0 {
                bits.skip_many((rest & *nonzero).count_ones());
                ended -= 1;
            }
            bits.check()?;
        }
        if ended > 0 { Err(DAMAGED) } else { Ok(()) }
    })
}
