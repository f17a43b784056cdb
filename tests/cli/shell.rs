//! Completions and the manual.

use crate::support::{complaint, printed};

#[test]
fn every_command_is_completed_and_has_its_page() {
    let (bash, manual) = (printed(&["completions", "bash"]), printed(&["man"]));
    for command in ["dataset", "predict", "evaluate", "train", "compare", "bench", "serve"] {
        assert!(bash.contains(&format!("lobule,{command})")), "{command}");
        assert!(manual.contains(&format!(".TH lobule-{command} 1")), "{command}");
    }
    assert!(manual.contains(r"\-\-queue\-timeout"), "the arguments are there");
    assert!(complaint(&["completions", "cmd"]).contains("possible values: bash"), "an unknown shell");
}
