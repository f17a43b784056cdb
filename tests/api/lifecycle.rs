//! How the service starts, where it listens, how it logs and how it ends.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use lobule::{pixels::DecodeLimits, serve::Config};

use super::client::{READY, predict_head, raw, read_answer, read_to_the_end, try_read_answer};
use super::drawn::{large, noise};
use super::service::{Service, help, refused_start};

#[test]
fn a_signal_ends_it_with_0_though_connections_are_idle() {
    for signal in ["TERM", "INT"] {
        let service = Service::start(&[]);
        let silent = raw(&service.address, b"");
        let mut used = raw(&service.address, READY);
        read_answer(&mut used);
        let half = raw(&service.address, b"GET / HT");
        service.send_signal(signal);
        // Half a request may still become a whole one, and is waited for until the time is up.
        let (status, log) = service.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        drop((silent, half));
        assert_eq!(read_to_the_end(used), "", "the idle connection was closed in order");
    }
}

#[test]
fn a_request_in_flight_is_finished_and_new_ones_are_refused() {
    let service = Service::start(&["--threads", "1"]);
    let address = service.address.clone();
    let in_flight = service.predict().header("x-request-id", "in-flight").image(large());
    let client = thread::spawn(|| in_flight.send());
    let rest = noise(32);
    let mut slow = raw(&address, predict_head(rest.len()).as_bytes());
    thread::sleep(Duration::from_millis(300));
    service.send_signal("TERM");
    service.wait_for_log("stopping");
    TcpStream::connect(&address).expect_err("nothing listens any more");
    slow.write_all(&rest).unwrap();
    assert!(read_to_the_end(slow).starts_with("HTTP/1.1 200"), "a body that was still coming");
    assert_eq!(client.join().unwrap().status, 200);
    let (status, log) = service.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("in-flight"), "{log}");
}

#[test]
fn while_it_stops_it_is_not_ready_and_closes_connections_with_an_answer() {
    let service = Service::start(&[]);
    let mut kept = raw(&service.address, READY);
    assert!(read_answer(&mut kept).starts_with("HTTP/1.1 200"));
    let mut other = raw(&service.address, READY);
    assert!(read_answer(&mut other).starts_with("HTTP/1.1 200"));
    other.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    // A request whose first half has come is waited for, so that this test need not hurry.
    kept.write_all(b"GET /ready HTTP/1.1\r\n").unwrap();
    thread::sleep(Duration::from_millis(100));
    service.send_signal("TERM");
    service.wait_for_log("stopping");
    kept.write_all(b"Host: x\r\n\r\n").unwrap();
    let answer = read_answer(&mut kept);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"code\":\"stopping\""), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(read_to_the_end(kept), "", "and the connection ends");
    other.write_all(b"Host: x\r\n\r\n").unwrap();
    let status = read_answer(&mut other);
    assert!(status.starts_with("HTTP/1.1 200") && status.contains("\"status\":\"stopping\""), "{status}");
    assert_eq!(service.wait().0.code(), Some(0));
}

#[test]
fn clients_that_go_on_asking_lose_no_request_when_it_is_restarted() {
    let image = noise(32);
    for _ in 0..5 {
        let service = Service::start(&[]);
        let address = service.address.clone();
        let (asked, answered) = thread::scope(|scope| {
            let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| ask_until_it_is_gone(&address, &image))).collect();
            thread::sleep(Duration::from_millis(200));
            service.send_signal("TERM");
            let counts = clients.into_iter().map(|client| client.join().unwrap());
            counts.fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
        });
        let (status, log) = service.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(answered > 0 && asked == answered, "{answered} of {asked} were answered\n{log}");
    }
}

/// Posts an image again and again on connections that are kept while the service keeps them; how many requests were
/// sent on a connection that was accepted, and how many of these were answered.
fn ask_until_it_is_gone(address: &str, image: &[u8]) -> (usize, usize) {
    let message = [predict_head(image.len()).as_bytes(), image].concat();
    let (mut asked, mut answered) = (0, 0);
    while let Ok(mut stream) = TcpStream::connect(address) {
        loop {
            let sent = stream.write_all(&message).is_ok();
            asked += 1;
            let answer = if sent { try_read_answer(&mut stream) } else { None };
            let Some(answer) = answer else { return (asked, answered) };
            assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 503"), "{answer}");
            answered += 1;
            if answer.contains("connection: close") {
                break;
            }
        }
    }
    (asked, answered)
}

