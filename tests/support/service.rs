//! Starts the real binary on a free port of localhost, reads its log, and ends it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::Call;

/// A running service; dropped, it is killed.
pub(crate) struct Service {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// `lobule serve`, on a free port of localhost if nothing else is said, with these variables and arguments; what else the
/// environment says of the service is taken out.
fn serve(variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lobule"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("LOBULE_") || name == "PORT" || name == "K_SERVICE" {
            command.env_remove(name);
        }
    }
    command.arg("serve").args(arguments).env("LOBULE_LISTEN", "127.0.0.1:0").envs(variables.iter().copied());
    command
}

impl Service {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[], arguments)
    }

    /// Waits until the log says where it listens.
    pub(crate) fn start_with(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut child = serve(variables, arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut before = String::new();
        let address = loop {
            let begin = before.len();
            assert!(lines.read_line(&mut before).unwrap() > 0, "the service ended before it listened:\n{before}");
            if let Some((_, rest)) = before[begin..].split_once("listening on http://") {
                break rest.split(|c: char| c.is_whitespace() || c == '"').next().unwrap().to_owned();
            }
        };
        let log = Arc::new(Mutex::new(before));
        let writer = Arc::clone(&log);
        // The pipe must be read on, or the service would stand still when it is full.
        let reader = thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                writer.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        Self { child, address, log, reader: Some(reader) }
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        Call::new(method, &self.address, path)
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub(crate) fn predict(&self) -> Call {
        self.call("POST", "/predict")
    }

    pub(crate) fn batch(&self) -> Call {
        self.call("POST", "/predict/batch")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log has a line with this text.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(line) = self.log().lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("no line with {text:?} in the log:\n{}", self.log());
    }

    pub(crate) fn send_signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end, and gives its status and its whole log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the service did not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        };
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a service that is expected to end by itself, and gives its exit code and what it wrote to stderr.
pub(crate) fn refused_start(variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let output = serve(variables, arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The help of `lobule serve`.
pub(crate) fn help() -> String {
    String::from_utf8(serve(&[], &["--help"]).output().unwrap().stdout).unwrap()
}
