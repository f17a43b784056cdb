//! `lobule serve`: answers HTTP requests until a signal ends it.
//!
//! What concerns the process as a whole is done here and not in the library: the environment is read, the heap is
//! set up for a service, and SIGTERM and Ctrl-C are waited for.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, builder::RangedU64ValueParser, value_parser};

use super::variable;
use super::weights::{ViewsArguments, WeightsArguments};
use crate::model::Classifier;
use crate::pixels::DecodeLimits;
use crate::serve::{self, Config, Origin, ServeError, Token, VertexRoutes};
use crate::system::allocator::{give_back, give_back_large_blocks, share_heap};
use crate::system::available_memory;

/// Arguments of `lobule serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "With the variable LOBULE_TOKEN set, predictions are for those only who send it, as the header \
                        Authorization: Bearer TOKEN. It has no flag: arguments are seen by everybody on the machine.\n\nAt \
                        the addresses that AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE name it answers as Vertex AI wants it."
)]
pub struct ServeArguments {
    /// Address and port to listen on; port 0 takes a free one. The variable PORT overrides the port, and AIP_HTTP_PORT
    /// overrides that.
    #[arg(long, env = "LOBULE_LISTEN", value_name = "ADDRESS:PORT", default_value_t = Config::LISTEN)]
    listen: SocketAddr,

    #[command(flatten)]
    weights: WeightsArguments,

    #[command(flatten)]
    views: ViewsArguments,

    /// Images that are classified at the same time, each on its own thread [default: one for each CPU].
    #[arg(long, env = "LOBULE_THREADS", value_name = "N", value_parser = count(1024))]
    threads: Option<usize>,

    #[arg(long, env = "LOBULE_QUEUE", value_name = "N", help = format!(
        "Images that may wait for a thread; further ones are answered 503 [default: {} for each thread]",
        Config::QUEUE_PER_THREAD
    ))]
    queue: Option<usize>,

    /// Connections that may be open; further ones are answered 503.
    #[arg(long, env = "LOBULE_CONNECTIONS", value_name = "N", value_parser = count(1 << 20),
        default_value_t = Config::CONNECTIONS)]
    connections: usize,

    /// Images of one batch.
    #[arg(long, env = "LOBULE_BATCH", value_name = "N", value_parser = count(4096), default_value_t = Config::BATCH)]
    batch: usize,

    /// Bytes that a request's body may have.
    #[arg(long, env = "LOBULE_MAX_BYTES", value_name = "BYTES", value_parser = count(isize::MAX as u64),
        default_value_t = Config::MAX_BODY_BYTES)]
    max_bytes: usize,

    #[arg(long, env = "LOBULE_UPLOAD_MEMORY", value_name = "BYTES", help = format!(
        "Bytes that the bodies of all requests and their answers may take together [default: a quarter of the memory, at most {}]",
        Config::MOST_UPLOAD_MEMORY
    ))]
    upload_memory: Option<usize>,

    #[arg(long, env = "LOBULE_MAX_PIXELS", value_name = "PIXELS",
        value_parser = value_parser!(u64).range(1..), help = format!(
        "Pixels (width times height) that an image may have [default: what fits into memory, at most {}]",
        DecodeLimits::default().max_pixels
    ))]
    max_pixels: Option<u64>,

    /// Seconds that a client may take to send its headers, and again for its body.
    #[arg(long, env = "LOBULE_READ_TIMEOUT", value_name = "SECONDS", value_parser = seconds(),
        default_value_t = Config::READ_TIMEOUT.as_secs())]
    read_timeout: u64,

    /// Bytes of an answer that a client must take in each second; one that takes fewer for long is left.
    #[arg(long, env = "LOBULE_MIN_SEND_RATE", value_name = "BYTES", value_parser = count(1 << 30),
        default_value_t = Config::MIN_SEND_RATE)]
    min_send_rate: usize,

    /// Seconds that an image may wait for a thread.
    #[arg(long, env = "LOBULE_QUEUE_TIMEOUT", value_name = "SECONDS", value_parser = seconds(),
        default_value_t = Config::QUEUE_TIMEOUT.as_secs())]
    queue_timeout: u64,

    /// Seconds that a request may take as a whole.
    #[arg(long, env = "LOBULE_REQUEST_TIMEOUT", value_name = "SECONDS", value_parser = seconds(),
        default_value_t = Config::REQUEST_TIMEOUT.as_secs())]
    request_timeout: u64,

    /// A site whose scripts may read the answers, such as https://example.org; several with commas between them.
    #[arg(long = "origin", env = "LOBULE_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    origins: Vec<Origin>,
}

