//! What `--help` says. `INSTA_UPDATE=always cargo test --test cli` takes other wordings over into `snapshots/`.

use crate::support::lobule;

#[test]
fn every_command_has_its_help() {
    let commands = "|predict|dataset|dataset audit|dataset split|train|evaluate|compare|bench|serve";
    let help = |command: &str| {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = lobule(&arguments).env("COLUMNS", "100").assert().success().get_output().stdout.clone();
        format!("$ lobule {}\n{}", arguments.join(" "), String::from_utf8(output).unwrap())
    };
    let all: Vec<String> = commands.split('|').map(help).collect();
    insta::assert_snapshot!(all.join("\n"));
}
