//! `project.toml`, as the `pack` of Google Cloud Build (0.28) understands it.

use serde::Deserialize;

use super::{hold, root, text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Project {
    #[serde(rename = "_")]
    head: Head,
    io: Io,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "what else may stand there")]
struct Head {
    schema_version: String,
    id: String,
    name: String,
    version: String,
    licenses: Vec<License>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what else may stand there")]
struct License {
    r#type: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Io {
    buildpacks: Buildpacks,
}

/// Without `builder`, `include`, `exclude`, `pre` and `post`: each has its own way to break a deploy.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Buildpacks {
    group: Vec<Entry>,
    #[serde(default)]
    build: Build,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Build {
    #[serde(default)]
    env: Vec<Variable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what else may stand there")]
struct Variable {
    name: String,
    value: String,
}

/// An entry by id alone is refused, and one by id and version must be published somewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    uri: String,
}

/// The group that works: ours, then the builder's own for the Procfile and for labels.
const GROUP: [&str; 3] =
    ["buildpack", "urn:cnb:builder:google.config.entrypoint", "urn:cnb:builder:google.utils.label-image"];

fn check(text: &str) -> Result<(), String> {
    let project: Project = toml::from_str(text).map_err(|error| error.to_string())?;
    let version = &project.head.schema_version;
    if version != "0.2" {
        return Err(format!("schema {version} is not one whose groups that pack reads"));
    }
    let group: Vec<_> = project.io.buildpacks.group.iter().map(|entry| entry.uri.as_str()).collect();
    if group != GROUP {
        return Err(format!("the group is {group:?}, not {GROUP:?}"));
    }
    if !root().join(group[0]).join("buildpack.toml").is_file() {
        return Err(format!("{} is no buildpack", group[0]));
    }
    match project.io.buildpacks.build.env.iter().find(|variable| variable.name == "GOOGLE_ENTRYPOINT") {
        Some(_) => Err("GOOGLE_ENTRYPOINT beats the Procfile".into()),
        None => Ok(()),
    }
}

#[test]
fn the_old_pack_understands_it() {
    let own = "uri = \"buildpack\"\n";
    hold(
        "project.toml",
        check,
        &[
            ("a schema that is too new", "\"0.2\"", "\"0.3\""),
            ("no group, for which the builder knows no Rust", "[[io.buildpacks.group]]", "[[io.buildpacks.groups]]"),
            (
                "a builder of its own",
                "[[io.buildpacks.group]]",
                "[io.buildpacks]\nbuilder = \"x\"\n[[io.buildpacks.group]]",
            ),
            (
                "variables where they are ignored",
                "[[io.buildpacks.group]]",
                "[[build.env]]\nname = \"A\"\nvalue = \"b\"\n[[io.buildpacks.group]]",
            ),
            (
                "an empty include",
                "[[io.buildpacks.group]]",
                "[io.buildpacks]\ninclude = []\nexclude = [\"target\"]\n[[io.buildpacks.group]]",
            ),
            ("a group before", "[[io.buildpacks.group]]", "[[io.buildpacks.pre.group]]"),
            ("a group after", "[[io.buildpacks.group]]", "[[io.buildpacks.post.group]]"),
            ("an id without a version", own, "id = \"lobule/rust\"\n"),
            ("a folder that is not there", own, "uri = \"buildpacks\"\n"),
            ("an entry that is not the builder's", "google.config.entrypoint", "google.config.procfile"),
            ("no Procfile read", "uri = \"urn:cnb:builder:google.config.entrypoint\"", "uri = \"buildpack\""),
            (
                "a command that beats the Procfile",
                "[[io.buildpacks.group]]",
                "[[io.buildpacks.build.env]]\nname = \"GOOGLE_ENTRYPOINT\"\nvalue = \"x\"\n[[io.buildpacks.group]]",
            ),
        ],
    );
}

#[test]
fn its_version_is_the_programs() {
    let project: Project = toml::from_str(&text("project.toml")).unwrap();
    assert_eq!(project.head.version, env!("CARGO_PKG_VERSION"));
}
