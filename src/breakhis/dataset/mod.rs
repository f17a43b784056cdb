//! The images of a folder, whatever its layout.
//!
//! In: a BreaKHis_v1 tree at any depth, a flat folder of `SOB_...` files, `train/benign/...`-like folders, or a folder
//! with a `manifest.csv`. Out: a [`Dataset`], sorted by file name so that nothing depends on the file system.

mod manifest;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::breakhis::error::examples;
use crate::breakhis::{BreakhisError, Magnification, SlideName, SlideNameError, Subtype};
use crate::diagnosis::Label;
use crate::system::printable_path;
use crate::system::walk::{self, Found, Unusable};

/// One image of BreakHis: where it is and what its name says.
#[derive(Clone, Debug)]
pub struct ImageFile {
    /// Where the file is.
    pub path: PathBuf,
    /// What the file name says.
    pub name: SlideName,
    /// Width in pixels of the image before anything was done to it, where a manifest says it.
    pub source_width: Option<u32>,
    file_name: String,
    /// Why the name may not mean what it says: stray forms, and folders that say something else.
    pub(crate) doubts: Vec<String>,
}

impl ImageFile {
    /// `root` is the folder of the data set; the folders between it and the file may contradict the name.
    pub(crate) fn new(root: &Path, path: PathBuf, file_name: String, name: SlideName) -> Self {
        let folders = path.strip_prefix(root).ok().and_then(Path::parent);
        let folders = folders.into_iter().flat_map(Path::iter).filter_map(|folder| folder.to_str());
        let against = folders.filter(|folder| contradicts(folder, &name));
        let against = against.map(|folder| format!("it lies in a folder named {folder}"));
        let doubts = name.doubts.iter().map(ToString::to_string).chain(against).collect();
        Self { path, name, source_width: None, file_name, doubts }
    }

    /// The bare file name, by which splits know the image.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Benign or malignant.
    pub fn label(&self) -> Label {
        self.name.label()
    }
}

/// A file that is no part of the data set.
#[derive(Clone, Debug)]
pub(crate) struct Ignored {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
    /// Whether it looks as if it should have been an image of BreakHis.
    pub(crate) misnamed: bool,
}

/// The images of a folder, sorted by file name.
#[derive(Clone, Debug)]
pub struct Dataset {
    root: PathBuf,
    images: Vec<ImageFile>,
    pub(crate) ignored: Vec<Ignored>,
    /// Folders and links behind which nobody can look.
    pub(crate) unreachable: Vec<Unusable>,
}

impl Dataset {
    /// Finds the images of a folder. Nothing is decoded: what has the name of an image and cannot be read, be it a pipe or
    /// a link to nothing, is one of them, and fails where it is read. A folder that cannot be looked into is told by
    /// [`Dataset::require_whole`].
    ///
    /// # Errors
    /// When the folder is missing, is a file, cannot be read or holds no image of BreakHis; when one file name is
    /// there twice; when a manifest does not fit the files.
    pub fn open(dir: &Path) -> Result<Self, BreakhisError> {
        let metadata = fs::metadata(dir).map_err(|source| match source.kind() {
            ErrorKind::NotFound => BreakhisError::Missing(dir.to_owned()),
            _ => BreakhisError::Read(dir.to_owned(), source),
        })?;
        if !metadata.is_dir() {
            return Err(BreakhisError::NotAFolder(dir.to_owned()));
        }

        let Found { mut files, unusable } =
            walk::under(dir).map_err(|source| BreakhisError::Read(dir.to_owned(), source))?;
        let (unreachable, others): (Vec<_>, Vec<_>) = unusable.into_iter().partition(|entry| entry.hides_images);
        let (named, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|entry| walk::is_image_name(&entry.path));
        files.extend(named.into_iter().map(|entry| entry.path));
        let listed = files.contains(&dir.join(manifest::FILE_NAME));
        let (mut images, mut ignored) = if listed { manifest::read(dir, files)? } else { by_name(dir, files) };
        ignored.extend(others.into_iter().map(|Unusable { path, reason, .. }| Ignored {
            path,
            reason,
            misnamed: false,
        }));
        if images.is_empty() {
            return Err(match unreachable.is_empty() {
                true => BreakhisError::NoImages(dir.to_owned(), found_instead(&ignored)),
                false => BreakhisError::Unreachable(dir.to_owned(), list(&unreachable)),
            });
        }
        images.sort_by(|a, b| a.file_name.cmp(&b.file_name));
        if let Some([a, b]) = images.array_windows().find(|[a, b]| a.file_name == b.file_name) {
            return Err(BreakhisError::Twice(a.file_name.clone(), a.path.clone(), b.path.clone()));
        }

        let dataset = Self { root: dir.to_owned(), images, ignored, unreachable };
        dataset.warn_of_doubts();
        Ok(dataset)
    }