fn count(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

fn seconds() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=86400)
}

pub(super) fn run(arguments: &ServeArguments) -> anyhow::Result<()> {
    // Before there are threads: a thread keeps the heap that it began with.
    share_heap();
    give_back_large_blocks();
    let config = arguments.config()?;
    let classifier = Classifier::load(arguments.weights.path(), config.threads).map_err(ServeError::Model)?;
    // What the loading took and a service never needs again.
    give_back();
    Ok(serve::run(config, classifier, signals)?)
}

impl ServeArguments {
    fn config(&self) -> anyhow::Result<Config> {
        let default = Config::for_machine(self.threads, available_memory());
        let mut listen = self.listen;
        if let Some(port) = port_from_environment()? {
            listen.set_port(port);
        }
        Ok(Config {
            listen,
            queue: self.queue.unwrap_or(default.queue),
            connections: self.connections,
            batch: self.batch,
            max_body_bytes: self.max_bytes,
            // One request must fit, whatever the flag says.
            upload_memory: self.upload_memory.unwrap_or(default.upload_memory).max(self.max_bytes),
            views: self.views.symmetries(),
            limits: DecodeLimits {
                max_bytes: self.max_bytes,
                max_pixels: self.max_pixels.unwrap_or(default.limits.max_pixels),
            },
            read_timeout: Duration::from_secs(self.read_timeout),
            min_send_rate: self.min_send_rate,
            queue_timeout: Duration::from_secs(self.queue_timeout),
            request_timeout: Duration::from_secs(self.request_timeout),
            token: token_from_environment()?,
            origins: self.origins.clone(),
            vertex: vertex_from_environment()?,
            ..default
        })
    }
}

/// What waits for SIGTERM or Ctrl-C, and names the one that came.
#[cfg(unix)]
fn signals() -> io::Result<impl AsyncFnMut() -> &'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move || {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

#[cfg(not(unix))]
fn signals() -> io::Result<impl AsyncFnMut() -> &'static str> {
    Ok(async || match tokio::signal::ctrl_c().await {
        Ok(()) => "Ctrl-C",
        Err(_) => std::future::pending().await,
    })
}

/// The port that a platform asks for: Vertex AI by a variable of its own, others such as Cloud Run by PORT.
fn port_from_environment() -> anyhow::Result<Option<u16>> {
    for name in ["AIP_HTTP_PORT", "PORT"] {
        if let Some(text) = variable(name)? {
            let what_to_do = "which is no port from 0 to 65535; unset it, or set it to one such as 8080";
            return Ok(Some(text.parse().with_context(|| format!("the variable {name} is {text:?}, {what_to_do}"))?));
        }
    }
    Ok(None)
}

fn vertex_from_environment() -> anyhow::Result<VertexRoutes> {
    VertexRoutes::new(variable("AIP_HEALTH_ROUTE")?, variable("AIP_PREDICT_ROUTE")?).map_err(|reason| anyhow!(reason))
}

fn token_from_environment() -> anyhow::Result<Option<Token>> {
    // Set to nothing, as by a secret that could not be read, it must not let everybody in.
    let is_empty = env::var_os("LOBULE_TOKEN").is_some_and(|token| token.is_empty());
    let Some(text) = variable("LOBULE_TOKEN")?.or(is_empty.then(String::new)) else { return Ok(None) };
    // The message must not hold the secret.
    text.parse().map(Some).map_err(|reason| anyhow!("the variable LOBULE_TOKEN cannot be used: {reason}"))
}
