//! Opening what is to be read as a file: what is none is refused by its kind and never waited for.

use std::fs::{self, File, FileType, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Opens a file to read it. A link is followed; a folder, a named pipe, a socket or a device is refused before it is
/// opened, because nothing may ever come out of it. What this process holds open already, as a shell's `<(command)`
/// names it, is read to its end.
///
/// # Errors
/// When there is no such file, or it must not be read; the error says what stands in its place.
pub fn open_file(path: &Path) -> io::Result<File> {
    let metadata = fs::metadata(path).map_err(|error| of_link(path, error))?;
    match no_file(metadata.file_type()) {
        Some(what) if metadata.is_dir() || !is_open_already(path) => {
            Err(io::Error::other(format!("it is {what}, and not a file")))
        }
        _ => File::open(path),
    }
}

/// Keeps other processes that ask the same out of a folder for as long as the file that it gives is open; none where the
/// folder cannot be opened. Some network drives and mounted buckets cannot lock, and others there are not noticed.
///
/// # Errors
/// When another process keeps it.
pub fn lock_folder(folder: &Path) -> Result<Option<File>, FolderInUse> {
    let Ok(file) = File::open(folder) else { return Ok(None) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(FolderInUse),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}

/// Another process keeps a folder for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another process is writing into the folder")]
pub struct FolderInUse;

/// What stands where a file should, in words; none for a file.
pub fn no_file(kind: FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a folder"),
        kind => Some(special(kind)),
    }
}

#[cfg(unix)]
fn special(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn special(_: FileType) -> &'static str {
    "a device"
}

/// Why a path leads nowhere, where it is a link: the system's words would be of the file behind it.
fn of_link(path: &Path, error: io::Error) -> io::Error {
    match error.kind() {
        _ if !path.is_symlink() => error,
        ErrorKind::NotFound => io::Error::new(ErrorKind::NotFound, "it is a link to nothing"),
        _ => io::Error::new(error.kind(), format!("it is a link that cannot be followed: {error}")),
    }
}

fn is_open_already(path: &Path) -> bool {
    ["/dev/stdin", "/dev/fd", "/proc/self/fd"].iter().any(|open| path.starts_with(open))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_no_file_is_refused_by_its_kind_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "text").unwrap();
        fs::create_dir(path("folder")).unwrap();
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        let _listener = UnixListener::bind(path("socket")).unwrap();
        for (link, to) in [("whole", "file"), ("dangling", "nowhere"), ("to-pipe", "pipe"), ("a", "b"), ("b", "a")] {
            symlink(to, path(link)).unwrap();
        }
        assert!(open_file(&path("file")).is_ok() && open_file(&path("whole")).is_ok());
        assert!(open_file("/dev/fd/0".as_ref()).is_ok(), "what is open already");
        for (name, reason) in [
            ("folder", "it is a folder, and not a file"),
            ("pipe", "it is a named pipe, and not a file"),
            ("to-pipe", "it is a named pipe, and not a file"),
            ("socket", "it is a socket, and not a file"),
            ("/dev/zero", "it is a device, and not a file"),
            ("dangling", "it is a link to nothing"),
            ("a", "it is a link that cannot be followed: Too many"),
            ("missing", "No such file"),
        ] {
            let refusal = open_file(&path(name)).unwrap_err().to_string();
            assert!(refusal.starts_with(reason), "{name}: {refusal}");
        }
    }
}
