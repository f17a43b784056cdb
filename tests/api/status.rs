//! `GET /`, `/health`, `/ready`, and what every answer has.

use super::client::{call, get};
use super::service::Service;

#[test]
fn the_root_is_a_status_for_a_program_and_a_page_for_a_browser() {
    let service = Service::start(&[]);
    for accept in ["*/*", "application/json"] {
        let status = get(&service.address, "/").header("accept", accept).send();
        assert_eq!((status.status.as_u16(), status.header("content-type")), (200, "application/json"));
        assert_eq!(status.json()["version"], env!("CARGO_PKG_VERSION"));
    }

    let page = get(&service.address, "/").header("accept", "text/html,application/xhtml+xml,*/*;q=0.8").send();
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.body.contains("<form") && page.body.contains("enctype=\"multipart/form-data\""));
    assert!(page.body.contains(lobule::diagnosis::RESEARCH_USE));
    assert!(!page.body.contains("https://"), "nothing comes from other hosts");
}

#[test]
fn the_service_is_alive_and_ready() {
    let service = Service::start(&[]);
    assert_eq!(get(&service.address, "/health").send().json()["status"], "alive");
    assert_eq!(get(&service.address, "/ready").send().json()["status"], "ready");
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
        let whole = get(&service.address, path).send();
        for head in [call("HEAD", &service.address, path).send(), call("HEAD", &service.address, path).send_h2c()] {
            assert_eq!(head.status, 200, "{path}");
            assert_eq!(head.body, "", "{path}");
            assert_eq!(head.header("content-length"), whole.body.len().to_string(), "{path}");
        }
    }
}

#[test]
fn every_answer_has_the_security_headers_and_a_request_id() {
    let service = Service::start(&[]);
    for path in ["/", "/ready", "/nowhere"] {
        let answer = get(&service.address, path).send();
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
    let kept = get(&service.address, "/ready").header("x-request-id", "trace-7.a_B").send();
    assert_eq!(kept.header("x-request-id"), "trace-7.a_B");
    service.wait_for_log("trace-7.a_B");
    let replaced = get(&service.address, "/ready").header("x-request-id", "a \"b\" <c>").send();
    assert_eq!(replaced.header("x-request-id").len(), 16);
}
