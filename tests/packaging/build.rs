//! A build by the buildpack in folders of its own, as the lifecycle runs one: detect, then build, with an environment
//! that holds nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use walkdir::WalkDir;

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
        for folder in ["workspace", "layers", "platform/env", "home", "tools"] {
            fs::create_dir_all(build.path(folder)).unwrap();
        }
        upload::copy_to(&build.path("workspace"));
        let copied = Command::new("cp").arg("-r").arg(root().join("buildpack")).arg(build.path("buildpack")).status();
        assert!(copied.unwrap().success());
        build
    }

    /// With another text in the place of one of the buildpack's scripts.
    pub(crate) fn with_script(name: &str, text: &str) -> Self {
        let build = Self::new();
        build.write_program(&format!("buildpack/bin/{name}"), text);
        build
    }

    /// From here on programs run as a user without rights, where there is a choice.
    pub(crate) fn drop_privileges(&mut self) {
        self.unprivileged =
            self.folder.path().metadata().is_ok_and(|folder| std::os::unix::fs::MetadataExt::uid(&folder) == 0);
        if self.unprivileged {
            for entry in WalkDir::new(self.folder.path()) {
                chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
    }

    /// Gives a folder to whom programs run as.
    pub(crate) fn give_away(&self, folder: &Path) {
        if self.unprivileged {
            chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// A path below the build's folder: `workspace` has the sources, which the build is run in, and `tools` is where
    /// programs can be put that the build shall find first; `layers`, `platform` and `buildpack` are the lifecycle's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write_program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A program in the sources' folder, with nothing in its environment that was not put there here.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("workspace")).env_clear();
        command.env("PATH", format!("{}:{PATH}", self.path("tools").display())).env("HOME", self.path("home"));
        if self.unprivileged {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs `detect` or `build` with variables that a user has set.
    pub(crate) fn run(&self, script: &str, variables: &[(&str, &Path)]) -> Output {
        self.command(self.path("buildpack/bin").join(script))
            .env("CNB_BUILDPACK_DIR", self.path("buildpack"))
            .env("CNB_PLATFORM_DIR", self.path("platform"))
            .env("CNB_LAYERS_DIR", self.path("layers"))
            .env("CNB_BP_PLAN_PATH", self.path("plan.toml"))
            .env("CNB_BUILD_PLAN_PATH", self.path("plan.toml"))
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    /// The variables that a launched program has by default, as the launcher reads them from the layer.
    pub(crate) fn launch_variables(&self) -> Vec<(String, String)> {
        let files = fs::read_dir(self.path("layers/lobule/env.launch")).unwrap();
        let variable = |file: PathBuf| {
            assert_eq!(file.extension().unwrap(), "default", "{}", file.display());
            Some((file.file_stem()?.to_str()?.to_owned(), fs::read_to_string(file).ok()?))
        };
        files.filter_map(|file| variable(file.unwrap().path())).collect()
    }

    /// Keeps what the image of the service would have: the launch layers and what is left of the sources.
    pub(crate) fn keep_launch_layers(&self) {
        for folder in ["layers/toolchain", "layers/target", "buildpack", "tools"] {
            fs::remove_dir_all(self.path(folder)).unwrap();
        }
    }
}

/// The compiler's folder; `rustc` and `cargo` are in its `bin`.
pub(crate) fn sysroot() -> PathBuf {
    let rustc = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root()).output().unwrap();
    assert!(rustc.status.success(), "{rustc:?}");
    PathBuf::from(String::from_utf8(rustc.stdout).unwrap().trim())
}
