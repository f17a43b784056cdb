//! Logging to stderr: lines for a person, or one JSON object a line for a log collector.
//!
//! `LOBULE_LOG_FORMAT` is `human` or `json`; without it services and jobs on Cloud Run (which sets `K_SERVICE` or
//! `CLOUD_RUN_JOB`) write JSON and anything else writes for a person. `LOBULE_LOG` chooses what is logged, as `info` or
//! `lobule=debug`. With `GOOGLE_CLOUD_PROJECT` set, JSON lines name the trace as Cloud Logging links it.

use std::io::{self, IsTerminal};
use std::panic::{self, Location, PanicHookInfo};

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::variable;
use crate::pixels::panic_is_caught;
use crate::system::printable_lines;

/// Sets up logging for the rest of the program; lines for a person begin with the time where they are `timed`.
///
/// # Errors
/// When one of the two variables says something that is not understood.
pub fn init(timed: bool) -> anyhow::Result<()> {
    let filter = match variable("LOBULE_LOG")? {
        Some(text) => EnvFilter::try_new(&text).with_context(|| {
            format!("the variable LOBULE_LOG is {text:?}, which is no filter; write info, debug or lobule=debug")
        })?,
        None => EnvFilter::new("info"),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A stderr that cannot be written to is no reason to stop, and nobody could be told.
    let lines = lines.log_internal_errors(false);
    if is_json()? {
        lines.event_format(JsonLines { project: variable("GOOGLE_CLOUD_PROJECT")? }).init();
    } else {
        let lines = lines.with_target(false).with_ansi(io::stderr().is_terminal()).fmt_fields(Printable);
        if timed { lines.init() } else { lines.without_time().init() }
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic becomes one event like any other, instead of lines that a collector cannot read. That of a decoder becomes an
/// error of its image, which says enough.
fn log_panic(panic: &PanicHookInfo<'_>) {
    if panic_is_caught() {
        return;
    }
    tracing::error!("{}", fault(panic.location(), panic.payload_as_str()));
}

/// A panic in one line, with the place that its report must name.
fn fault(at: Option<&Location<'_>>, reason: Option<&str>) -> String {
    let at = at.map_or_else(String::new, |at| format!(" in {}:{}", at.file(), at.line()));
    let reason = reason.unwrap_or("no reason is given").replace('\n', " ");
    format!("a fault of this program{at} ({reason}); please report this line")
}

fn is_json() -> anyhow::Result<bool> {
    match variable("LOBULE_LOG_FORMAT")?.as_deref() {
        Some("json") => Ok(true),
        Some("human") => Ok(false),
        None => Ok(variable("K_SERVICE")?.or(variable("CLOUD_RUN_JOB")?).is_some()),
        Some(_) => bail!("the variable LOBULE_LOG_FORMAT is neither human nor json"),
    }
}

/// The fields of an event as a terminal may show them, whatever names of files they hold.
struct Printable;

impl<'w> FormatFields<'w> for Printable {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> std::fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&printable_lines(&text))
    }
}

/// One JSON object an event, with the names that Google Cloud Logging gives a meaning to.
struct JsonLines {
    project: Option<String>,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let line = cloud_logging(fields.0, self.project.as_deref());
        let head = [("time", Value::from(time)), ("severity", severity(*event.metadata().level()).into())];
        let line: Map<_, _> = head.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(line).collect();
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Gives the fields of an event the names and places that Cloud Logging looks for: of a trace, and of a request.
fn cloud_logging(mut fields: Map<String, Value>, project: Option<&str>) -> Map<String, Value> {
    if let Some(Value::String(id)) = fields.remove("trace") {
        let trace = project.map_or_else(|| id.clone(), |project| format!("projects/{project}/traces/{id}"));
        fields.insert("logging.googleapis.com/trace".into(), trace.into());
    }
    for (name, to) in [("span", "logging.googleapis.com/spanId"), ("sampled", "logging.googleapis.com/trace_sampled")] {
        let value = fields.remove(name);
        fields.extend(value.map(|value| (to.into(), value)));
    }
    if fields.get("message").is_some_and(|message| message == "request") {
        let mut request = Map::new();
        for (name, to) in [("method", "requestMethod"), ("status", "status")] {
            request.extend(fields.remove(name).map(|value| (to.into(), value)));
        }
        for (name, to) in [("request_bytes", "requestSize"), ("response_bytes", "responseSize")] {
            // A LogEntry's numbers of 64 bits are text.
            request.extend(fields.remove(name).map(|value| (to.into(), value.to_string().into())));
        }
        request.insert("requestUrl".into(), fields.get("route").cloned().unwrap_or_default());
        if let Some(total) = fields.get("total_ms").and_then(Value::as_f64) {
            request.insert("latency".into(), format!("{:.6}s", total / 1e3).into());
        }
        fields.insert("httpRequest".into(), request.into());
    }
    fields
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_panic_is_one_line_that_names_its_place() {
        let line = fault(Some(Location::caller()), Some("index out of bounds:\n  left"));
        assert!(line.starts_with("a fault of this program in src/cli/logging.rs:"), "{line}");
        assert!(line.ends_with(" (index out of bounds:   left); please report this line"), "{line}");
    }

    #[test]
    fn a_request_and_its_trace_are_where_cloud_logging_looks_for_them() {
        let fields = json!({
            "message": "request", "method": "POST", "route": "/predict", "status": 200, "total_ms": 12.5,
            "request_bytes": 1000, "request_id": "a", "trace": "4bf9", "span": "00f0", "sampled": true,
        });
        let line = cloud_logging(fields.as_object().unwrap().clone(), Some("clinic"));
        let expected = json!({
            "message": "request", "route": "/predict", "total_ms": 12.5, "request_id": "a",
            "httpRequest": {
                "requestMethod": "POST", "requestUrl": "/predict", "status": 200, "latency": "0.012500s",
                "requestSize": "1000",
            },
            "logging.googleapis.com/trace": "projects/clinic/traces/4bf9",
            "logging.googleapis.com/spanId": "00f0",
            "logging.googleapis.com/trace_sampled": true,
        });
        assert_eq!(Value::Object(line), expected);
        let without = cloud_logging(Map::from_iter([("trace".into(), "4bf9".into())]), None);
        assert_eq!(Value::Object(without), json!({ "logging.googleapis.com/trace": "4bf9" }));
    }
}
