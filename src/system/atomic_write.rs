//! Writing files so that they are there whole or not at all; what every room that writes uses.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

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
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let temporary = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), scratch_name()));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    match written {
        Ok(()) => sync_folder(path),
        // The first error is the one that helps; there may be no temporary file to remove.
        Err(_) => drop(fs::remove_file(&temporary)),
    }
    written
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
