//! Starts the real binary on a free port of localhost.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running service; dropped, it is killed.
pub(crate) struct Service {
    child: Child,
    base: String,
    log: Arc<Mutex<String>>,
}

impl Service {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[], arguments)
    }

    pub(crate) fn start_with(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lobule"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        command.env_remove("PORT").env_remove("LOBULE_WEIGHTS").envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let base = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned))
            .expect("the service says where it listens");
        let log = Arc::new(Mutex::new(String::new()));
        let writer = Arc::clone(&log);
        // The pipe must be read on, or the service would stand still when it is full.
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| *writer.lock().unwrap() += &(line + "\n")));
        Self { child, base, log }
    }

    /// The log since it listens.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
