//! One hostile client against a fresh service, and the same against what it is held to.

use std::thread;
use std::time::{Duration, Instant};

use lobule::serve::Config;

use super::client::{Open, Round};
use super::clients::{Beside, HostileClient};
use super::decoders;
use super::neighbour::{Latency, Neighbour};
use super::plain_server::PlainServer;
use super::process::Process;
use super::support::service::Service;

/// The memory for which the service's limits are chosen, and which it may not exceed whoever its clients are.
const MEMORY: usize = 512 << 20;

/// How often a client's cost is taken, and for how long it sends each time.
const TURNS: usize = 3;
const TURN: Duration = Duration::from_millis(200);

/// For how long the neighbour asks beside it.
const NEIGHBOUR: Duration = Duration::from_millis(700);

/// For how long the service may be busy with what it has been sent.
const BACKLOG: Duration = Duration::from_secs(20);

/// What a client cost.
pub(crate) struct Figures {
    /// CPU in nanoseconds for each unit.
    service: f64,
    beside: f64,
    /// The status of the last answer that the client read.
    status: Option<u16>,
    /// What it left in memory, in KiB for each connection.
    each: f64,
    /// The most that was resident, in KiB.
    peak: u64,
    neighbour: Latency,
}

/// The 99th percentile of a neighbour's latency may be so many times what it is when all is quiet, and in any case so
/// many milliseconds: what a shared machine does to it by itself.
const MOST_TIMES_QUIET: f64 = 3.0;
const MOST_IN_ANY_CASE: f64 = 100.0;

/// The program with the limits of a machine of [`MEMORY`] and one thread.
fn start() -> Service {
    let Config { limits, upload_memory, .. } = limits();
    let [pixels, uploads] = [limits.max_pixels.to_string(), upload_memory.to_string()];
    Service::start(&["--threads", "1", "--max-pixels", &pixels, "--upload-memory", &uploads])
}

/// The limits of the service that is measured.
pub(crate) fn limits() -> Config {
    Config::for_machine(Some(1), Some(MEMORY))
}

/// The latency of a neighbour that has the service for itself.
pub(crate) fn quiet() -> Latency {
    let service = start();
    let mut neighbour = Neighbour::new(&service.address);
    neighbour.ask(NEIGHBOUR);
    neighbour.ask(4 * NEIGHBOUR)
}

pub(crate) fn measure(client: &HostileClient) -> Figures {
    let service = start();
    let process = Process::new(service.process_id());
    let mut neighbour = Neighbour::new(&service.address);
    neighbour.ask(Duration::from_millis(200));
    let before = process.resident();

    let mut round = (client.open)(&service.address);
    process.wait_until_idle(BACKLOG);
    let (cpu, status) = match client.beside {
        Beside::Nothing => (f64::NAN, None),
        _ => cost(process, &mut round),
    };
    let each = process.resident().saturating_sub(before) as f64 / f64::from(client.connections);
    let (neighbour, later) = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let latency = neighbour.ask(NEIGHBOUR);
            (latency, neighbour)
        });
        let mut status = None;
        while !asking.is_finished() {
            status = round().status.or(status);
        }
        let (latency, mut neighbour) = asking.join().unwrap();
        drop(round);
        // Whatever the client did, the next one is answered, and rightly.
        process.wait_until_idle(BACKLOG);
        let after = neighbour.ask(Duration::from_millis(50));
        (Latency { wrong: latency.wrong + after.wrong + after.refused, ..latency }, status)
    });
    let peak = process.peak();
    let beside = beside(client, &service);
    Figures { service: cpu, beside, status: status.or(later), each, peak, neighbour }
}

/// The same against what the client is held to.
fn beside(client: &HostileClient, service: &Service) -> f64 {
    let against = |open: Open, address: &str, process: Process| {
        let mut round = open(address);
        process.wait_until_idle(BACKLOG);
        cost(process, &mut round).0
    };
    match client.beside {
        Beside::PlainServer => {
            let server = PlainServer::start();
            against(client.open, &server.address, server.process())
        }
        Beside::OrdinaryImage => {
            against(decoders::ordinary_image, &service.address, Process::new(service.process_id()))
        }
        Beside::Nothing => f64::NAN,
    }
}

