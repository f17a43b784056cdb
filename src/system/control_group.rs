//! Linux's control groups: where the files of those around this process lie.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// A hierarchy of control groups.
pub(super) struct Hierarchy {
    /// Where its root is mounted.
    pub(super) mount: &'static str,
    /// The controller that `/proc/self/cgroup` names in the line of the process's group; none in version 2.
    pub(super) controller: &'static str,
}

/// A file system with these files, for tests.
#[cfg(test)]
pub(super) fn file_system<'a>(files: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

impl Hierarchy {
    /// The folders of the process's own group and of all above it, of a file system that begins at `root`. Some of them
    /// may not be there.
    pub(super) fn folders(&self, root: &Path) -> Vec<PathBuf> {
        let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let group = own.lines().find_map(|line| {
            let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == self.controller).then(|| group.trim_start_matches('/'))
        });
        // In a container the path may be that on its host, of which nothing is there but the mount's root.
        let group = Path::new(group.unwrap_or_default());
        let inside = |path: &&Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        let mount = root.join(self.mount);
        group.ancestors().filter(inside).map(|group| mount.join(group)).collect()
    }
}
