//! A build by the buildpack in folders of its own, as the lifecycle runs one: detect, then build, with an environment
//! that holds nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{root, upload};

/// Whom a program runs as where the tests run as root: somebody who owns nothing.
const NOBODY: u32 = 65534;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The folders of a build.
pub(crate) struct Build {
    folder: TempDir,
    unprivileged: bool,
}

impl Build {
    /// Lays out what the lifecycle finds: the upload in one folder, the buildpack in another.
    pub(crate) fn new() -> Self {
        let build = Self { folder: tempfile::tempdir().unwrap(), unprivileged: false };
        for folder in
            [build.app(), build.layers(), build.platform().join("env"), build.path("home"), build.path("tools")]
        {
            fs::create_dir_all(folder).unwrap();
        }
        upload::copy_to(&build.app());
        let copied = Command::new("cp").arg("-r").arg(root().join("buildpack")).arg(build.path("buildpack")).status();
        assert!(copied.unwrap().success());
        build
    }

    /// From here on programs run as a user without rights, where there is a choice.
    pub(crate) fn drop_privileges(&mut self) {
        self.unprivileged =
            self.folder.path().metadata().is_ok_and(|folder| std::os::unix::fs::MetadataExt::uid(&folder) == 0);
        if self.unprivileged {
            for folder in [self.path(""), self.app(), self.layers(), self.path("home")] {
                give_away(&folder);
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The sources, which the build is run in.
    pub(crate) fn app(&self) -> PathBuf {
        self.path("workspace")
    }

    pub(crate) fn layers(&self) -> PathBuf {
        self.path("layers")
    }

    pub(crate) fn platform(&self) -> PathBuf {
        self.path("platform")
    }

    /// Where programs can be put that the build shall find first.
    pub(crate) fn tools(&self) -> PathBuf {
        self.path("tools")
    }

    /// The scripts of the buildpack.
    pub(crate) fn script(&self, name: &str) -> PathBuf {
        self.path("buildpack/bin").join(name)
    }

    /// Writes a program.
    pub(crate) fn write_program(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program in the sources' folder, with nothing in its environment that was not put there here.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.app()).env_clear();
        command.env("PATH", format!("{}:{PATH}", self.tools().display())).env("HOME", self.path("home"));
        if self.unprivileged {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs `detect` or `build` with variables that a user has set.
    pub(crate) fn run(&self, script: &str, variables: &[(&str, &Path)]) -> Output {
        let mut command = self.command(self.script(script));
        command
            .env("CNB_BUILDPACK_DIR", self.path("buildpack"))
            .env("CNB_PLATFORM_DIR", self.platform())
            .env("CNB_LAYERS_DIR", self.layers())
            .env("CNB_BP_PLAN_PATH", self.path("plan.toml"))
            .env("CNB_BUILD_PLAN_PATH", self.path("plan.toml"))
            .envs(variables.iter().copied());
        command.output().unwrap()
    }

    /// The variables that a launched program has by default, as the launcher reads them from the layer.
    pub(crate) fn launch_variables(&self) -> Vec<(String, String)> {
        let files = fs::read_dir(self.layers().join("lobule/env.launch")).unwrap();
        let variable = |file: PathBuf| {
            assert_eq!(file.extension().unwrap(), "default", "{}", file.display());
            Some((file.file_stem()?.to_str()?.to_owned(), fs::read_to_string(file).ok()?))
        };
        files.filter_map(|file| variable(file.unwrap().path())).collect()
    }

    /// Keeps what the image of the service would have: the launch layers and what is left of the sources.
    pub(crate) fn keep_launch_layers(&self) {
        for layer in ["toolchain", "target"] {
            fs::remove_dir_all(self.layers().join(layer)).unwrap();
        }
        fs::remove_dir_all(self.path("buildpack")).unwrap();
        fs::remove_dir_all(self.tools()).unwrap();
    }
}

/// Makes a folder and all in it somebody else's.
fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    let Ok(folder) = fs::read_dir(path) else { return };
    for entry in folder {
        let path = entry.unwrap().path();
        if path.is_dir() { give_away(&path) } else { chown(&path, Some(NOBODY), Some(NOBODY)).unwrap() }
    }
}

/// The compiler's folder; `rustc` and `cargo` are in its `bin`.
pub(crate) fn sysroot() -> PathBuf {
    let rustc = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root()).output().unwrap();
    assert!(rustc.status.success(), "{rustc:?}");
    PathBuf::from(String::from_utf8(rustc.stdout).unwrap().trim())
}
