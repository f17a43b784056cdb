//! Where the bytes of a file are: in memory, or on a disk, of which only what is asked for is read.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Bytes of a file on a disk that are read at once.
const PIECE: u64 = 64 << 10;

/// The bytes of a file.
#[derive(Clone, Copy)]
pub(in crate::pixels) enum Source<'a> {
    Bytes(&'a [u8]),
    /// A file of this length, of which one thread reads.
    File(&'a File, u64),
}

impl<'a> Source<'a> {
    pub(in crate::pixels) fn len(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) => length,
        }
    }

    /// So many bytes from a place on; none where the file does not have them.
    pub(in crate::pixels) fn slice(self, at: u64, length: u64) -> Option<Cow<'a, [u8]>> {
        if at.checked_add(length)? > self.len() {
            return None;
        }
        match self {
            Self::Bytes(bytes) => Some(Cow::Borrowed(&bytes[at as usize..][..length as usize])),
            Self::File(mut file, _) => {
                let mut bytes = vec![0; usize::try_from(length).ok()?];
                file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes)).ok()?;
                Some(Cow::Owned(bytes))
            }
        }
    }

    /// The bytes from a place on, so many or as many as there are, as a stream.
    pub(in crate::pixels) fn reader(self, at: u64, length: u64) -> SourceReader<'a> {
        let end = at.saturating_add(length).min(self.len());
        SourceReader { source: self, at: at.min(end), end, piece: Vec::new(), taken: 0 }
    }
}

/// A stream of bytes, whose places are those of the file. Several may stand in one file.
pub(in crate::pixels) struct SourceReader<'a> {
    source: Source<'a>,
    /// What comes behind the piece.
    at: u64,
    end: u64,
    /// What has been read of a file on a disk.
    piece: Vec<u8>,
    /// How much of the piece is over.
    taken: usize,
}

/// Replaces a piece by the next one, of at most so many bytes. After an error it is empty: whoever reads again reads the file,
/// and no zeros that were to be written over.
fn refill(piece: &mut Vec<u8>, length: usize, mut file: impl Read) -> io::Result<()> {
    piece.resize(length, 0);
    let read = file.read(piece);
    piece.truncate(*read.as_ref().unwrap_or(&0));
    read.map(drop)
}

impl BufRead for SourceReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.source {
            Source::Bytes(bytes) => Ok(&bytes[self.at as usize..self.end as usize]),
            Source::File(mut file, _) => {
                if self.taken == self.piece.len() {
                    file.seek(SeekFrom::Start(self.at))?;
                    self.taken = 0;
                    refill(&mut self.piece, (self.end - self.at).min(PIECE) as usize, file)?;
                    self.at += self.piece.len() as u64;
                }
                Ok(&self.piece[self.taken..])
            }
        }
    }

    fn consume(&mut self, count: usize) {
        match self.source {
            Source::Bytes(_) => self.at += count as u64,
            Source::File(..) => self.taken += count,
        }
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(target)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for SourceReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(offset) => self.end.checked_add_signed(offset),
            SeekFrom::Current(offset) => (self.at - (self.piece.len() - self.taken) as u64).checked_add_signed(offset),
        };
        let place = place.ok_or(io::ErrorKind::InvalidInput)?;
        (self.at, self.taken) = (place.min(self.end), self.piece.len());
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_on_a_disk_reads_as_its_bytes_do() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let sources = [Source::Bytes(&bytes), Source::File(&file, bytes.len() as u64)];
        for source in sources {
            assert_eq!(source.len(), 200_000);
            assert_eq!(&*source.slice(70_001, 5).unwrap(), &bytes[70_001..70_006]);
            assert!(source.slice(199_999, 2).is_none() && source.slice(u64::MAX, 2).is_none());
            // Two streams at once do not disturb each other.
            let (mut one, mut other) = (source.reader(10, 150_000), source.reader(3, u64::MAX));
            let mut read = [vec![0; 100_000], vec![0; 100_000]];
            one.read_exact(&mut read[0]).unwrap();
            other.read_exact(&mut read[1]).unwrap();
            assert!(read[0] == bytes[10..100_010] && read[1] == bytes[3..100_003]);
            let mut rest = Vec::new();
            one.read_to_end(&mut rest).unwrap();
            assert!(rest == bytes[100_010..150_010], "it ends where it was told to");
            assert_eq!(other.stream_position().unwrap(), 100_003);
            other.seek(SeekFrom::Start(77)).unwrap();
            let mut byte = [0];
            other.read_exact(&mut byte).unwrap();
            assert_eq!(byte[0], bytes[77]);
            assert_eq!(source.reader(300_000, 5).read(&mut byte).unwrap(), 0);
        }
    }
    #[test]
    fn a_read_that_was_interrupted_leaves_no_zeros_behind() {
        struct Interrupted<'a>(bool, &'a [u8]);
        impl Read for Interrupted<'_> {
            fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
                if std::mem::take(&mut self.0) { Err(io::ErrorKind::Interrupted.into()) } else { self.1.read(target) }
            }
        }
        let (mut file, mut piece) = (Interrupted(true, b"content"), b"before".to_vec());
        assert_eq!(refill(&mut piece, 100, &mut file).unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(piece, b"", "and the next one is read at once");
        refill(&mut piece, 100, &mut file).unwrap();
        assert_eq!(piece, b"content");
    }
}
