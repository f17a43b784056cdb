//! `lobule bench`.

use crate::support::{complaint, printed};

#[test]
fn the_json_holds_what_the_contract_names() {
    let report: serde_json::Value =
        serde_json::from_str(&printed(&["bench", "--images", "3", "--threads", "2", "--json"])).unwrap();
    assert_eq!((report["threads"].as_u64(), report["images"].as_u64()), (Some(2), Some(3)));
    let time = |name: &str| report["latency_ms"][name].as_f64().unwrap();
    assert!(0.0 < time("p50") && time("p50") <= time("p90") && time("p90") <= time("p99"), "{report}");
    assert!(report["images_per_second"].as_f64().unwrap() > 0.0);
    assert!(["avx512", "avx2", "portable"].contains(&report["simd"].as_str().unwrap()));
    assert_eq!(report.as_object().unwrap().len(), 5);
}

#[test]
fn no_pictures_and_no_threads_are_refused() {
    assert!(complaint(&["bench", "--images", "0"]).contains("--images"));
    assert!(complaint(&["bench", "--threads", "0"]).contains("--threads"));
}
