//! `project.toml`, as the `pack` of Google Cloud Build (0.28) understands it.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use toml::Table;

use super::{hold, root};

/// The group that works: ours, then the builder's own for the Procfile and for labels. An entry by id alone is refused,
/// and one by id and version must be published somewhere.
///
/// Nothing stands beside it: `builder`, `include`, `exclude`, `pre` and `post` have each their own way to break a
/// deploy, and the variable `GOOGLE_ENTRYPOINT` beats the Procfile.
const IO: &str = r#"
[[buildpacks.group]]
uri = "buildpack"
[[buildpacks.group]]
uri = "urn:cnb:builder:google.config.entrypoint"
[[buildpacks.group]]
uri = "urn:cnb:builder:google.utils.label-image"
"#;

fn check(text: &str) -> anyhow::Result<()> {
    let keys = |table: &Table| table.keys().cloned().collect::<BTreeSet<_>>();
    let project: Table = toml::from_str(text)?;
    ensure!(keys(&project) == ["_", "io"].map(str::to_owned).into(), "the tables are {:?}", keys(&project));
    let head = project["_"].as_table().context("_ is no table")?;
    let known = ["id", "licenses", "name", "schema-version", "version"].map(str::to_owned);
    ensure!(keys(head) == known.into(), "_ holds {:?}", keys(head));
    let (schema, version) = (&head["schema-version"], &head["version"]);
    ensure!(schema.as_str() == Some("0.2"), "schema {schema} is not one whose groups that pack reads");
    ensure!(version.as_str() == Some(env!("CARGO_PKG_VERSION")), "version {version} is not the program's");
    let io: toml::Value = toml::from_str(IO)?;
    ensure!(project["io"] == io, "io is {}, not {io}", project["io"]);
    ensure!(root().join("buildpack/buildpack.toml").is_file(), "buildpack is no buildpack");
    Ok(())
}

#[test]
fn the_old_pack_understands_it() {
    const OWN: &str = "uri = \"buildpack\"\n";
    hold(
        "project.toml",
        check,
        &[
            ("a schema that is too new", "\"0.2\"", "\"0.3\""),
            ("another version than the program's", "\nversion = \"", "\nversion = \"9"),
            ("a word that pack does not know", "id =", "author = \"x\"\nid ="),
            ("no group, for which the builder knows no Rust", "[[io.buildpacks.group]]", "[[io.buildpacks.groups]]"),
            ("a builder of its own", "[[io", "[io.buildpacks]\nbuilder = \"x\"\n[[io"),
            ("variables where they are ignored", "[[io", "[[build.env]]\nname = \"A\"\nvalue = \"b\"\n[[io"),
            ("an empty include", "[[io", "[io.buildpacks]\ninclude = []\nexclude = [\"target\"]\n[[io"),
            ("a group before", "[[io.buildpacks.group]]", "[[io.buildpacks.pre.group]]"),
            ("a group after", "[[io.buildpacks.group]]", "[[io.buildpacks.post.group]]"),
            ("an id without a version", OWN, "id = \"lobule/rust\"\n"),
            ("a folder that is not there", OWN, "uri = \"buildpacks\"\n"),
            ("an entry that is not the builder's", "google.config.entrypoint", "google.config.procfile"),
            ("no Procfile read", "uri = \"urn:cnb:builder:google.config.entrypoint\"", "uri = \"buildpack\""),
            (
                "a command that beats the Procfile",
                "[[io",
                "[[io.buildpacks.build.env]]\nname = \"GOOGLE_ENTRYPOINT\"\nvalue = \"x\"\n[[io",
            ),
        ],
    );
}
