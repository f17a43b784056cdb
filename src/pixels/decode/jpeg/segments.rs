//! The segments of a JPEG between its marks.

/// A marker and what its segment holds.
pub(in crate::pixels::decode) struct Segment<'a> {
    pub(in crate::pixels::decode) marker: u8,
    /// What follows its length; empty for a marker that stands alone.
    pub(in crate::pixels::decode) data: &'a [u8],
    /// Where it begins, with its `0xFF`, and where it ends.
    pub(in crate::pixels::decode) place: (usize, usize),
}

/// The next segment, past bytes that belong to none; none where the file ends before it does.
pub(in crate::pixels::decode) fn next_segment(bytes: &[u8], mut at: usize) -> Option<Segment<'_>> {
    let (marker, end) = loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
        match after_fill(bytes, at)? {
            (0, next) => at = next,
            found => break found,
        }
    };
    let length = match marker {
        0x01 | 0xD0..=0xD9 => return Some(Segment { marker, data: &[], place: (end - 2, end) }),
        _ => usize::from(u16_at(bytes, end)?),
    };
    Some(Segment { marker, data: bytes.get(end + 2..end + length)?, place: (end - 2, end + length) })
}

/// The byte after a `0xFF` and its fill bytes, and the place after that.
pub(super) fn after_fill(data: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = data.get(at..)?;
    let fill = rest.iter().position(|&byte| byte != 0xFF)?;
    Some((rest[fill], at + fill + 1))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&pair| u16::from_be_bytes(pair))
}
