//! Which images are asked about: those that are named, those in folders, and those of a list.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use super::record::hex;
use crate::system::walk::{self, Found};
use crate::system::{Shard, open_file, printable_path};

/// The images that are asked about, in order.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) images: Vec<PathBuf>,
    /// Folders and other entries that cannot be read; each was logged.
    pub(super) failed: usize,
    /// Folders that images were looked for in.
    pub(super) roots: Vec<Root>,
    /// At which byte of its path begins what the shards are made by: the path below the argument that it was found under.
    below: Vec<usize>,
}

/// A folder that images are looked for in, which may be a mount that goes away.
pub(super) struct Root {
    pub(super) path: PathBuf,
    /// What the system knows it by.
    id: Option<(u64, u64)>,
}

impl Root {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), id: Self::id(path) }
    }

    #[cfg(unix)]
    fn id(path: &Path) -> Option<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    fn id(path: &Path) -> Option<(u64, u64)> {
        std::fs::metadata(path).ok().map(|_| (0, 0))
    }

    /// Whether it is not there any more, or another folder stands in its place, as where a mount was.
    pub(super) fn is_gone(&self) -> bool {
        Self::id(&self.path) != self.id
    }
}

/// The images that a run or a shard is for.
pub(super) struct Share {
    pub(super) images: Vec<PathBuf>,
    pub(super) roots: Vec<Root>,
    /// Their numbers in the whole list, where they are not all of it.
    pub(super) numbers: Option<Vec<usize>>,
}

impl Inputs {
    /// Looks for the images of arguments; what cannot be found or read is logged and counted.
    pub(super) fn find(arguments: &[PathBuf]) -> Self {
        let mut inputs = Self::default();
        arguments.iter().for_each(|argument| inputs.add(argument));
        inputs
    }

    /// The images that a file lists, a path a line, or with `-` what comes on standard input.
    ///
    /// # Errors
    /// When the list cannot be read or is empty.
    pub(super) fn listed(list: &Path) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        if list == Path::new("-") {
            std::io::stdin().read_to_end(&mut bytes).context("cannot read the list from standard input")?;
        } else {
            let named = || format!("cannot read the list {}", printable_path(list));
            open_file(list).with_context(named)?.read_to_end(&mut bytes).with_context(named)?;
        }
        if bytes.contains(&0) {
            bail!(
                "the list {} has zero bytes; it must be text in UTF-8 with a path on each line",
                printable_path(list)
            );
        }
        // Some editors begin a text with a mark.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let paths: Vec<PathBuf> = lines.filter(|line| !line.is_empty()).map(path_of).collect();
        if paths.is_empty() {
            bail!("the list {} names no image; it must have a path on each line", printable_path(list));
        }
        let mut inputs = Self::default();
        for path in paths {
            if path.is_dir() {
                inputs.add(&path);
            } else {
                inputs.images.push(path);
                inputs.below.push(0); // lists of other folders may have files of the same name
            }
        }
        Ok(inputs)
    }

    fn add(&mut self, argument: &Path) {
        if !argument.is_dir() {
            // A file that is named is tried whatever its ending, and what is none is told when it is opened.
            self.images.push(argument.to_owned());
            self.below.push(length(argument) - argument.file_name().map_or(0, OsStr::len));
            return;
        }
        self.roots.push(Root::new(argument));
        match walk::under(argument) {
            Ok(Found { mut files, unusable }) => {
                files.retain(|file| walk::is_image_name(file));
                if files.is_empty() && unusable.is_empty() {
                    let endings = walk::IMAGE_EXTENSIONS.join(", ");
                    self.fail(argument, &format_args!("there is no image ({endings}) in it"));
                }
                let below = |file: &PathBuf| length(file) - length(file.strip_prefix(argument).unwrap_or(file));
                self.below.extend(files.iter().map(below));
                self.images.extend(files);
                unusable.iter().for_each(|entry| self.fail(&entry.path, &entry.reason));
            }
            Err(error) => self.fail(argument, &error),
        }
    }

    fn fail(&mut self, path: &Path, reason: &dyn Display) {
        self.failed += 1;
        tracing::error!("cannot read {}: {reason}", printable_path(path));
    }

    /// The SHA-256 of all paths in their order, in hexadecimal digits.
    pub(super) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for path in &self.images {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update([0]);
        }
        hex(hash)
    }

    /// Those of a shard, or all of them. The others are forgotten: an archive may have millions.
    pub(super) fn share(mut self, shard: Option<Shard>) -> Share {
        let numbers = shard.map(|shard| self.of_shard(shard));
        let images = match &numbers {
            None => self.images,
            Some(numbers) => numbers.iter().map(|number| std::mem::take(&mut self.images[*number])).collect(),
        };
        Share { images, roots: self.roots, numbers }
    }

    /// The numbers of the images that are a shard's, in order.
    fn of_shard(&self, shard: Shard) -> Vec<usize> {
        let below = |index: usize| &self.images[index].as_os_str().as_encoded_bytes()[self.below[index]..];
        (0..self.images.len()).filter(|index| shard.has(number_of(below(*index)))).collect()
    }
}

#[cfg(unix)]
fn path_of(line: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    OsStr::from_bytes(line).into()
}

#[cfg(not(unix))]
fn path_of(line: &[u8]) -> PathBuf {
    String::from_utf8_lossy(line).into_owned().into()
}

/// The shard's own file beside the one that was named: `answers.csv` becomes `answers.3-of-50.csv`.
pub(super) fn file_of_shard(shard: Shard, named: &Path) -> PathBuf {
    let mut name = named.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{}-of-{}", shard.index, shard.count));
    if let Some(ending) = named.extension() {
        name.push(".");
        name.push(ending);
    }
    named.with_file_name(name)
}

/// By which number an image is of a shard: a hash of its path below the argument that it was found under.
fn number_of(below: &[u8]) -> u64 {
    Sha256::digest(below).first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The bytes of a path.
fn length(path: &Path) -> usize {
    path.as_os_str().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_images_out_nearly_evenly_and_stay_when_images_come() {
        let inputs = |count: usize| Inputs {
            images: (0..count).map(|i| format!("/archive/{i}.png").into()).collect(),
            below: vec!["/archive/".len(); count],
            failed: 0,
            roots: Vec::new(),
        };
        let shards: Vec<Vec<usize>> = (0..8).map(|index| inputs(8000).of_shard(Shard { index, count: 8 })).collect();
        let mut all = shards.concat();
        all.sort_unstable();
        assert_eq!(all, (0..8000).collect::<Vec<_>>());
        assert!(shards.iter().all(|shard| (900..1100).contains(&shard.len())), "{:?}", shards.iter().map(Vec::len));
        let grown = inputs(9000).of_shard(Shard { index: 3, count: 8 });
        assert_eq!(grown[..shards[3].len()], shards[3]);
    }

    #[test]
    fn the_file_of_a_shard_has_it_in_its_name() {
        let shard = Shard { index: 3, count: 50 };
        assert_eq!(file_of_shard(shard, Path::new("out/answers.csv")), Path::new("out/answers.3-of-50.csv"));
        assert_eq!(file_of_shard(shard, Path::new("answers")), Path::new("answers.3-of-50"));
    }
}
