//! Finding images in folders: which files are there, and which entries can be read neither as files nor as folders.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::system::{no_file, open_file, printable_path};

/// The endings of the image formats that are read, in small letters.
pub(crate) const IMAGE_EXTENSIONS: [&str; 7] = ["png", "webp", "jpg", "jpeg", "tif", "tiff", "bmp"];

/// A file name without its ending, when that is one of [`IMAGE_EXTENSIONS`] in any case.
pub(crate) fn image_stem(file_name: &str) -> Option<&str> {
    let (stem, extension) = file_name.rsplit_once('.')?;
    IMAGE_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)).then_some(stem)
}

/// What lies under a folder.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Files, in the order of their paths.
    pub(crate) files: Vec<PathBuf>,
    /// What can be read neither as a file nor as a folder.
    pub(crate) unusable: Vec<Unusable>,
}

/// An entry of a folder that can be read neither as a file nor as a folder.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
    /// Whether it may be a folder of images that are found nowhere else.
    #[cfg_attr(not(feature = "train"), allow(dead_code, reason = "data sets alone ask"))]
    pub(crate) hides_images: bool,
}

/// Everything under a folder at any depth, sorted by path. Symbolic links are followed; hidden files and folders are
/// passed over, and the `__MACOSX` folder of archives made on a Mac. One bad entry ends nothing: it is named with the
/// reason.
///
/// # Errors
/// When the folder itself cannot be read.
pub(crate) fn under(dir: &Path) -> io::Result<Found> {
    let (mut found, mut folders) = (Found::default(), Vec::new());
    let root = dir.canonicalize()?;
    let walk = WalkDir::new(dir).follow_links(true).sort_by_file_name().into_iter();
    let mut walk = walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()));
    while let Some(entry) = walk.next() {
        match entry {
            Ok(entry) => match no_file(entry.file_type()) {
                None => found.files.push(entry.into_path()),
                Some(_) if entry.depth() > 0 && leads_around(&root, &entry) => {
                    walk.skip_current_dir();
                    found.unusable.push(Unusable::circle(entry.into_path(), dir));
                }
                Some(_) if entry.file_type().is_dir() => folders.push(entry.into_path()),
                Some(what) => {
                    let reason = format!("it is {what}, and not a file");
                    found.unusable.push(Unusable { path: entry.into_path(), reason, hides_images: false });
                }
            },
            Err(error) if error.depth() == 0 => return Err(error.into()),
            Err(error) if error.path().and_then(Path::file_name).is_some_and(is_hidden) => {}
            Err(error) => found.unusable.push(Unusable::of(error, dir)),
        }
    }
    // A folder may be called as it likes, as long as the images in it are found.
    let is_empty = |folder: &Path| !found.files.iter().any(|file| file.starts_with(folder) && is_image_name(file));
    let is_told = |folder: &Path| found.unusable.iter().any(|entry| entry.path == folder);
    let named = folders.into_iter().filter(|folder| folder != dir && is_image_name(folder));
    let named = named.filter(|folder| is_empty(folder) && !is_told(folder));
    let reason = "it is a folder with the name of an image, and holds none";
    let named: Vec<Unusable> =
        named.map(|path| Unusable { path, reason: reason.into(), hides_images: false }).collect();
    found.unusable.extend(named);
    Ok(found)
}

/// Whether an entry is a link to a folder that the root lies in, which a walk does not know as its own.
fn leads_around(root: &Path, entry: &DirEntry) -> bool {
    entry.path_is_symlink() && entry.path().canonicalize().is_ok_and(|target| root.starts_with(target))
}

impl Unusable {
    fn circle(path: PathBuf, around: &Path) -> Self {
        let reason = format!("it is a link back to {}, whose images are found there", printable_path(around));
        Self { path, reason, hides_images: false }
    }

    fn of(error: walkdir::Error, dir: &Path) -> Self {
        let path = error.path().unwrap_or(dir).to_owned();
        if let Some(ancestor) = error.loop_ancestor() {
            return Self::circle(path, ancestor);
        }
        // The words for a link are better where it is opened as a file, and one with the name of an image is no folder.
        match open_file(&path) {
            Err(of_link) if path.is_symlink() && !path.exists() => {
                Self { reason: of_link.to_string(), hides_images: !is_image_name(&path), path }
            }
            _ => {
                // The path is told beside it.
                let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                Self { path, reason, hides_images: true }
            }
        }
    }
}

/// Whether a path has one of [`IMAGE_EXTENSIONS`], be its name UTF-8 or not.
pub(crate) fn is_image_name(path: &Path) -> bool {
    path.file_name().is_some_and(|name| image_stem(&name.to_string_lossy()).is_some())
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX"
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_found_at_any_depth_in_order_without_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b/2.png", "a/deep/1.png", ".git/x.png", "__MACOSX/y.png", "._z.png", "c.png", "scan.tif/4.png"] {
            fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            fs::write(dir.path().join(file), "").unwrap();
        }
        let Found { files, unusable } = under(dir.path()).unwrap();
        let below: Vec<_> = files.iter().map(|path| path.strip_prefix(dir.path()).unwrap()).collect();
        assert_eq!(below, ["a/deep/1.png", "b/2.png", "c.png", "scan.tif/4.png"].map(Path::new));
        assert!(unusable.is_empty(), "{unusable:?}");
        assert!(under(&dir.path().join("nowhere")).is_err(), "a folder that was asked for");
    }

    #[cfg(unix)]
    #[test]
    fn a_bad_entry_is_named_and_ends_nothing() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for folder in ["a", "empty.png", "locked"] {
            fs::create_dir(path(folder)).unwrap();
        }
        fs::write(path("c.png"), "").unwrap();
        for (link, to) in
            [("a/3.png", "../c.png"), ("a/around", "../.."), ("a/circle", ".."), ("a/dead", "no"), ("a/.#dead", "no")]
        {
            symlink(to, path(link)).unwrap();
        }
        symlink("l2", path("l1")).unwrap();
        symlink("l1", path("l2")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("pipe.png")).status().unwrap().success());
        fs::set_permissions(path("locked"), fs::Permissions::from_mode(0o000)).unwrap();

        let Found { files, unusable } = under(dir.path()).unwrap();
        assert_eq!(files, [path("a/3.png"), path("c.png")]);
        let mut expected = vec![
            ("a/around", "it is a link back to", false),
            ("a/circle", "it is a link back to", false),
            ("a/dead", "it is a link to nothing", true),
            ("l1", "it is a link that cannot be followed", true),
            ("l2", "it is a link that cannot be followed", true),
            ("locked", "ermission denied", true),
            ("pipe.png", "it is a named pipe", false),
            ("empty.png", "it is a folder with the name of an image", false),
        ];
        if fs::read_dir(path("locked")).is_ok() {
            expected.retain(|(name, ..)| *name != "locked"); // nothing is locked for root
        }
        assert_eq!(unusable.len(), expected.len(), "{unusable:?}");
        for (found, (name, reason, hides)) in unusable.iter().zip(expected) {
            assert!(found.path == path(name) && found.reason.contains(reason), "{found:?}");
            assert_eq!(found.hides_images, hides, "{found:?}");
        }
    }
}
