//! `lobule serve`: answers HTTP requests until it is told to stop.

use std::env::{self, VarError};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::weights::WeightsArguments;
use crate::pixels::DecodeLimits;
use crate::serve::{self, Config, Origin, Token};
use crate::system;

/// Arguments of `lobule serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "With the variable LOBULE_TOKEN set, predictions are for those only who send it, as the header \
                        Authorization: Bearer TOKEN. It has no flag: arguments are seen by everybody on the machine."
)]
pub struct ServeArguments {
    /// Address and port to listen on; port 0 takes a free one. The variable PORT overrides the port.
    #[arg(long, env = "LOBULE_LISTEN", value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,

    #[command(flatten)]
    weights: WeightsArguments,

    /// Images that are judged at the same time, each on its own thread [default: one for each CPU].
    #[arg(long, env = "LOBULE_THREADS", value_name = "N", value_parser = count(1024))]
    threads: Option<usize>,

    /// Images that may wait for a thread; further ones are answered 503 [default: 16 for each thread].
    #[arg(long, env = "LOBULE_QUEUE", value_name = "N")]
    queue: Option<usize>,

    /// Connections that may be open; further ones are answered 503 [default: 1024].
    #[arg(long, env = "LOBULE_CONNECTIONS", value_name = "N", value_parser = count(1 << 20))]
    connections: Option<usize>,

    /// Images of one batch [default: 64].
    #[arg(long, env = "LOBULE_BATCH", value_name = "N", value_parser = count(4096))]
    batch: Option<usize>,

    /// Bytes that a request's body may have [default: 33554432].
    #[arg(long, env = "LOBULE_MAX_BYTES", value_name = "BYTES")]
    max_bytes: Option<usize>,

    /// Bytes that the bodies of all requests may take together [default: a quarter of the memory, at most 268435456].
    #[arg(long, env = "LOBULE_UPLOAD_MEMORY", value_name = "BYTES")]
    upload_memory: Option<usize>,

    /// Pixels (width times height) that an image may have [default: what fits into memory, at most 64000000].
    #[arg(long, env = "LOBULE_MAX_PIXELS", value_name = "PIXELS")]
    max_pixels: Option<u64>,

    /// Seconds that a client may take to send its headers, and again for its body [default: 60].
    #[arg(long, env = "LOBULE_READ_TIMEOUT", value_name = "SECONDS", value_parser = seconds())]
    read_timeout: Option<u64>,

    /// Seconds that an image may wait for a thread [default: 10].
    #[arg(long, env = "LOBULE_QUEUE_TIMEOUT", value_name = "SECONDS", value_parser = seconds())]
    queue_timeout: Option<u64>,

    /// Seconds that a request may take as a whole [default: 120].
    #[arg(long, env = "LOBULE_REQUEST_TIMEOUT", value_name = "SECONDS", value_parser = seconds())]
    request_timeout: Option<u64>,

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
    Ok(serve::run(arguments.config()?)?)
}

impl ServeArguments {
    fn config(&self) -> anyhow::Result<Config> {
        let usual = Config::for_machine(self.threads, system::available_memory());
        let mut listen = self.listen;
        if let Some(port) = port_from_environment()? {
            listen.set_port(port);
        }
        let max_body_bytes = self.max_bytes.unwrap_or(usual.max_body_bytes);
        let duration = |seconds: Option<u64>, usual| seconds.map_or(usual, Duration::from_secs);
        Ok(Config {
            listen,
            weights: self.weights.path().map(Path::to_owned),
            threads: usual.threads,
            queue: self.queue.unwrap_or(usual.queue),
            connections: self.connections.unwrap_or(usual.connections),
            batch: self.batch.unwrap_or(usual.batch),
            max_body_bytes,
            // One request must fit, whatever it may have been told to take.
            upload_memory: self.upload_memory.unwrap_or(usual.upload_memory).max(max_body_bytes),
            limits: DecodeLimits {
                max_bytes: max_body_bytes,
                max_pixels: self.max_pixels.unwrap_or(usual.limits.max_pixels),
            },
            read_timeout: duration(self.read_timeout, usual.read_timeout),
            queue_timeout: duration(self.queue_timeout, usual.queue_timeout),
            request_timeout: duration(self.request_timeout, usual.request_timeout),
            stop_timeout: usual.stop_timeout,
            token: token_from_environment()?,
            origins: self.origins.clone(),
        })
    }
}

/// A variable of the environment that is text, if it is set at all.
fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => bail!("the variable {name} is not text; unset it, or set it to some"),
    }
}

/// The port that Cloud Run and its like ask for.
fn port_from_environment() -> anyhow::Result<Option<u16>> {
    let Some(text) = variable("PORT")? else { return Ok(None) };
    let port = text.parse().with_context(|| {
        format!(
            "the variable PORT is {text:?}, which is no port from 0 to 65535; unset it, or set it to one such as 8080"
        )
    })?;
    Ok(Some(port))
}

/// The secret that clients must show.
fn token_from_environment() -> anyhow::Result<Option<Token>> {
    const NAME: &str = "LOBULE_TOKEN";
    let Some(text) = variable(NAME)? else { return Ok(None) };
    // The message must not hold the secret.
    let token = text.parse::<Token>().map_err(|reason| anyhow!("the variable {NAME} cannot be used: {reason}"))?;
    Ok(Some(token))
}
