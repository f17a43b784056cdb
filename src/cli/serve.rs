//! `lobule serve`: answers HTTP requests until it is told to stop.

use std::env::{self, VarError};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::inputs::WeightsArguments;
use crate::pixels::DecodeLimits;
use crate::serve::{self, Config};

/// Arguments of `lobule serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Address and port to listen on; port 0 takes a free one. The variable PORT overrides the port.
    #[arg(long, env = "LOBULE_LISTEN", value_name = "ADDRESS:PORT", default_value_t = Config::default().listen)]
    listen: SocketAddr,

    #[command(flatten)]
    weights: WeightsArguments,

    /// Pictures that are judged at the same time, each on its own thread [default: one for each CPU].
    #[arg(long, env = "LOBULE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Pictures that may wait for a thread; further ones are answered 503.
    #[arg(long, env = "LOBULE_QUEUE", value_name = "N", default_value_t = Config::default().queue)]
    queue: usize,

    /// Bytes that a request's body may have.
    #[arg(long, env = "LOBULE_MAX_BYTES", value_name = "BYTES", default_value_t = Config::default().max_body_bytes)]
    max_bytes: usize,

    /// Pixels (width times height) that a picture may have.
    #[arg(long, env = "LOBULE_MAX_PIXELS", value_name = "PIXELS", default_value_t = Config::default().limits.max_pixels)]
    max_pixels: u64,

    /// Seconds that a client may take to send its headers, and again for its body.
    #[arg(
        long,
        env = "LOBULE_READ_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = Config::default().read_timeout.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=86400)
    )]
    read_timeout: u64,
}

pub(super) fn run(arguments: &ServeArguments) -> anyhow::Result<()> {
    Ok(serve::run(arguments.config()?)?)
}

impl ServeArguments {
    fn config(&self) -> anyhow::Result<Config> {
        let defaults = Config::default();
        let mut listen = self.listen;
        if let Some(port) = port_from_environment()? {
            listen.set_port(port);
        }
        Ok(Config {
            listen,
            weights: self.weights.path().map(Path::to_owned),
            threads: self.threads.map_or(defaults.threads, usize::from),
            queue: self.queue,
            max_body_bytes: self.max_bytes,
            limits: DecodeLimits { max_bytes: self.max_bytes, max_pixels: self.max_pixels },
            read_timeout: Duration::from_secs(self.read_timeout),
            ..defaults
        })
    }
}

/// The port that Cloud Run and its like ask for.
fn port_from_environment() -> anyhow::Result<Option<u16>> {
    let text = match env::var("PORT") {
        Ok(text) => text,
        Err(VarError::NotPresent) => return Ok(None),
        Err(VarError::NotUnicode(_)) => {
            bail!("the variable PORT is not text; unset it, or set it to a port such as 8080")
        }
    };
    let port = text.parse().with_context(|| {
        format!(
            "the variable PORT is {text:?}, which is no port from 0 to 65535; unset it, or set it to one such as 8080"
        )
    })?;
    Ok(Some(port))
}
