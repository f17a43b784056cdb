//! `lobule quantise`: whole numbers for a weights file, and what they are worth.

use lobule::model::WeightsFile;

use crate::support::{breakhis_tree, complaint, json, lobule, printed, small_network, text};

#[test]
fn a_file_gets_whole_numbers_that_answer_nearly_as_floating_point_ones_do() {
    let (tree, folder) = (breakhis_tree(), tempfile::tempdir().unwrap());
    let network = small_network(folder.path());
    let target = folder.path().join("whole.safetensors");
    let data = text(tree.path());
    let said = printed(&["quantise", "--weights", text(&network), "--data", data, "-o", text(&target)]);
    assert!(said.contains("largest distance of a probability") && said.contains("NOT passed"), "{said}");

    let (before, after) = (WeightsFile::read(&network).unwrap(), WeightsFile::read(&target).unwrap());
    assert_eq!(before.tensors, after.tensors);
    let found = after.metadata.quantisation.unwrap();
    assert!(found.images > 0 && found.largest < 0.03 && found.changed_far == 0, "{found:?}");

    let precision = |choice: &str| {
        let arguments = ["bench", "--weights", text(&target), "--images", "1", "--json"];
        let output = lobule(&arguments).env("LOBULE_PRECISION", choice).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["precision"].clone()
    };
    // So few images say too little for whole numbers to be taken unasked.
    assert_eq!([precision("int8"), precision("auto"), precision("f32")], ["int8", "f32", "f32"]);
    assert_eq!(json(&["bench", "--weights", text(&network), "--images", "1", "--json"])["precision"], "f32");
}

#[test]
fn a_precision_that_there_is_not_is_refused() {
    let refused = |precision: &str, arguments: &[&str]| {
        let output = lobule(arguments).env("LOBULE_PRECISION", precision).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("bf16", &["bench", "--images", "1"]).contains("auto, f32 or int8"));
    let folder = tempfile::tempdir().unwrap();
    let network = small_network(folder.path());
    let said = refused("int8", &["bench", "--weights", text(&network), "--images", "1"]);
    assert!(said.contains("lobule quantise"), "{said}");
    let missing = complaint(&["quantise", "--data", "/nowhere", "-o", text(&folder.path().join("a"))]);
    assert!(missing.contains("/nowhere"), "{missing}");
}
