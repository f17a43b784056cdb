//! Writing files so that they are there whole or not at all; what every room that writes uses.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::system::scratch_name;

/// Writes a file beside its final place and then renames it, so that a reader (or an interruption) never meets half of
/// it. What is there already and is not a regular file, such as `/dev/stdout`, is written to directly.
///
/// # Errors
/// When the folder is missing or the file cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|existing| !existing.is_file()) {
        return fs::write(path, bytes);
    }
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// A file that is written piece by piece beside its final place, where it comes when it is finished; one that never is
/// leaves nothing.
#[derive(Debug)]
pub struct WholeFile {
    file: fs::File,
    temporary: PathBuf,
    path: PathBuf,
}

impl WholeFile {
    /// Begins a file that will stand at `path`.
    ///
    /// # Errors
    /// When the folder is missing or cannot be written into.
    pub fn create(path: &Path) -> io::Result<Self> {
        let name =
            path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
        let temporary = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), scratch_name()));
        Ok(Self { file: fs::File::create(&temporary)?, temporary, path: path.to_owned() })
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// When it cannot be written to the end or renamed.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all().and_then(|()| fs::rename(&self.temporary, &self.path))?;
        sync_folder(&self.path);
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // Nothing is there where it was finished.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Makes a rename outlive a power cut. The file is whole either way, so a file system that cannot do this is no error.
fn sync_folder(of: &Path) {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_replaces_the_old_one_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("split.csv");
        write_whole(&path, b"old and long").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_whole(&dir.path().join("missing/split.csv"), b"x").is_err());
    }
}
