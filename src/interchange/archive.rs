//! A zip of another program, such as Keras's `.keras` and torch's `.pth`, read within limits.
//!
//! In: a file. Out: its entries by name. Nothing is extracted: names are only looked up, and those that would lead out
//! of a folder are refused all the same, because no honest program writes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::interchange::InterchangeError;
use crate::system::open_file;

/// How many times as large as the file its entries may be together: weights hardly shrink, and bombs do.
const MOST_GROWTH: u64 = 4;
/// What the entries of any file may have together, in bytes: the texts in small ones do shrink.
const SMALL: u64 = 1 << 20;

/// A zip whose entries' names and sizes have been checked.
pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// Each entry's number and its size in bytes, by name.
    entries: BTreeMap<String, (usize, u64)>,
    origin: String,
    length: u64,
}

impl Archive {
    /// Opens a zip.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged; when an entry is encrypted, has a name that is no plain path or is
    /// there twice, or when the entries are much larger than the file.
    pub(super) fn open(path: &Path) -> Result<Self, InterchangeError> {
        let origin = path.display().to_string();
        let read = |source| InterchangeError::Io { action: "read", path: path.to_owned(), source };
        let file = open_file(path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|error| unreadable(&origin, &error.to_string()))?;
        let mut archive = Self { zip, entries: BTreeMap::new(), origin, length };
        archive.list()?;
        Ok(archive)
    }

    fn list(&mut self) -> Result<(), InterchangeError> {
        let refused = |reason: String| InterchangeError::Refused { origin: self.origin.clone(), reason };
        if self.zip.has_duplicate_names() {
            return Err(refused("two of its entries have one name".to_owned()));
        }
        let mut total = 0_u64;
        for index in 0..self.zip.len() {
            let entry = self.zip.by_index_data(index).map_err(|error| unreadable(&self.origin, &error.to_string()))?;
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            let is_plain = !name.starts_with(['/', '\\']) && name.split(['/', '\\']).all(|part| part != "..");
            if !is_plain || entry.enclosed_name().is_none() {
                return Err(refused(format!("its entry {name:?} has a name that leads out of the archive")));
            }
            if entry.encrypted() {
                return Err(refused(format!("its entry {name:?} is encrypted")));
            }
            total = total.saturating_add(entry.size());
            self.entries.insert(name, (index, entry.size()));
        }
        let most = self.length.saturating_mul(MOST_GROWTH).max(SMALL);
        if total > most {
            let reason = format!(
                "its entries hold {total} bytes and the file has {}, as in a zip bomb; write it anew without \
                 compression",
                self.length
            );
            return Err(refused(reason));
        }
        Ok(())
    }

    /// The name of the file, for errors.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The length of the file in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The names of the entries, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The bytes of an entry: as many as the archive declares, or none.
    ///
    /// # Errors
    /// When there is no such entry, it is damaged, or it is of another size than declared.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, InterchangeError> {
        let broken = |reason: &str| unreadable(&self.origin, &format!("its entry {name:?} {reason}"));
        let (index, size) = *self.entries.get(name).ok_or_else(|| broken("is missing"))?;
        let entry = match self.zip.by_index(index) {
            Ok(entry) => entry,
            Err(ZipError::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => return Err(broken("is cut off")),
            Err(error) => return Err(broken(&format!("is damaged: {error}"))),
        };
        // What is declared is at most MOST_GROWTH times the file, so it may be reserved.
        let mut bytes = Vec::with_capacity(usize::try_from(size).map_err(|_| broken("is too large"))?);
        let read = entry.take(size.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| broken(&format!("is damaged: {error}")))?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(broken("is not as long as it says")) }
    }
}

fn unreadable(origin: &str, reason: &str) -> InterchangeError {
    InterchangeError::Unreadable { origin: origin.to_owned(), reason: reason.to_owned() }
}
