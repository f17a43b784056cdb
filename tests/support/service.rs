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
        if name.starts_with("LOBULE_") || name.starts_with("AIP_") || name == "PORT" || name == "K_SERVICE" {
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
        Self::started(serve(variables, arguments))
    }

    /// Starts one that may open so many files.
    pub(crate) fn start_with_open_files(limit: usize) -> Self {
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" serve"), env!("CARGO_BIN_EXE_lobule")]);
        for (name, value) in serve(&[], &[]).get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        Self::started(limited)
    }

    fn started(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
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

    /// The value of a metric whose line begins so; 0 where there is none, as before anything was counted.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let text = self.get("/metrics").send().body;
        text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok()).unwrap_or(0.0)
    }

    /// Waits until a metric has such a value.
    pub(crate) fn wait_for_metric(&self, line: &str, mut is_it: impl FnMut(f64) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_it(self.metric(line)) {
            assert!(Instant::now() < deadline, "{line} is {}:\n{}", self.metric(line), self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Bytes of the process that are in memory.
    pub(crate) fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
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
