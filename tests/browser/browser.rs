//! Starts chromedriver and, through it, a Chromium with an empty profile of its own.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use fantoccini::{Client, ClientBuilder, wd::WebDriverCompatibleCommand};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

/// What is always the same: nothing but the page, and no sandbox, which Chromium has not for root.
const ARGUMENTS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run \
                         --disable-background-networking --disable-component-update --disable-sync";

/// How the browser is set.
pub(crate) struct Look {
    pub(crate) scripts: bool,
    pub(crate) dark: bool,
    /// Width of the window in CSS pixels.
    pub(crate) width: u32,
}

/// A browser with one window; dropped, its driver is killed.
pub(crate) struct Browser {
    pub(crate) client: Client,
    _driver: Driver,
    _profile: TempDir,
}

struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Browser {
    pub(crate) async fn start(look: Look) -> Result<Self, Box<dyn Error>> {
        let (driver, port) = start_driver()?;
        let profile = tempfile::tempdir()?;
        let mut arguments = vec![
            format!("--user-data-dir={}", profile.path().display()),
            format!("--window-size={},900", look.width.max(500)),
        ];
        arguments.extend(ARGUMENTS.split_whitespace().map(str::to_owned));
        if look.dark {
            arguments.push("--blink-settings=preferredColorScheme=0".into());
        }
        let mut options = json!({
            "args": arguments,
            // The driver's logs then have what the page does.
            "perfLoggingPrefs": { "enableNetwork": true, "enablePage": false },
            "prefs": { "profile.managed_default_content_settings.javascript": if look.scripts { 1 } else { 2 } },
        });
        if look.width < 500 {
            // A window of Chromium is never as narrow as a phone; a phone has to be played.
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": look.width, "height": 844, "pixelRatio": 2.0 } });
        }
        let capabilities = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().cloned().unwrap_or_default())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await?;
        Ok(Self { client, _driver: driver, _profile: profile })
    }

    /// Writes what is seen now to `LOBULE_SCREENSHOTS`, if that is set.
    pub(crate) async fn screenshot(&self, name: &str) -> Result<(), Box<dyn Error>> {
        let Some(folder) = std::env::var_os("LOBULE_SCREENSHOTS").map(PathBuf::from) else { return Ok(()) };
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await?)?;
        Ok(())
    }

    /// What is in the console that is a warning or worse, and the addresses that were asked for on other hosts.
    pub(crate) async fn complaints(&self, base: &str) -> Result<Vec<String>, Box<dyn Error>> {
        let console = self.log("browser").await?;
        let loud = console.iter().filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        let mut complaints: Vec<_> = loud.map(|entry| entry["message"].to_string()).collect();
        for entry in self.log("performance").await? {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())?;
            let url = message["message"]["params"]["request"]["url"].as_str().unwrap_or_default();
            if message["message"]["method"] == "Network.requestWillBeSent"
                && url.starts_with("http")
                && !url.starts_with(base)
            {
                complaints.push(format!("a request to {url}"));
            }
        }
        Ok(complaints)
    }

    async fn log(&self, kind: &'static str) -> Result<Vec<Value>, Box<dyn Error>> {
        let entries = self.client.issue_cmd(ReadLog(kind)).await?;
        Ok(entries.as_array().cloned().unwrap_or_default())
    }

    /// What axe-core says against the page as it is now: the serious faults.
    pub(crate) async fn faults(&self) -> Result<Vec<String>, Box<dyn Error>> {
        let path = std::env::var_os("LOBULE_AXE").ok_or("LOBULE_AXE must name axe-core's script, axe.min.js")?;
        self.client.execute(&std::fs::read_to_string(path)?, vec![]).await?;
        let run = "const done = arguments[0]; axe.run().then(done, (error) => done(String(error)));";
        let outcome = self.client.execute_async(run, vec![]).await?;
        let violations = outcome["violations"].as_array().ok_or_else(|| format!("axe-core failed: {outcome}"))?;
        let serious = violations.iter().filter(|fault| fault["impact"] == "serious" || fault["impact"] == "critical");
        let described = |fault: &Value| {
            let nodes = fault["nodes"].as_array().into_iter().flatten().map(|node| node["html"].to_string());
            format!("{}: {}", fault["help"], nodes.collect::<Vec<_>>().join(", "))
        };
        Ok(serious.map(described).collect())
    }

    /// Closes the window, and then the driver.
    pub(crate) async fn close(self) -> Result<(), Box<dyn Error>> {
        Ok(self.client.close().await?)
    }
}

/// chromedriver's own command that reads a log since it was last read.
#[derive(Debug)]
struct ReadLog(&'static str);

impl WebDriverCompatibleCommand for ReadLog {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": self.0 }).to_string()))
    }
}

/// chromedriver on a port that it chooses.
fn start_driver() -> Result<(Driver, u16), Box<dyn Error>> {
    let spawned = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = spawned.map_err(|error| format!("chromedriver cannot be started: {error}"))?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("chromedriver has no stdout")?).lines();
    let driver = Driver(child);
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok())
        .ok_or("chromedriver does not say its port")?;
    thread::spawn(move || lines.for_each(drop));
    Ok((driver, port))
}
