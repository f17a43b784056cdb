//! Serves the built-in network on this machine alone, until Ctrl-C: `cargo run --release --example serve`.

#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use lobule::Classifier;
use lobule::serve::{self, Config};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config { listen: ([127, 0, 0, 1], 8080).into(), ..Config::for_machine(None, None) };
    println!("http://{} answers until Ctrl-C", config.listen);
    let interrupted = || {
        Ok(async || match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        })
    };
    Ok(serve::run(config, Classifier::built_in()?, interrupted)?)
}
