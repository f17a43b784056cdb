//! Who may ask: the token, and other sites' scripts.

use super::client::Answer;
use super::drawn::noise;
use super::service::{Service, refused_start};

const TOKEN: &str = "s3cret-token";

#[test]
fn with_a_token_predictions_are_for_those_who_show_it() {
    let service = Service::start_with(&[("LOBULE_TOKEN", TOKEN)], &[]);
    let predict = |path: &str| service.call("POST", path).image(noise(16));
    for path in ["/predict", "/predict/batch"] {
        for header in ["", "Bearer wrong", "Basic czNjcmV0", TOKEN] {
            let answer = predict(path).header("authorization", header).send();
            assert_eq!(answer.problem(), (401, "unauthorized".into()), "{path} {header:?}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
        assert_eq!(predict(path).header("authorization", &format!("Bearer {TOKEN}")).send().status, 200, "{path}");
    }
    for (path, status) in
        [("/metrics", 401), ("/model", 401), ("/", 200), ("/health", 200), ("/ready", 200), ("/openapi.json", 200)]
    {
        assert_eq!(service.get(path).send().status, status, "{path}");
    }
    let page = service.get("/").header("accept", "text/html").send();
    assert!(page.body.contains("id=\"token\""), "the page asks for it");
    let log = service.log();
    assert!(log.contains("token=true") && !log.contains(TOKEN), "{log}");
}

#[test]
fn an_invalid_token_ends_the_start_and_is_not_shown() {
    for bad in ["", "two words", "ümlaut"] {
        let (code, text) = refused_start(&[("LOBULE_TOKEN", bad)], &[]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("the variable LOBULE_TOKEN cannot be used"), "{text}");
        assert!(bad.is_empty() || !text.contains(bad), "{text}");
    }
}

fn preflight(service: &Service, path: &str, origin: &str) -> Answer {
    service
        .call("OPTIONS", path)
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
    let answer = service.predict().header("origin", "https://example.org").image(noise(8));
    assert_eq!(answer.send().header("access-control-allow-origin"), "");

    let service = Service::start(&["--origin", "https://example.org,http://localhost:3000"]);
    for origin in ["https://example.org", "http://localhost:3000"] {
        let answer = preflight(&service, "/predict", origin);
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-allow-methods"), "POST");
        assert!(answer.header("access-control-allow-headers").contains("authorization"));
        for body in [noise(8), b"no image".to_vec()] {
            let answer = service.predict().header("origin", origin).image(body).send();
            assert_eq!(answer.header("access-control-allow-origin"), origin, "errors can be read too");
            assert!(answer.header("vary").contains("origin"));
        }
    }
    let stranger = preflight(&service, "/predict", "https://example.com");
    assert_eq!((stranger.status.as_u16(), stranger.header("access-control-allow-origin")), (405, ""));

    for bad in ["*", "https://example.org/", "https://example.org,https://Example.org"] {
        let (code, text) = refused_start(&[], &["--origin", bad]);
        assert!(code == Some(2) && text.contains("an origin is a scheme and a host"), "{bad}: {text}");
    }
}
