//! `lobule bench`.

use serde_json::Value;

use crate::support::{complaint, draw, json, printed, text};

/// Checks the percentiles of a latency.
fn assert_rising(latency: &Value) {
    let time = |name: &str| latency[name].as_f64().unwrap();
    assert!(0.0 < time("p50") && time("p50") <= time("p90") && time("p90") <= time("p99"), "{latency}");
}

#[test]
fn the_json_holds_what_the_contract_names() {
    let report = json(&["bench", "--images", "3", "--threads", "2", "--json"]);
    assert_eq!((report["threads"].as_u64(), report["images"].as_u64()), (Some(2), Some(3)));
    assert_rising(&report["latency_ms"]);
    assert!(report["images_per_second"].as_f64().unwrap() > 0.0);
    assert!(["avx512", "avx-vnni", "avx2", "portable"].contains(&report["simd"].as_str().unwrap()));
    assert!(["f32", "int8"].contains(&report["precision"].as_str().unwrap()));
    assert_eq!(report.as_object().unwrap().len(), 6);
}

#[test]
fn what_cannot_be_timed_is_refused_by_name() {
    assert!(complaint(&["bench", "--images", "0"]).contains("--images"));
    assert!(complaint(&["bench", "--threads", "0"]).contains("--threads"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.png");
    std::fs::write(&file, "To whom it may concern").unwrap();
    assert!(complaint(&["bench", "--decode", text(&file)]).contains("letter.png"));
}

#[test]
fn the_roofline_counts_the_work_of_each_step() {
    let report = json(&["bench", "--roofline", "--images", "2", "--json"]);
    let steps = report["steps"].as_array().unwrap();
    // Stem or transition, 1x1 and 3x3 of each of four blocks, and the sum.
    assert_eq!(steps.len(), 13);
    let operations = |index: usize| steps[index]["million_operations"].as_f64().unwrap();
    // 64x64 positions of a 7x7 kernel on three channels, 64 filters, two operations each.
    assert!((operations(0) - 2.0 * 4096.0 * 147.0 * 64.0 / 1e6).abs() < 1e-9);
    assert!((operations(12) - (0..12).map(operations).sum::<f64>()).abs() < 1e-6);
    assert!(steps.iter().all(|step| step["share_of_peak"].as_f64().unwrap() > 0.0));
    assert!(printed(&["bench", "--roofline", "--images", "1"]).contains("block 4, 3x3"));
}

#[test]
fn the_way_of_one_image_to_the_network_is_timed_in_two_steps() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slide.png");
    draw(&file, 77);
    let report = json(&["bench", "--decode", text(&file), "--images", "3", "--json"]);
    assert_eq!((report["file"].as_str(), report["images"].as_u64()), (Some(text(&file)), Some(3)));
    assert_rising(&report["decode_ms"]);
    assert_rising(&report["tensor_ms"]);
    assert_eq!(report.as_object().unwrap().len(), 4);
    let lines = printed(&["bench", "--decode", text(&file), "--images", "1"]);
    assert!(lines.contains("\ndecode  p50 ") && lines.contains("\ntensor  p50 "), "{lines}");
}

#[test]
fn a_step_of_training_is_timed() {
    let report = json(&["bench", "--train", "--batch", "2", "--steps", "1", "--threads", "2", "--json"]);
    assert_eq!([&report["batch"], &report["steps"], &report["threads"]], [2, 1, 2]);
    assert!(report["images_per_second"].as_f64().unwrap() > 0.0);
    assert!(report["step_ms"]["p50"].as_f64().unwrap() > 0.0);
    assert!(complaint(&["bench", "--steps", "1"]).contains("--train"));
    for other in [&["--roofline"][..], &["--decode", "slide.png"]] {
        assert!(complaint(&[&["bench", "--train"], other].concat()).contains("cannot be used with"), "{other:?}");
    }
}
