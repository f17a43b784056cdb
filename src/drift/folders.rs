//! Counts by folder, in a memory that does not grow with the archive.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::drift::Tally;
use crate::system::path_for_programs;

/// So many folders are counted each by itself; of more, those that lie deepest are counted with their parents.
const MOST: usize = 2000;

/// What came of the images of each folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folders {
    /// How many parts of a path count, where there are too many folders to count all.
    depth: Option<usize>,
    folders: BTreeMap<String, Tally>,
}

impl Folders {
    /// The counts of the folder that an image lies in.
    pub fn of_image(&mut self, image: &Path) -> &mut Tally {
        let folder = image.parent().unwrap_or(Path::new(""));
        self.folders.entry(path_for_programs(folder).into_owned()).or_default()
    }

    /// Adds what was counted elsewhere. The order of such sums makes no difference.
    pub fn join(&mut self, other: &Self) {
        if let Some(depth) = other.depth.filter(|depth| self.depth.is_none_or(|own| own > *depth)) {
            self.cut(depth);
        }
        for (folder, tally) in &other.folders {
            let folder = self.depth.map_or_else(|| folder.clone(), |depth| first_parts(folder, depth));
            self.folders.entry(folder).or_default().join(tally);
        }
        while self.folders.len() > MOST {
            let deepest = self.folders.keys().map(|folder| Path::new(folder).components().count()).max().unwrap_or(0);
            self.cut(deepest.saturating_sub(1));
        }
    }

    fn cut(&mut self, depth: usize) {
        self.depth = Some(depth);
        for (folder, tally) in std::mem::take(&mut self.folders) {
            self.folders.entry(first_parts(&folder, depth)).or_default().join(&tally);
        }
    }

    /// Each folder with its counts, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tally)> {
        self.folders.iter().map(|(folder, tally)| (folder.as_str(), tally))
    }

    /// All folders together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.folders.values().for_each(|tally| total.join(tally));
        total
    }
}

/// The first so many parts of a path.
fn first_parts(folder: &str, depth: usize) -> String {
    Path::new(folder).components().take(depth).collect::<PathBuf>().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_folders_are_counted_with_their_parents_in_whatever_order_they_come() {
        let images: Vec<String> = (0..3 * MOST).map(|number| format!("a/{}/{number}/x.png", number % 7)).collect();
        let count = |images: &mut dyn Iterator<Item = &String>| {
            let mut folders = Folders::default();
            for image in images {
                let mut one = Folders::default();
                one.of_image(image.as_ref()).add_failure();
                folders.join(&one);
            }
            folders
        };
        let folders = count(&mut images.iter());
        assert_eq!(
            folders.iter().map(|(folder, _)| folder).collect::<Vec<_>>(),
            (0..7).map(|n| format!("a/{n}")).collect::<Vec<_>>()
        );
        assert_eq!(folders.total().failed, images.len());
        assert_eq!(count(&mut images.iter().rev()), folders);
        // Few folders stay as they are, and the images of no folder are nobody's parents.
        let few = count(&mut ["x.png".to_owned(), "b/y.png".to_owned(), "b/z.png".to_owned()].iter());
        assert_eq!(few.iter().map(|(folder, tally)| (folder, tally.failed)).collect::<Vec<_>>(), [("", 1), ("b", 2)]);
    }
}
