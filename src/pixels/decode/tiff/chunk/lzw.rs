//! LZW as TIFF has it: codes of 9 to 12 bits, the highest first, that grow one code early.
//!
//! It is decoded here because a file spent half of its time in weezl, which takes 3.3 ms for 700x460 pixels and this 1.8:
//! the last eight bytes that a code stands for are written at once, however many of them there are.

use std::io::{self, BufRead, Read};

/// The code after which the table begins anew.
const CLEAR: usize = 256;

/// The code behind the last one.
const END: usize = 257;

const SHORTEST: u32 = 9;
const LONGEST: u32 = 12;

/// Codes that there are at most.
const MOST: usize = 1 << LONGEST;

/// Bytes behind which nothing is expanded until those before are read; the longest string may end beyond them.
const KEPT: usize = 8 << 10;

/// Bytes of a string that an entry of the table holds.
const PART: usize = 8;

/// A code's string.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// Its last bytes, the first of them lowest: `PART` where its length is a multiple of that.
    last: u64,
    length: u16,
    /// The code of what comes before them.
    before: u16,
    first: u8,
}

impl Entry {
    /// The string with another byte behind it; `code` is its own.
    fn with(&self, code: usize, byte: u8) -> Self {
        let place = usize::from(self.length) % PART;
        let (last, before) = if place == 0 { (0, code as u16) } else { (self.last, self.before) };
        Self { last: last | u64::from(byte) << (8 * place), length: self.length + 1, before, ..*self }
    }
}

/// What the data of a chunk expand to. Data that stop before the code of the end are an error, which no other end is.
pub(super) struct Lzw<R> {
    data: R,
    /// The next bits of the data from the highest on, of which so many count.
    bits: u64,
    count: u32,
    table: Vec<Entry>,
    width: u32,
    previous: Option<usize>,
    kept: Box<[u8; KEPT + MOST + PART]>,
    /// Where in it the bytes that were not read yet begin and end.
    start: usize,
    end: usize,
    over: Option<Over>,
}

/// Why nothing comes behind the bytes that are kept.
#[derive(Clone, Copy)]
enum Over {
    Ended,
    Damaged,
}

impl<R: BufRead> Lzw<R> {
    pub(super) fn new(data: R) -> Self {
        let mut table = Vec::with_capacity(MOST);
        table.extend((0..=u8::MAX).map(|byte| Entry { last: byte.into(), length: 1, before: 0, first: byte }));
        table.extend([Entry::default(); END + 1 - CLEAR]);
        let kept = Box::new([0; KEPT + MOST + PART]);
        Self { data, bits: 0, count: 0, table, width: SHORTEST, previous: None, kept, start: 0, end: 0, over: None }
    }

    /// Expands what can be had of the data at once, as far as there is room for it.
    fn expand(&mut self) -> io::Result<()> {
        let data = self.data.fill_buf()?;
        if data.is_empty() && self.count < self.width {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut bits, mut count, mut width) = (self.bits, self.count, self.width);
        let (mut taken, mut end, mut previous) = (0, 0, self.previous);
        while end < KEPT {
            while count < width && taken < data.len() {
                if let Some(word) = data[taken..].first_chunk() {
                    // Bits beyond those that count are there again the next time, and the same.
                    bits |= u64::from_be_bytes(*word) >> count;
                    taken += ((63 - count) / 8) as usize;
                    count |= 56;
                } else {
                    bits |= u64::from(data[taken]) << (56 - count);
                    taken += 1;
                    count += 8;
                }
            }
            if count < width {
                break;
            }
            let code = (bits >> (64 - width)) as usize;
            bits <<= width;
            count -= width;
            match code {
                CLEAR => {
                    self.table.truncate(END + 1);
                    (width, previous) = (SHORTEST, None);
                    continue;
                }
                END => {
                    self.over = Some(Over::Ended);
                    break;
                }
                _ => {}
            }
            if let Some(before) = previous
                && self.table.len() < MOST
            {
                let string = self.table[before];
                // A code that the table is to have only now is of that string and its own first byte.
                let first = self.table.get(code).map_or(string.first, |entry| entry.first);
                self.table.push(string.with(before, first));
                width += u32::from(self.table.len() + 1 >= 1 << width && width < LONGEST);
            }
            let Some(mut part) = self.table.get(code) else {
                self.over = Some(Over::Damaged);
                break;
            };
            // From the last part to the first.
            let length = usize::from(part.length);
            let (next, mut at) = (end + length, end + (length - 1) / PART * PART);
            loop {
                self.kept[at..][..PART].copy_from_slice(&part.last.to_le_bytes());
                if at == end {
                    break;
                }
                part = &self.table[usize::from(part.before)];
                at -= PART;
            }
            (end, previous) = (next, Some(code));
        }
        self.data.consume(taken);
        (self.bits, self.count, self.width, self.previous) = (bits, count, width, previous);
        (self.start, self.end) = (0, end);
        Ok(())
    }
}

