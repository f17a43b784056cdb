//! From the bits of a row to levels of 16 bits, by a range that the file states or that its depth implies.

use half::f16;

use super::directory::{Directory, tag};
use super::{PixelsError, not_read, unknown_range};

/// White, of the levels that everything is brought to.
pub(super) const WHITE: u32 = 65535;

/// How one sample is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    pub bits: u32,
    pub float: bool,
    /// The value of white, where the tags state one.
    pub stated_white: Option<u32>,
}

impl Depth {
    pub(super) fn read(tags: &Directory<'_>, samples: u32) -> Result<Self, PixelsError> {
        let bits = same_for_all(tags, tag::BITS_PER_SAMPLE, samples)?
            .ok_or_else(|| not_read("its samples have different numbers of bits"))?;
        let format = same_for_all(tags, tag::SAMPLE_FORMAT, samples)?
            .ok_or_else(|| not_read("its samples are numbers of different kinds"))?;
        let float = match format {
            1 | 4 => false,
            3 => true,
            2 => return Err(unknown_range("its samples are signed numbers")),
            _ => return Err(not_read("its samples are complex numbers, or of no known kind")),
        };
        let is_read = if float { matches!(bits, 16 | 32 | 64) } else { matches!(bits, 1..=16 | 32) };
        if !is_read {
            return Err(not_read(format!("its samples have {bits} bits")));
        }
        // Samples of 8 bits are taken as they are by everyone.
        let stated_white = if float || bits > 8 { stated_white(tags)? } else { None };
        Ok(Self { bits: bits as u32, float, stated_white })
    }

    /// Whether samples are levels of 8 bits.
    pub(super) fn is_of_8_bits(&self) -> bool {
        self.bits == 8 && !self.float
    }

    /// The bytes of this many samples.
    pub(super) fn bytes(&self, samples: usize) -> usize {
        (samples * self.bits as usize).div_ceil(8)
    }

    /// Writes the samples of a row of one plane into every `step`th place; floats as their bits.
    pub(super) fn unpack(&self, row: &[u8], big_endian: bool, places: &mut [u32], step: usize) {
        let places = places.iter_mut().step_by(step);
        macro_rules! words {
            ($number:ty, $to_u32:expr) => {{
                const SIZE: usize = size_of::<$number>();
                for (place, bytes) in places.zip(row.as_chunks::<SIZE>().0) {
                    let from_bytes = if big_endian { <$number>::from_be_bytes } else { <$number>::from_le_bytes };
                    *place = $to_u32(from_bytes(*bytes));
                }
            }};
        }
        match (self.bits, self.float) {
            (8, _) => places.zip(row).for_each(|(place, &byte)| *place = u32::from(byte)),
            (16, false) => words!(u16, u32::from),
            (16, true) => words!(f16, |value: f16| value.to_f32().to_bits()),
            (64, _) => words!(f64, |value: f64| (value as f32).to_bits()),
            (32, _) => words!(u32, |value| value),
            // Packed without gaps, the highest bit first, in either order of bytes.
            (bits, _) => {
                let (mut held, mut count) = (0_u32, 0);
                let mut bytes = row.iter();
                for place in places {
                    while count < bits {
                        held = held << 8 | bytes.next().map_or(0, |&byte| u32::from(byte));
                        count += 8;
                    }
                    count -= bits;
                    *place = held >> count & ((1 << bits) - 1);
                }
            }
        }
    }
}

/// The value of a tag, which has one for each sample or one for all; `None` where they differ. Absent ones are 1.
fn same_for_all(tags: &Directory<'_>, tag: u16, samples: u32) -> Result<Option<u64>, PixelsError> {
    let Some(field) = tags.field(tag)? else { return Ok(Some(1)) };
    let first = field.unsigned(0);
    let stated = field.len().min(samples as usize);
    Ok(first.filter(|_| (1..stated).all(|index| field.unsigned(index) == first)))
}

/// MaxSampleValue where it can be meant as white: above a black of 0, and all bits of a depth from 8 on. By the letter it
/// is a statistic, and then it is nearly never such a number.
fn stated_white(tags: &Directory<'_>) -> Result<Option<u32>, PixelsError> {
    let value = |[tag, of_any_kind]: [u16; 2]| -> Result<Option<f64>, PixelsError> {
        let field = tags.field(tag)?.or(tags.field(of_any_kind)?);
        Ok(field.and_then(|field| field.real(0)))
    };
    if value([tag::MIN_SAMPLE_VALUE, tag::S_MIN_SAMPLE_VALUE])?.unwrap_or(0.0) != 0.0 {
        return Ok(None);
    }
    let white = value([tag::MAX_SAMPLE_VALUE, tag::S_MAX_SAMPLE_VALUE])?.unwrap_or(0.0);
    Ok((8..=32).map(|bits| u32::MAX >> (32 - bits)).find(|&all_bits| f64::from(all_bits) == white))
}

/// Brings samples to levels, and judges by all of them whether their range is what it was taken for.
pub(super) struct Range {
    float: bool,
    white: u32,
    is_stated: bool,
    /// The greatest sample of a colour so far, or of the alpha that multiplied it.
    greatest: u32,
}

/// What all samples of an image say about the range that was assumed.
pub(super) enum Verdict {
    Fits,
    /// There are samples above the white that the tags state, which is no white then.
    BeyondStated,
    /// So dark, and not black, that the bits of a camera or scanner were stored in more without being scaled.
    Unknown,
}

impl Range {
    pub(super) fn of(depth: &Depth) -> Self {
        let of_bits = if depth.float { 1 } else { u32::MAX >> (32 - depth.bits) };
        let white = depth.stated_white.unwrap_or(of_bits).min(if depth.float { u32::MAX } else { of_bits });
        Self { float: depth.float, white, is_stated: depth.stated_white.is_some(), greatest: 0 }
    }

    /// Turns samples into levels from 0 to [`WHITE`]; the first `colours` of each pixel's samples say how far the range goes.
    pub(super) fn levels(&mut self, samples: &mut [u32], in_pixel: usize, colours: usize) -> Result<(), PixelsError> {
        if self.float {
            let white = self.white as f32;
            for sample in samples {
                let value = f32::from_bits(*sample) / white;
                // NaN is in no range.
                if !(-1.0 / 255.0..=256.0 / 255.0).contains(&value) {
                    return Err(unknown_range("its samples are floating-point numbers beyond 0 to 1"));
                }
                *sample = (value.clamp(0.0, 1.0) * WHITE as f32 + 0.5) as u32;
            }
            return Ok(());
        }
        let white = self.white;
        if white == 255 && !self.is_stated {
            samples.iter_mut().for_each(|sample| *sample *= 257);
            return Ok(());
        }
        let colours = samples.chunks_exact(in_pixel).flat_map(|pixel| &pixel[..colours]);
        self.greatest = colours.fold(self.greatest, |greatest, &sample| greatest.max(sample));
        if white == WHITE {
            samples.iter_mut().for_each(|sample| *sample = (*sample).min(WHITE));
        } else {
            let (white, half) = (u64::from(white), u64::from(white / 2));
            for sample in samples {
                *sample = ((u64::from(*sample).min(white) * u64::from(WHITE) + half) / white) as u32;
            }
        }
        Ok(())
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.is_stated && self.greatest > self.white {
            Verdict::BeyondStated
        } else if !self.is_stated && self.white >= WHITE && (1..=self.white >> 4).contains(&self.greatest) {
            Verdict::Unknown
        } else {
            Verdict::Fits
        }
    }
}
