//! Who may ask: the token, and other sites' scripts.

use super::client::{Answer, call, get, post};
use super::drawn::noise;
use super::service::{Service, lobule, run_to_its_end};

const TOKEN: &str = "s3cret-token";

fn guarded() -> Service {
    let mut command = lobule();
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("LOBULE_TOKEN", TOKEN);
    Service::spawn(command)
}

#[test]
fn with_a_token_predictions_are_for_those_who_show_it() {
    let service = guarded();
    let predict = |path: &str| post(&service.address, path).body("image/png", noise(16));
    for path in ["/predict", "/predict/batch"] {
        for header in ["", "Bearer wrong", "Basic czNjcmV0", TOKEN] {
            let answer = predict(path).header("authorization", header).send();
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "unauthorized"), "{path} {header:?}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
        assert_eq!(predict(path).header("authorization", &format!("Bearer {TOKEN}")).send().status, 200, "{path}");
    }
    for (path, status) in
        [("/metrics", 401), ("/model", 401), ("/", 200), ("/health", 200), ("/ready", 200), ("/openapi.json", 200)]
    {
        assert_eq!(get(&service.address, path).send().status, status, "{path}");
    }
    let page = get(&service.address, "/").header("accept", "text/html").send();
    assert!(page.body.contains("id=\"token\""), "the page asks for it");
    let log = service.log();
    assert!(log.contains("token=true") && !log.contains(TOKEN), "{log}");
}

#[test]
fn a_token_that_is_none_ends_the_start_and_is_not_told() {
    for bad in ["", "two words", "ümlaut"] {
        let mut command = lobule();
        command.args(["serve", "--listen", "127.0.0.1:0"]).env("LOBULE_TOKEN", bad);
        let (status, text) = run_to_its_end(command);
        assert_eq!(status.code(), Some(1), "{text}");
        assert!(text.contains("the variable LOBULE_TOKEN cannot be used"), "{text}");
        assert!(bad.is_empty() || !text.contains(bad), "{text}");
    }
}

fn preflight(service: &Service, path: &str, origin: &str) -> Answer {
    call("OPTIONS", &service.address, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization")
        .send()
}

#[test]
fn no_other_sites_script_is_let_in_unless_it_is_named() {
    let service = Service::start(&[]);
    let answer = preflight(&service, "/predict", "https://example.org");
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (405, ""));
    let answer = post(&service.address, "/predict").header("origin", "https://example.org").body("image/png", noise(8));
    assert_eq!(answer.send().header("access-control-allow-origin"), "");

    let service = Service::start(&["--origin", "https://example.org,http://localhost:3000"]);
    for origin in ["https://example.org", "http://localhost:3000"] {
        let answer = preflight(&service, "/predict", origin);
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-allow-methods"), "POST");
        assert!(answer.header("access-control-allow-headers").contains("authorization"));
        for body in [noise(8), b"no image".to_vec()] {
            let answer = post(&service.address, "/predict").header("origin", origin).body("image/png", body).send();
            assert_eq!(answer.header("access-control-allow-origin"), origin, "errors can be read too");
            assert!(answer.header("vary").contains("origin"));
        }
    }
    let stranger = preflight(&service, "/predict", "https://example.com");
    assert_eq!((stranger.status.as_u16(), stranger.header("access-control-allow-origin")), (405, ""));

    let mut command = lobule();
    command.args(["serve", "--listen", "127.0.0.1:0", "--origin", "*"]);
    let (status, text) = run_to_its_end(command);
    assert!(status.code() == Some(2) && text.contains("an origin is a scheme and a host"), "{text}");
}