impl<R: BufRead> Read for Lzw<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.start == self.end && !target.is_empty() {
            match self.over {
                None => self.expand()?,
                Some(Over::Ended) => return Ok(0),
                Some(Over::Damaged) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        let count = target.len().min(self.end - self.start);
        target[..count].copy_from_slice(&self.kept[self.start..][..count]);
        self.start += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weezl::{BitOrder, LzwStatus, decode};

    use super::*;

    /// What weezl makes of data: the bytes, and whether they end as they should; none where a code is wrong.
    fn by_weezl(mut data: &[u8]) -> Option<(Vec<u8>, bool)> {
        let (mut bytes, mut target) = (Vec::new(), [0; 8192]);
        let mut decoder = decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
        // A step that does nothing may come between two codes that clear the table.
        let mut idle = 0;
        loop {
            let step = decoder.decode_bytes(data, &mut target);
            bytes.extend(&target[..step.consumed_out]);
            data = &data[step.consumed_in..];
            match step.status {
                Ok(LzwStatus::Done) => return Some((bytes, true)),
                Ok(_) if step.consumed_in + step.consumed_out > 0 => idle = 0,
                Ok(_) if idle < 8 => idle += 1,
                Ok(_) => return Some((bytes, false)),
                Err(_) => return None,
            }
        }
    }

    fn read(data: impl BufRead) -> Option<(Vec<u8>, bool)> {
        let mut bytes = Vec::new();
        match Lzw::new(data).read_to_end(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            result => Some((bytes, result.is_ok())),
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Code {
        /// One that has a string, the one that is to have it next included.
        Known(u16),
        /// Whichever.
        Any(u16),
    }

    fn codes() -> impl Strategy<Value = Vec<Code>> {
        let code = prop_oneof![
            3000 => any::<u16>().prop_map(Code::Known),
            300 => (0_u16..256).prop_map(Code::Known),
            2 => Just(Code::Any(256)),
            1 => (257_u16..4096).prop_map(Code::Any),
        ];
        prop::collection::vec(code, 0..12_000)
    }

    /// Codes in as many bits as their turn has.
    fn packed(codes: &[Code]) -> Vec<u8> {
        let (mut bytes, mut bits, mut count, mut width, mut known) = (Vec::new(), 0_u64, 0, SHORTEST, END);
        for &code in codes {
            let code = match code {
                Code::Known(code) if known == END => u64::from(code) % 256,
                Code::Known(code) => match u64::from(code) % (known as u64 + 1) {
                    256 | 257 => 0,
                    code => code,
                },
                Code::Any(code) => u64::from(code) & ((1 << width) - 1),
            };
            bits = bits << width | code;
            count += width;
            while count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
            if code == CLEAR as u64 {
                (width, known) = (SHORTEST, END);
            } else {
                known = (known + 1).min(MOST - 1);
                width += u32::from(known + 1 >= 1 << width && width < LONGEST);
            }
        }
        bytes.push((bits << (8 - count)) as u8);
        bytes
    }

    proptest! {
        #[test]
        fn what_was_compressed_is_there_again(
            pattern in prop::collection::vec(any::<u8>(), 1..40),
            length in 0_usize..60_000,
            noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..200),
            piece in 1_usize..3000,
        ) {
            let mut bytes: Vec<u8> = pattern.iter().copied().cycle().take(length).collect();
            for (at, byte) in noise {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            let data = weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(&bytes).unwrap();
            prop_assert!(read(&*data) == Some((bytes.clone(), true)));
            prop_assert!(read(io::BufReader::with_capacity(piece, &*data)) == Some((bytes, true)), "in pieces");
        }

        #[test]
        fn any_codes_are_what_weezl_says_they_are(codes in codes()) {
            let data = packed(&codes);
            let (read, expected) = (read(&*data), by_weezl(&data));
            let ends = |side: &Option<(Vec<u8>, bool)>| side.as_ref().map(|(bytes, is_whole)| (bytes.len(), *is_whole));
            prop_assert_eq!(ends(&read), ends(&expected));
            prop_assert!(read == expected);
        }
    }
}
