//! The PNGs of `lobule predict --heatmap`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::explain::{explain_views, overlay};
use crate::model::{Classifier, ModelError, Prediction};
use crate::pixels::{Dihedral, RgbImage};
use crate::system::{printable_path, write_whole};

/// Letters of an image's name that its heatmap's has too.
const MOST_LETTERS: usize = 100;

/// The files that heatmaps go to, one an image, in the images' order.
pub(super) struct Heatmaps {
    paths: Vec<PathBuf>,
}

impl Heatmaps {
    /// Makes the folder where it is missing, and a name for each image.
    ///
    /// # Errors
    /// When the network has no taps, or the folder cannot be made.
    pub(super) fn new(folder: &Path, classifier: &Classifier, images: &[PathBuf]) -> anyhow::Result<Self> {
        if !classifier.can_explain() {
            return Err(ModelError::NoTaps(classifier.id().name.clone()).into());
        }
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {} for heatmaps", printable_path(folder)))?;
        let inputs: HashSet<PathBuf> = images.iter().filter_map(|image| image.canonicalize().ok()).collect();
        let is_input = |name: &str| folder.join(name).canonicalize().is_ok_and(|path| inputs.contains(&path));
        let mut taken = HashSet::new();
        let paths = images.iter().map(|image| folder.join(file_name(image, &mut taken, is_input))).collect();
        Ok(Self { paths })
    }

    /// The file of the image with this number, from 0.
    pub(super) fn path(&self, image: usize) -> PathBuf {
        self.paths[image].clone()
    }
}

/// The image's name in letters that every file system takes, and a number behind it where another image has that
/// already, or a file that is to be classified itself; capital letters make no difference to some file systems.
fn file_name(image: &Path, taken: &mut HashSet<String>, is_input: impl Fn(&str) -> bool) -> String {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let safe = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    let stem: String = stem.chars().take(MOST_LETTERS).map(safe).collect();
    let stem = stem.trim_start_matches('.');
    let stem = if stem.is_empty() { "image" } else { stem };
    let mut name = format!("{stem}.heatmap.png");
    let mut number = 1;
    while is_input(&name) || !taken.insert(name.to_ascii_lowercase()) {
        number += 1;
        name = format!("{stem}-{number}.heatmap.png");
    }
    name
}

/// Classifies an image and writes its heatmap; gives what the ends of its scale are.
///
/// # Errors
/// When the network fails on the image, or the file cannot be written.
pub(super) fn write(
    classifier: &Classifier,
    image: &RgbImage,
    views: &[Dihedral],
    to: &Path,
) -> anyhow::Result<(Prediction, f64)> {
    let (prediction, heatmap) = explain_views(classifier, image, views)?;
    let png = overlay(image, &heatmap)?;
    write_whole(to, &png).with_context(|| format!("cannot write the heatmap {}", printable_path(to)))?;
    Ok((prediction, heatmap.range()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_has_a_safe_name_of_its_own() {
        let mut taken = HashSet::new();
        let is_input = |name: &str| name == "input.heatmap.png";
        let mut name = |image: &str| file_name(Path::new(image), &mut taken, is_input);
        assert_eq!(name("a/one.png"), "one.heatmap.png");
        assert_eq!(name("b/one.tif"), "one-2.heatmap.png");
        assert_eq!(name("b/ONE.tif"), "ONE-3.heatmap.png");
        assert_eq!(name("one-2.bmp"), "one-2-2.heatmap.png");
        assert_eq!(name("c/\u{1b}[2J \u{202e}ä.png"), "__2J___.heatmap.png");
        assert_eq!(name("d/...png"), "image.heatmap.png");
        assert_eq!(name(".."), "image-2.heatmap.png");
        assert_eq!(name("input.png"), "input-2.heatmap.png", "no image that is to be classified is overwritten");
        assert_eq!(name(&"x".repeat(250)).len(), MOST_LETTERS + ".heatmap.png".len());
    }
}
