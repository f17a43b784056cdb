//! What `--help`, completions and the manual say. `INSTA_UPDATE=always cargo test --test cli` takes other wordings over
//! into `snapshots/`.

use crate::support::{complaint, lobule, printed};

#[test]
fn every_command_has_its_help() {
    let commands =
        "|predict|dataset|dataset audit|dataset split|train|calibrate|evaluate|compare|card|export|inspect|bench|serve";
    let help = |command: &str| {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = lobule(&arguments).env("COLUMNS", "100").assert().success().get_output().stdout.clone();
        format!("$ lobule {}\n{}", arguments.join(" "), String::from_utf8(output).unwrap())
    };
    let all: Vec<String> = commands.split('|').map(help).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn every_command_is_completed_and_has_its_page() {
    let (bash, manual) = (printed(&["completions", "bash"]), printed(&["man"]));
    for command in [
        "dataset",
        "predict",
        "evaluate",
        "train",
        "calibrate",
        "compare",
        "card",
        "export",
        "inspect",
        "bench",
        "serve",
    ] {
        assert!(bash.contains(&format!("lobule,{command})")), "{command}");
        assert!(manual.contains(&format!(".TH lobule-{command} 1")), "{command}");
    }
    assert!(manual.contains(r"\-\-queue\-timeout"), "the arguments are there");
    assert!(complaint(&["completions", "cmd"]).contains("possible values: bash"), "an unknown shell");
}
