//! How the service scales on Cloud Run, by simulation: `cargo run --release --example scaling` prints the tables of the
//! guide's page "Deploy". It is a model, not a measurement of Google's machines: the measured numbers and the assumed
//! ones stand below, and how instances come and go is in `fleet`.

#![allow(clippy::print_stdout, reason = "the tables are data")]

mod fleet;

use fleet::{Outcome, Request, Scaling, Seconds, Stack, Work, poisson, simulate};

/// What starting an instance takes before its program runs. Assumed, for both.
const PLATFORM: Seconds = 0.5;

/// An image of 520 kB at 100 Mbit/s. Assumed, for both.
const UPLOAD: Seconds = 0.042;

/// The same at 8 Mbit/s.
const SLOW_UPLOAD: Seconds = 0.52;

/// Measured: `lobule serve` on one CPU, from exec to the bound port, and a CPU's time for a PNG of 700x460 pixels, of
/// which it answers 61 a second.
const LOBULE: Stack =
    Stack { concurrency: 8, cpus: 1, cold_start: PLATFORM + 0.084, upload: UPLOAD, work: Work::Constant(0.0164) };

/// The report's own figures for its stack, with Cloud Run's default of 80 requests at a time.
const REPORT: Stack =
    Stack { concurrency: 80, cpus: 1, cold_start: PLATFORM + 16.5, upload: UPLOAD, work: Work::Constant(0.097) };

/// What an instance is billed with beside its one vCPU.
const GIB: [(&str, Stack, f64); 2] = [("lobule", LOBULE, 0.5), ("report", REPORT, 4.0)];

/// Dollars: a vCPU's second, a GiB's second, a million requests. Google's public list, tier 1, billed by request,
/// without the free part.
const PRICES: [f64; 3] = [0.000_024, 0.000_002_5, 0.40];

/// Seconds of a run: the first minute begins with no instance, the rest is steady.
const RUN: Seconds = 240.0;
const FIRST: Seconds = 60.0;

/// The columns that both tables end with, and the line below them.
const FIGURES: &str = "p50 | p99 | p99 of the first minute | instances | instance-s per 1000 | $ per million |\n\
                       |---|---|---|---|---|---|---|---|";

fn main() {
    println!("Requests a second as they come (Poisson), from zero instances; latencies in ms.\n");
    println!("| requests/s | stack | {FIGURES}");
    for rate in [1.0, 100.0, 10_000.0] {
        // Enough requests for a 99th percentile at one a second.
        let run = if rate < 10.0 { 100.0 * RUN } else { RUN };
        let arrivals = poisson(|_| rate, rate, run, 1);
        for (name, stack, gib) in GIB {
            row(&format!("{rate}"), name, &simulate(stack, Scaling::CloudRun, &arrivals, 2), gib);
        }
    }
    let bursts = |time: Seconds| if time % 60.0 < 5.0 { 500.0 } else { 50.0 };
    let arrivals = poisson(bursts, 500.0, RUN, 1);
    for (name, stack, gib) in GIB {
        row("50, and 500 for 5 s of each minute", name, &simulate(stack, Scaling::CloudRun, &arrivals, 2), gib);
    }

    println!(
        "\nLobule with other limits of requests at a time: 100 a second, those bursts, 100 a second over slow lines.\n"
    );
    println!("| concurrency | load | {FIGURES}");
    let steady = poisson(|_| 100.0, 100.0, RUN, 1);
    for concurrency in [1, 2, 4, 8, 16, 80] {
        for (name, arrivals, upload) in
            [("steady", &steady, UPLOAD), ("bursts", &arrivals, UPLOAD), ("slow lines", &steady, SLOW_UPLOAD)]
        {
            let stack = Stack { concurrency, upload, ..LOBULE };
            row(&concurrency.to_string(), name, &simulate(stack, Scaling::CloudRun, arrivals, 2), 0.5);
        }
    }
}

fn row(load: &str, stack: &str, outcome: &Outcome, gib: f64) {
    let (first, steady): (Vec<_>, Vec<_>) = outcome.requests.iter().partition(|request| request.arrived < FIRST);
    let (first, steady) = (sorted(&first), sorted(&steady));
    let [p50, p99, p99_first] = [(&steady, 50), (&steady, 99), (&first, 99)].map(|(times, p)| percentile(times, p));
    let thousands = outcome.requests.len() as f64 / 1e3;
    let [cpu, memory, million] = PRICES;
    let dollars = outcome.billed / thousands * 1e3 * (cpu + gib * memory) + million;
    println!(
        "| {load} | {stack} | {:.0} | {:.0} | {:.0} | {} | {:.1} | {dollars:.2} |",
        p50 * 1e3,
        p99 * 1e3,
        p99_first * 1e3,
        outcome.instances,
        outcome.billed / thousands,
    );
}

fn sorted(requests: &[&Request]) -> Vec<Seconds> {
    let mut times: Vec<_> = requests.iter().map(|request| request.latency()).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// The nearest rank.
fn percentile(sorted: &[Seconds], p: usize) -> Seconds {
    sorted[(sorted.len() * p).div_ceil(100).max(1) - 1]
}
