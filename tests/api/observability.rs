//! What a deployer sees of the service: the network's description, metrics, and the log's traces.

use serde_json::Value;

use super::client::{get, post};
use super::drawn::noise;
use super::service::Service;

#[test]
fn the_network_describes_itself() {
    let service = Service::start(&[]);
    let model = get(&service.address, "/model").send().json();
    assert_eq!(model["name"], "lobule-best");
    assert_eq!(model["thresholds"]["default"], 0.5);
    assert_eq!(model["preprocess"]["size"], 128);
    assert!(model["provenance"]["data"].as_str().unwrap().contains("BreakHis"), "{model}");
    assert!(model["intended_use"].as_str().unwrap().starts_with("Research"));
}

/// The value of a metric whose line begins so.
fn metric(text: &str, line: &str) -> Option<f64> {
    text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
}

#[test]
fn metrics_count_requests_images_and_phases_and_nothing_of_a_client() {
    let service = Service::start(&[]);
    for _ in 0..3 {
        post(&service.address, "/predict").body("image/png", noise(16)).send();
    }
    post(&service.address, "/predict").body("image/png", "no image").send();
    get(&service.address, "/Jane_Doe").send();
    let answer = get(&service.address, "/metrics").send();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = &answer.body;
    for (line, value) in [
        ("lobule_requests_total{route=\"/predict\",status=\"200\"}", 3.0),
        ("lobule_requests_total{route=\"/predict\",status=\"415\"}", 1.0),
        ("lobule_requests_total{route=\"unknown\",status=\"404\"}", 1.0),
        ("lobule_request_duration_seconds_count{route=\"/predict\"}", 4.0),
        ("lobule_phase_duration_seconds_count{phase=\"read\"}", 4.0),
        ("lobule_phase_duration_seconds_count{phase=\"inference\"}", 3.0),
        ("lobule_requests_in_flight", 1.0),
        ("lobule_queue_waiting", 0.0),
        ("lobule_upload_memory_bytes", 0.0),
        ("lobule_connections_refused_total", 0.0),
    ] {
        assert_eq!(metric(text, line), Some(value), "{line}\n{text}");
    }
    let classified: f64 = ["benign", "malignant"]
        .iter()
        .filter_map(|label| metric(text, &format!("lobule_predictions_total{{label=\"{label}\"}}")))
        .sum();
    assert_eq!(classified, 3.0, "{text}");
    assert!(text.contains("lobule_build_info{version=\"") && text.ends_with("# EOF\n"), "{text}");
    assert!(!text.contains("Jane"), "{text}");
}

#[test]
fn on_cloud_run_a_log_line_carries_the_trace_and_the_request() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let service = Service::start_with(&[("K_SERVICE", "lobule"), ("GOOGLE_CLOUD_PROJECT", "clinic")], &[]);
    let image = noise(16);
    let length = image.len().to_string();
    post(&service.address, "/predict")
        .header("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .header("x-request-id", "traced")
        .header("content-length", &length)
        .body("image/png", image)
        .send();
    let line: Value = serde_json::from_str(&service.wait_for_log("traced")).unwrap();
    assert_eq!(line["logging.googleapis.com/trace"], format!("projects/clinic/traces/{TRACE}"));
    assert_eq!(line["logging.googleapis.com/spanId"], "00f067aa0ba902b7");
    assert_eq!(line["logging.googleapis.com/trace_sampled"], true);
    let request = &line["httpRequest"];
    assert_eq!((&request["requestMethod"], &request["status"]), (&"POST".into(), &200.into()), "{line}");
    assert_eq!((&request["requestUrl"], &request["requestSize"]), (&"/predict".into(), &length.into()), "{line}");
    assert!(request["latency"].as_str().unwrap().ends_with('s'), "{line}");
    for phase in ["read_ms", "queue_ms", "decode_ms", "inference_ms", "total_ms"] {
        assert!(line[phase].is_f64(), "{phase}: {line}");
    }
}