/// Nanoseconds of CPU for each unit, the median of some turns, and the last status.
fn cost(process: Process, round: &mut Round) -> (f64, Option<u16>) {
    let mut status = None;
    let mut turn = || {
        let (before, end) = (process.cpu(), Instant::now() + TURN);
        let mut units = 0;
        while units == 0 || Instant::now() < end {
            let sent = round();
            units += sent.units;
            status = sent.status.or(status);
        }
        process.wait_until_idle(BACKLOG);
        (process.cpu() - before).as_nanos() as f64 / units as f64
    };
    let mut turns: Vec<f64> = (0..TURNS).map(|_| turn()).collect();
    turns.sort_by(f64::total_cmp);
    (turns[TURNS / 2], status)
}

impl Figures {
    pub(crate) fn headings() -> String {
        format!(
            "{:25} {:10} {:>12} {:>10} {:>7} {:>5} {:>7} {:>15} {:>7} {:>9} {:>7} {:>7} {:>8}",
            "client",
            "each",
            "service ns",
            "beside ns",
            "times",
            "most",
            "status",
            "KiB/connection",
            "most",
            "peak MiB",
            "p50 ms",
            "p99 ms",
            "refused"
        )
    }

    pub(crate) fn line(&self, client: &HostileClient) -> String {
        let figure = |figure: f64, digits| if figure.is_nan() { "-".into() } else { format!("{figure:.digits$}") };
        let ceiling = |ceiling: Option<f64>| ceiling.map_or("-".into(), |ceiling| ceiling.to_string());
        let [p50, p99] = [50, 99].map(|percent| figure(self.neighbour.percentile(percent), 1));
        format!(
            "{:25} {:10} {:>12} {:>10} {:>7} {:>5} {:>7} {:15.0} {:>7} {:9.0} {p50:>7} {p99:>7} {:8}",
            client.name,
            client.unit,
            figure(self.service, 1),
            figure(self.beside, 1),
            figure(self.service / self.beside, 2),
            ceiling(client.most_times),
            self.status.map_or("-".into(), |status| status.to_string()),
            self.each,
            ceiling(client.most_kib),
            self.peak as f64 / 1024.0,
            self.neighbour.refused
        )
    }

    /// Where the ceilings are exceeded, a sentence each.
    pub(crate) fn faults(&self, client: &HostileClient, quiet: &Latency) -> Vec<String> {
        let Self { service, beside, each, peak, neighbour, .. } = self;
        let mut faults = Vec::new();
        if let Some(most) = client.most_times
            && (service / beside).is_nan() | (service / beside > most)
        {
            let unit = client.unit;
            faults.push(format!(
                "{unit}: {service:.1} ns of CPU, {:.2} times {beside:.1}; {most} times may be",
                service / beside
            ));
        }
        if let Some(most) = client.most_kib
            && *each > most
        {
            faults.push(format!("{each:.0} KiB for a connection; {most} may be"));
        }
        if *peak > MEMORY as u64 >> 10 {
            faults.push(format!("{} MiB were resident; 512 may be", peak >> 10));
        }
        if self.status != client.status {
            faults.push(format!("it was answered {:?} and not {:?}", self.status, client.status));
        }
        let most = MOST_IN_ANY_CASE.max(MOST_TIMES_QUIET * quiet.percentile(99));
        if neighbour.percentile(99) > most {
            faults.push(format!("the neighbour's p99 is {:.1} ms; {most:.1} may be", neighbour.percentile(99)));
        }
        if neighbour.wrong > 0 {
            faults.push(format!("the neighbour was answered wrongly, or not at all, {} times", neighbour.wrong));
        }
        faults
    }
}
