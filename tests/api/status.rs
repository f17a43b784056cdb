//! What the service says of itself: `GET /`, `/health`, `/ready`, `/model` and `/metrics`, what every answer has, and the
//! log's traces.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{drawn::noise, service::Service};

#[test]
fn the_root_is_a_status_for_a_program_and_a_page_for_a_browser() {
    let service = Service::start(&[]);
    for accept in ["*/*", "application/json"] {
        let status = service.get("/").header("accept", accept).send();
        assert_eq!((status.status.as_u16(), status.header("content-type")), (200, "application/json"));
        assert_eq!(status.json()["version"], env!("CARGO_PKG_VERSION"));
    }

    let page = service.get("/").header("accept", "text/html,application/xhtml+xml,*/*;q=0.8").send();
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.body.contains("<form") && page.body.contains("enctype=\"multipart/form-data\""));
    assert!(page.body.contains(lobule::diagnosis::RESEARCH_USE));
    assert!(!page.body.contains("https://"), "nothing comes from other hosts");
}

#[test]
fn the_service_is_alive_and_ready() {
    let service = Service::start(&[]);
    assert_eq!(service.get("/health").send().json()["status"], "alive");
    assert_eq!(service.get("/ready").send().json()["status"], "ready");
    let log = service.log();
    let (ready, listening) = (log.find("model ready").unwrap(), log.find("listening on").unwrap());
    assert!(ready < listening, "the model is loaded before the port is bound:\n{log}");
    let phases = log[ready..].lines().next().unwrap();
    for phase in ["model ready in ", " ms: weights ", ", layout ", ", hash ", " (beside), warm-up "] {
        let (_, rest) = phases.split_once(phase).unwrap_or_else(|| panic!("{phase:?} is missing: {phases}"));
        assert!(rest.starts_with(|first: char| first.is_ascii_digit()), "{phases}");
    }
}

#[test]
fn head_is_get_without_a_body() {
    let service = Service::start(&[]);
    for path in ["/", "/health", "/ready"] {
        let whole = service.get(path).send();
        for head in [service.call("HEAD", path).send(), service.call("HEAD", path).send_h2c()] {
            assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""), "{path}");
            assert_eq!(head.header("content-length"), whole.body.len().to_string(), "{path}");
        }
    }
}

#[test]
fn every_answer_has_the_security_headers_and_a_request_id() {
    let service = Service::start(&[]);
    for path in ["/", "/ready", "/nowhere"] {
        let answer = service.get(path).send();
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.contains("form-action 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-request-id").len(), 16);
    }
}

#[test]
fn a_request_id_of_the_client_is_kept_where_it_is_sane() {
    let service = Service::start(&[]);
    let kept = service.get("/ready").header("x-request-id", "trace-7.a_B").send();
    assert_eq!(kept.header("x-request-id"), "trace-7.a_B");
    service.wait_for_log("trace-7.a_B");
    let replaced = service.get("/ready").header("x-request-id", "a \"b\" <c>").send();
    assert_eq!(replaced.header("x-request-id").len(), 16);
}

#[test]
fn the_network_describes_itself() {
    let service = Service::start(&[]);
    let model = service.get("/model").send().json();
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
        service.predict().image(noise(16)).send();
    }
    service.predict().image("no image").send();
    service.get("/Jane_Doe").send();
    let expected = [
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
        ("lobule_slow_readers_total", 0.0),
    ];
    // A request is counted when its answer was sent, and its client may be the first to know that.
    let deadline = Instant::now() + Duration::from_secs(10);
    let text = loop {
        let answer = service.get("/metrics").send();
        assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
        let text = answer.body;
        let Some((line, value)) = expected.iter().find(|(line, value)| metric(&text, line) != Some(*value)) else {
            break text;
        };
        assert!(Instant::now() < deadline, "{line} is not {value}\n{text}");
        thread::sleep(Duration::from_millis(10));
    };
    for end in ["0.0005", "10.0", "60.0", "120.0", "240.0"] {
        let bucket = format!("lobule_request_duration_seconds_bucket{{le=\"{end}\",route=\"/predict\"}} ");
        assert!(text.contains(&bucket), "{bucket}\n{text}");
    }
    assert!(text.contains("lobule_build_info{version=\"") && text.ends_with("# EOF\n"), "{text}");
    assert!(!text.contains("Jane"), "{text}");
}

#[test]
fn on_cloud_run_a_log_line_is_a_json_object_with_the_trace_and_the_request() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let service = Service::start_with(&[("K_SERVICE", "lobule"), ("GOOGLE_CLOUD_PROJECT", "clinic")], &[]);
    let image = noise(16);
    let length = image.len().to_string();
    service
        .predict()
        .header("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .header("x-request-id", "traced")
        .header("content-length", &length)
        .image(image)
        .send();
    let line: Value = serde_json::from_str(&service.wait_for_log("traced")).unwrap();
    for line in service.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(line["severity"], "INFO");
        assert!(line["time"].is_string() && line["message"].is_string(), "{line}");
    }
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

#[cfg(feature = "train")]
#[test]
fn an_imported_network_serves_and_tells_where_it_comes_from() {
    use super::drawn::tissue;

    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keras/flat3.keras");
    let file = lobule::interchange::import(source.as_ref(), &Default::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("imported.safetensors");
    file.write_exact(&weights).unwrap();
    let service = Service::start_with(&[("LOBULE_WEIGHTS", weights.to_str().unwrap())], &[]);

    let model = service.get("/model").send().json();
    let origin = &model["origin"];
    assert!(origin["program"].as_str().unwrap().starts_with("Keras 3."), "{origin}");
    assert_eq!(origin["file"], "flat3.keras");
    assert_eq!(origin["sha256"].as_str().unwrap().len(), 64);
    let assumptions = origin["assumptions"].as_array().unwrap();
    assert!(assumptions.iter().any(|sentence| sentence.as_str().unwrap().contains("--preprocess")), "{origin}");
    assert_eq!((&model["flags"], &model["calibration"]), (&Value::Null, &Value::Null));
    let answer = service.predict().image(tissue()).send().json();
    assert_eq!((&answer["flags"], &answer["model"]["name"]), (&Value::Null, &"flat3".into()));

    assert_eq!(Service::start(&[]).get("/model").send().json()["origin"], Value::Null);
}
