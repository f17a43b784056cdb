//! What a stranger's bytes cost: hostile clients against the real program, started with the limits of 512 MiB, and the
//! same bytes against a plain hyper server that reads and discards them.
//!
//! ```sh
//! cargo test --test cost               # all clients, two minutes
//! cargo test --test cost -- drip TIFF  # those that have one of these words in their names
//! ```
//!
//! It prints a table and fails where a client, twice, costs more than its ceiling ([`clients::CLIENTS`]), where the service
//! takes more than its memory, or where an honest neighbour is answered wrongly. Ceilings are ratios of CPU times taken
//! side by side, so they hold on a slow machine as on a fast one. The figures are the kernel's, so it runs on Linux
//! only; it is no part of a plain `cargo test`, whose other tests would take the cores while it measures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy takes the helpers of a test for production code, and a table is what it prints"
)]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod clients;
mod connections;
mod decoders;
mod drip;
mod http2;
mod images;
mod measure;
mod neighbour;
mod plain_server;
mod process;
mod uploads;

use std::process::ExitCode;
use std::time::Instant;

use clients::CLIENTS;
use measure::Figures;
use neighbour::Latency;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == [plain_server::ARGUMENT] {
        plain_server::serve();
        return ExitCode::SUCCESS;
    }
    // What the test harness would understand is passed over.
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let began = Instant::now();
    let quiet = measure::quiet();
    println!("The honest neighbour alone: {}", told(&quiet));
    println!("{} {:>5}", Figures::headings(), "s");
    let mut faults = Vec::new();
    for row in CLIENTS.iter().filter(|row| words.is_empty() || words.iter().any(|word| row.name.contains(*word))) {
        let row_began = Instant::now();
        let mut found = Vec::new();
        // What other programs do to a figure, they do not do twice.
        for _ in 0..2 {
            let figures = measure::measure(row);
            println!("{} {:5.1}", figures.line(row), row_began.elapsed().as_secs_f64());
            found = figures.faults(row, &quiet);
            if found.is_empty() {
                break;
            }
        }
        faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", row.name)));
    }
    println!("{} s, {} faults", began.elapsed().as_secs(), faults.len());
    for fault in &faults {
        println!("FAILED {fault}");
    }
    ExitCode::from(u8::from(!faults.is_empty()))
}

fn told(latency: &Latency) -> String {
    format!("p50 {:.1} ms, p99 {:.1} ms", latency.percentile(50), latency.percentile(99))
}
