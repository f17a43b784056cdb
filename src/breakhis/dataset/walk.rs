//! Finding images in folders.

use std::io;
use std::path::{Path, PathBuf};

use crate::system::printable_path;
use walkdir::WalkDir;

/// The endings of the image formats that are read, in small letters.
pub(crate) const IMAGE_EXTENSIONS: [&str; 7] = ["png", "webp", "jpg", "jpeg", "tif", "tiff", "bmp"];

/// A file name without its ending, when that is one of [`IMAGE_EXTENSIONS`] in any case.
pub(crate) fn image_stem(file_name: &str) -> Option<&str> {
    let (stem, extension) = file_name.rsplit_once('.')?;
    IMAGE_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)).then_some(stem)
}

/// Every file under a folder at any depth, sorted by path. Symbolic links are followed, and a link to nothing is named
/// in a warning and passed over, as are (without one) hidden files and folders, and the `__MACOSX` folder of archives
/// made on a Mac.
///
/// # Errors
/// When a folder cannot be read or a link leads in a circle; the error names it.
pub(crate) fn under(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let walk = WalkDir::new(dir).follow_links(true).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name())) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => match error.path().filter(|path| error.depth() > 0 && path.is_symlink() && !path.exists()) {
                Some(link) => {
                    tracing::warn!("the link {} leads to nothing, so it is left out", printable_path(link));
                }
                None => return Err(error.into()),
            },
        }
    }
    Ok(files)
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX"
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_found_at_any_depth_in_order_without_hidden_ones_and_links_to_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b/2.png", "a/deep/1.png", ".git/x.png", "__MACOSX/y.png", "._z.png", "c.png"] {
            fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            fs::write(dir.path().join(file), "").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", dir.path().join("a/link.png")).unwrap();
        std::os::unix::fs::symlink("../c.png", dir.path().join("b/3.png")).unwrap();
        let found: Vec<_> =
            under(dir.path()).unwrap().iter().map(|p| p.strip_prefix(dir.path()).unwrap().to_owned()).collect();
        std::os::unix::fs::symlink("..", dir.path().join("a/circle")).unwrap();
        let circle = under(dir.path()).unwrap_err().to_string();
        assert!(circle.contains("a/circle"), "{circle}");
        assert!(under(&dir.path().join("a/link.png")).is_err(), "a link to nothing that was asked for");
        assert_eq!(found, ["a/deep/1.png", "b/2.png", "b/3.png", "c.png"].map(PathBuf::from));
    }
}
