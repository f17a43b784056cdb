//! Logging to stderr: lines for a person, or one JSON object a line for a log collector.
//!
//! `LOBULE_LOG_FORMAT` is `human` or `json`; without it a service on Cloud Run (which sets `K_SERVICE`) writes JSON and
//! anything else writes for a person. `LOBULE_LOG` chooses what is logged, as `info` or `lobule=debug`.

use std::env::{self, VarError};
use std::io::{self, IsTerminal};
use std::panic;

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Sets up logging for the rest of the program; lines for a person begin with the time where they are `timed`.
///
/// # Errors
/// When one of the two variables says something that is not understood.
pub fn init(timed: bool) -> anyhow::Result<()> {
    let filter = match env::var("LOBULE_LOG") {
        Ok(text) => EnvFilter::try_new(&text).with_context(|| {
            format!("the variable LOBULE_LOG is {text:?}, which is no filter; write info, debug or lobule=debug")
        })?,
        Err(_) => EnvFilter::new("info"),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if is_json()? {
        lines.event_format(JsonLines).init();
    } else {
        let lines = lines.with_target(false).with_ansi(io::stderr().is_terminal());
        if timed { lines.init() } else { lines.without_time().init() }
    }
    // A panic's message becomes an event like any other, instead of lines that a collector cannot read.
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

fn is_json() -> anyhow::Result<bool> {
    match env::var("LOBULE_LOG_FORMAT").as_deref() {
        Ok("json") => Ok(true),
        Ok("human") => Ok(false),
        Err(VarError::NotPresent) => Ok(env::var_os("K_SERVICE").is_some()),
        Ok(_) | Err(VarError::NotUnicode(_)) => bail!("the variable LOBULE_LOG_FORMAT is neither human nor json"),
    }
}

/// One JSON object an event, with the names that Google Cloud Logging gives a meaning to: time, severity, message.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Line(Map::from_iter([
            ("time".into(), Value::from(time)),
            ("severity".into(), Value::from(severity(*event.metadata().level()))),
        ]));
        event.record(&mut line);
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

struct Line(Map<String, Value>);

impl Line {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}