#[test]
fn clients_that_connect_without_end_do_not_keep_it_from_ending() {
    let service = Service::start(&[]);
    let address = service.address.clone();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| while TcpStream::connect(&address).is_ok() {});
        }
        thread::sleep(Duration::from_millis(300));
        service.send_signal("TERM");
        let (status, log) = service.wait();
        assert_eq!(status.code(), Some(0), "{log}");
    });
}

#[test]
fn connections_are_fewer_where_few_files_may_be_open_and_the_log_says_so() {
    let service = Service::start_with_open_files(140);
    let log = service.log();
    assert!(log.contains("this process may open 140 files") && log.contains("ulimit -n"), "{log}");
    assert!(log.lines().any(|line| line.contains("limits") && line.contains("connections=12 ")), "{log}");
    let mut open: Vec<_> = (0..12).map(|_| raw(&service.address, READY)).collect();
    open.iter_mut().for_each(|stream| assert!(read_answer(stream).starts_with("HTTP/1.1 200")));
    assert!(read_to_the_end(raw(&service.address, READY)).starts_with("HTTP/1.1 503"), "the next one is told");
}

#[test]
fn a_port_in_use_is_named_with_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, text) = refused_start(&[], &["--listen", &address]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("cannot listen on {address}: another program listens there already")), "{text}");
    assert!(text.contains("--listen") && text.contains("PORT"), "what to do: {text}");
}

#[test]
fn the_variable_port_overrides_the_port_of_listen() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let service = Service::start_with(&[("PORT", &free)], &["--listen", "127.0.0.1:1"]);
    assert_eq!(service.address, format!("127.0.0.1:{free}"));
    assert_eq!(service.get("/ready").send().status, 200);

    // Vertex AI's own goes before it.
    let service = Service::start_with(&[("AIP_HTTP_PORT", "0"), ("PORT", "1")], &[]);
    assert_eq!(service.get("/ready").send().status, 200);

    for name in ["PORT", "AIP_HTTP_PORT"] {
        for bad in ["http", "70000", "-1"] {
            let (code, text) = refused_start(&[(name, bad), ("PORT", bad)], &[]);
            assert_eq!(code, Some(1), "{name}={bad:?}");
            assert!(text.contains(&format!("the variable {name} is {bad:?}, which is no port")), "{text}");
        }
    }
}

#[test]
fn the_environment_says_what_the_flags_say() {
    let service = Service::start_with(&[("LOBULE_MAX_BYTES", "1000")], &[]);
    assert_eq!(service.predict().image(vec![0; 1001]).send().status, 413);
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let names = "PORT LOBULE_THREADS LOBULE_QUEUE LOBULE_BATCH LOBULE_MAX_BYTES LOBULE_MAX_PIXELS LOBULE_ORIGINS \
                 LOBULE_WEIGHTS LOBULE_LOG LOBULE_LOG_FORMAT LOBULE_SIMD LOBULE_PRECISION LOBULE_READ_TIMEOUT K_SERVICE AIP_HTTP_PORT \
                 AIP_HEALTH_ROUTE AIP_PREDICT_ROUTE";
    let empty: Vec<(&str, &str)> = names.split(' ').map(|name| (name, "")).collect();
    let service = Service::start_with(&empty, &[]);
    assert_eq!(service.get("/ready").send().status, 200);
}

#[test]
fn limits_that_let_nothing_in_are_refused() {
    for flag in ["--max-bytes", "--max-pixels"] {
        let (code, text) = refused_start(&[], &[flag, "0"]);
        assert!(code == Some(2) && text.contains(flag), "{text}");
    }
}

#[test]
fn the_help_names_the_defaults_that_the_service_has() {
    // Lines are broken where the terminal ends.
    let help = help().split_whitespace().collect::<Vec<_>>().join(" ");
    for default in [
        Config::LISTEN.to_string(),
        Config::CONNECTIONS.to_string(),
        Config::BATCH.to_string(),
        Config::MAX_BODY_BYTES.to_string(),
        Config::READ_TIMEOUT.as_secs().to_string(),
        Config::QUEUE_TIMEOUT.as_secs().to_string(),
        Config::REQUEST_TIMEOUT.as_secs().to_string(),
        format!("{} for each thread", Config::QUEUE_PER_THREAD),
        format!("a quarter of the memory, at most {}", Config::MOST_UPLOAD_MEMORY),
        format!("what fits into memory, at most {}", DecodeLimits::default().max_pixels),
    ] {
        assert!(help.contains(&format!("[default: {default}]")), "{default}: {help}");
    }
}
