//! Starts chromedriver and, through it, a Chromium with an empty profile of its own.

use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tempfile::TempDir;

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
    driver: Driver,
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
    /// Starts a browser, or says that there is none.
    pub(crate) async fn start(look: Look) -> Result<Option<Self>, Box<dyn Error>> {
        let Some((driver, port)) = start_driver()? else {
            println!("SKIPPED: chromedriver is not installed, so the page was not tried in a browser");
            return Ok(None);
        };
        let profile = tempfile::tempdir()?;
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".into(), // Chromium has none for root
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--disable-dev-shm-usage".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--window-size={},900", look.width.max(500)),
        ];
        if look.dark {
            arguments.push("--blink-settings=preferredColorScheme=0".into());
        }
        let mut options = json!({
            "args": arguments,
            "prefs": { "profile.managed_default_content_settings.javascript": if look.scripts { 1 } else { 2 } },
        });
        if look.width < 500 {
            // A window of Chromium is never as narrow as a phone; a phone has to be played.
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": look.width, "height": 844, "pixelRatio": 2.0 } });
        }
        let capabilities = json!({ "goog:chromeOptions": options });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().cloned().unwrap_or_default())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await?;
        Ok(Some(Self { client, driver, _profile: profile }))
    }

    /// Writes what is seen now to `LOBULE_SCREENSHOTS`, if that is set.
    pub(crate) async fn screenshot(&self, name: &str) -> Result<(), Box<dyn Error>> {
        let Some(folder) = std::env::var_os("LOBULE_SCREENSHOTS").map(PathBuf::from) else { return Ok(()) };
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await?)?;
        Ok(())
    }

    /// Closes the window, and then the driver.
    pub(crate) async fn close(self) -> Result<(), Box<dyn Error>> {
        self.client.close().await?;
        drop(self.driver);
        Ok(())
    }
}

/// chromedriver on a port that it chooses; `None` where it is not installed.
fn start_driver() -> Result<Option<(Driver, u16)>, Box<dyn Error>> {
    let spawned = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut lines = BufReader::new(child.stdout.take().ok_or("chromedriver has no stdout")?).lines();
    let driver = Driver(child);
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok())
        .ok_or("chromedriver does not say its port")?;
    thread::spawn(move || lines.for_each(drop));
    Ok(Some((driver, port)))
}