    /// The folder it was read from.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The images, sorted by file name; never empty.
    pub fn images(&self) -> &[ImageFile] {
        &self.images
    }

    /// Refuses a folder of which a part could not be looked into: images may be missing from it, and a split or figures
    /// would be of something else than they say.
    ///
    /// # Errors
    /// [`BreakhisError::Unreachable`] with the list of these places.
    pub fn require_whole(&self) -> Result<(), BreakhisError> {
        match self.unreachable.as_slice() {
            [] => Ok(()),
            places => Err(BreakhisError::Unreachable(self.root.clone(), list(places))),
        }
    }

    fn warn_of_doubts(&self) {
        let doubtful: Vec<&str> =
            self.images.iter().filter(|image| !image.doubts.is_empty()).map(ImageFile::file_name).collect();
        let misnamed = names(self.ignored.iter().filter(|file| file.misnamed));
        let hint = "`lobule dataset audit` says why";
        if !doubtful.is_empty() {
            tracing::warn!("the names may not mean what they say of {}; {hint}", examples("image", &doubtful));
        }
        if !misnamed.is_empty() {
            tracing::warn!("the names cannot be read, so these are left out: {}; {hint}", examples("file", &misnamed));
        }
    }
}

/// The bare names of files, as a message shows them.
fn names<'a>(files: impl Iterator<Item = &'a Ignored>) -> Vec<String> {
    files.filter_map(|file| file.path.file_name()).map(|name| printable_path(name.as_ref())).collect()
}

/// A line for each place, and why it cannot be looked into.
fn list(places: &[Unusable]) -> String {
    places.iter().map(|Unusable { path, reason, .. }| format!("\n  {}: {reason}", printable_path(path))).collect()
}

fn by_name(root: &Path, files: Vec<PathBuf>) -> (Vec<ImageFile>, Vec<Ignored>) {
    let (mut images, mut ignored) = (Vec::new(), Vec::new());
    for path in files {
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            let misnamed = walk::is_image_name(&path);
            ignored.push(Ignored { path, reason: "its name is not text in UTF-8".into(), misnamed });
            continue;
        };
        match file_name.parse() {
            Ok(name) => images.push(ImageFile::new(root, path, file_name, name)),
            Err(error) => {
                let misnamed = matches!(error, SlideNameError::Malformed(_) | SlideNameError::Contradiction { .. });
                ignored.push(Ignored { path, reason: error.to_string(), misnamed });
            }
        }
    }
    (images, ignored)
}

fn found_instead(ignored: &[Ignored]) -> String {
    let names = names(ignored.iter());
    if names.is_empty() { "it is empty".into() } else { format!("it holds {}", examples("other file", &names)) }
}

/// Whether a folder such as `benign`, `lobular_carcinoma` or `40X` says something else than the name.
fn contradicts(folder: &str, name: &SlideName) -> bool {
    let folder = folder.to_ascii_lowercase().replace('_', " ");
    let label = Label::ALL.into_iter().find(|label| label.lower() == folder);
    let subtype = Subtype::ALL.into_iter().find(|subtype| subtype.full_name() == folder);
    let magnification = folder.strip_suffix('x').and_then(Magnification::from_times);
    label.is_some_and(|label| label != name.label())
        || subtype.is_some_and(|subtype| subtype != name.subtype)
        || magnification.is_some_and(|magnification| magnification != name.magnification)
}

#[cfg(test)]
mod tests;
