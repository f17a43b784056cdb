//! Instances that come and go with the requests: a discrete-event simulation of a service that scales to zero.
//!
//! In: a stack (what an instance can do), a way to scale, arrivals. Out: each request's time, and what is billed.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A time in seconds.
pub(crate) type Seconds = f64;

/// How long a request keeps one CPU.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Constant(Seconds),
    /// With this mean.
    #[cfg_attr(not(test), expect(dead_code, reason = "Erlang knows the answer for it"))]
    Exponential(Seconds),
}

/// What an instance is, and what a request asks of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    /// Requests that it is sent at a time.
    pub(crate) concurrency: usize,
    pub(crate) cpus: usize,
    /// From the decision to start it until it takes requests.
    pub(crate) cold_start: Seconds,
    /// How long a request's bytes come in, during which it has its place and needs no CPU.
    pub(crate) upload: Seconds,
    pub(crate) work: Work,
}

/// When instances start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scaling {
    /// So many from the beginning on, and no other.
    #[cfg_attr(not(test), expect(dead_code, reason = "what has a known answer is a fleet that does not change"))]
    Fixed(usize),
    /// From zero: one whenever more requests wait than those that are starting will take, and each second as many as
    /// keep CPUs and places in use at 60 % over the last minute. More than those are asked only when those are full.
    CloudRun,
}

/// The share of CPUs and of places that Cloud Run aims at.
const UTILISATION: f64 = 0.6;

/// The seconds that it looks back.
const WINDOW: usize = 60;

/// What is billed at least, and in steps of which, in seconds.
const BILLING_STEP: Seconds = 0.1;

/// One request's way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) arrived: Seconds,
    /// For a place at an instance, and there for a CPU.
    pub(crate) waited: Seconds,
    pub(crate) finished: Seconds,
}

impl Request {
    pub(crate) fn latency(&self) -> Seconds {
        self.finished - self.arrived
    }
}

/// What a simulation ends with.
pub(crate) struct Outcome {
    pub(crate) requests: Vec<Request>,
    /// Instances that were ever started.
    pub(crate) instances: usize,
    /// Time in which instances had a request or were starting, each in whole steps of 100 ms.
    pub(crate) billed: Seconds,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Arrival,
    Uploaded { instance: usize, request: usize },
    Finished { instance: usize, request: usize },
    Started(usize),
    Second,
}

/// An event at its time; events at one time come in the order in which they were planned.
#[derive(PartialEq)]
struct Planned {
    at: Seconds,
    number: usize,
    event: Event,
}

impl Eq for Planned {}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Default)]
struct Instance {
    started: bool,
    in_flight: usize,
    busy_cpus: usize,
    line: VecDeque<usize>,
    billed_since: Option<Seconds>,
}

struct Fleet {
    stack: Stack,
    scaling: Scaling,
    random: ChaCha8Rng,
    now: Seconds,
    planned: BinaryHeap<Planned>,
    plans: usize,
    requests: Vec<Request>,
    /// Requests that no instance has a place for.
    waiting: VecDeque<usize>,
    instances: Vec<Instance>,
    /// As many of the first instances are asked before the others.
    wanted: usize,
    /// Requests in flight and CPUs in use, at each of the last seconds.
    seen: VecDeque<(usize, usize)>,
    billed: Seconds,
}

/// Simulates requests that arrive at these times, which must not fall.
pub(crate) fn simulate(stack: Stack, scaling: Scaling, arrivals: &[Seconds], seed: u64) -> Outcome {
    let mut fleet = Fleet {
        stack,
        scaling,
        random: ChaCha8Rng::seed_from_u64(seed),
        now: 0.0,
        planned: BinaryHeap::new(),
        plans: 0,
        requests: Vec::with_capacity(arrivals.len()),
        waiting: VecDeque::new(),
        instances: Vec::new(),
        wanted: 1,
        seen: VecDeque::new(),
        billed: 0.0,
    };
    match scaling {
        Scaling::Fixed(instances) => {
            fleet.instances.resize_with(instances, || Instance { started: true, ..Instance::default() });
            fleet.wanted = instances;
        }
        Scaling::CloudRun => fleet.plan(1.0, Event::Second),
    }
    let mut arrivals = arrivals.iter();
    let mut next = arrivals.next();
    if let Some(first) = next {
        fleet.plan(*first, Event::Arrival);
    }
    while let Some(Planned { at, event, .. }) = fleet.planned.pop() {
        fleet.now = at;
        if event == Event::Arrival {
            next = arrivals.next();
            if let Some(next) = next {
                fleet.plan(next - at, Event::Arrival);
            }
        }
        let goes_on = next.is_some() || fleet.instances.iter().any(|instance| instance.in_flight > 0);
        fleet.happens(event, goes_on || !fleet.waiting.is_empty());
    }
    Outcome { requests: fleet.requests, instances: fleet.instances.len(), billed: fleet.billed }
}

impl Fleet {
    fn plan(&mut self, delay: Seconds, event: Event) {
        self.plans += 1;
        self.planned.push(Planned { at: self.now + delay, number: self.plans, event });
    }

    fn happens(&mut self, event: Event, goes_on: bool) {
        match event {
            Event::Arrival => {
                self.requests.push(Request { arrived: self.now, waited: 0.0, finished: f64::NAN });
                self.waiting.push_back(self.requests.len() - 1);
            }
            Event::Uploaded { instance, request } => {
                self.instances[instance].line.push_back(request);
                self.compute(instance);
            }
            Event::Finished { instance, request } => {
                self.requests[request].finished = self.now;
                self.instances[instance].busy_cpus -= 1;
                self.instances[instance].in_flight -= 1;
                self.compute(instance);
                self.bill(instance);
            }
            Event::Started(instance) => {
                self.instances[instance].started = true;
                self.hand_out();
                self.bill(instance);
            }
            Event::Second => {
                self.look();
                if goes_on {
                    self.plan(1.0, Event::Second);
                }
            }
        }
        self.hand_out();
        self.start_for_those_who_wait();
    }

    /// Sends waiting requests to instances with a place.
    fn hand_out(&mut self) {
        while !self.waiting.is_empty() {
            let Some(instance) = self.place() else { return };
            let Some(request) = self.waiting.pop_front() else { return };
            self.requests[request].waited = self.now - self.requests[request].arrived;
            let chosen = &mut self.instances[instance];
            chosen.in_flight += 1;
            chosen.billed_since.get_or_insert(self.now);
            self.plan(self.stack.upload, Event::Uploaded { instance, request });
        }
    }

    /// The instance with the fewest requests among those that are wanted; any with a place when those are full.
    fn place(&self) -> Option<usize> {
        let free = |instance: &Instance| instance.started && instance.in_flight < self.stack.concurrency;
        let (wanted, others) = self.instances.split_at(self.wanted.min(self.instances.len()));
        let least = wanted.iter().enumerate().filter(|(_, instance)| free(instance));
        let least = least.min_by_key(|(_, instance)| instance.in_flight).map(|(index, _)| index);
        least.or_else(|| Some(wanted.len() + others.iter().position(free)?))
    }

    /// Gives an instance's free CPUs to the requests in its line.
    fn compute(&mut self, index: usize) {
        while self.instances[index].busy_cpus < self.stack.cpus {
            let Some(request) = self.instances[index].line.pop_front() else { return };
            self.instances[index].busy_cpus += 1;
            let work = match self.stack.work {
                Work::Constant(work) => work,
                Work::Exponential(mean) => exponential(&mut self.random, mean),
            };
            let Request { arrived, waited, .. } = self.requests[request];
            self.requests[request].waited += self.now - (arrived + waited + self.stack.upload);
            self.plan(work, Event::Finished { instance: index, request });
        }
    }

    /// Ends the billing of an instance that has nothing left.
    fn bill(&mut self, index: usize) {
        let instance = &mut self.instances[index];
        if instance.in_flight == 0
            && let Some(since) = instance.billed_since.take()
        {
            // What is 100 ms but for rounding is no second step.
            self.billed += ((self.now - since) / BILLING_STEP - 1e-9).ceil() * BILLING_STEP;
        }
    }

    fn start(&mut self) {
        self.instances.push(Instance { billed_since: Some(self.now), ..Instance::default() });
        self.plan(self.stack.cold_start, Event::Started(self.instances.len() - 1));
    }

    fn start_for_those_who_wait(&mut self) {
        if matches!(self.scaling, Scaling::Fixed(_)) {
            return;
        }
        let starting = self.instances.iter().filter(|instance| !instance.started).count();
        let unserved = self.waiting.len().saturating_sub(starting * self.stack.concurrency);
        for _ in 0..unserved.div_ceil(self.stack.concurrency) {
            self.start();
        }
    }

    /// What the autoscaler does each second.
    fn look(&mut self) {
        let in_flight = self.instances.iter().map(|instance| instance.in_flight).sum::<usize>() + self.waiting.len();
        let busy = self.instances.iter().map(|instance| instance.busy_cpus).sum();
        self.seen.push_back((in_flight, busy));
        if self.seen.len() > WINDOW {
            self.seen.pop_front();
        }
        let mean = |of: fn(&(usize, usize)) -> usize| {
            self.seen.iter().map(of).sum::<usize>() as f64 / self.seen.len() as f64 / UTILISATION
        };
        let by_place = mean(|seen| seen.0) / self.stack.concurrency as f64;
        let by_cpu = mean(|seen| seen.1) / self.stack.cpus as f64;
        self.wanted = (by_place.max(by_cpu).ceil() as usize).max(1);
        if in_flight > 0 {
            (self.instances.len()..self.wanted).for_each(|_| self.start());
        }
    }
}

/// A number from the exponential distribution.
pub(crate) fn exponential(random: &mut ChaCha8Rng, mean: f64) -> f64 {
    -mean * (1.0 - random.random::<f64>()).ln()
}

/// Times at which requests arrive on their own: a Poisson process whose rate is `rate(time)`, at most `most`.
pub(crate) fn poisson(rate: impl Fn(Seconds) -> f64, most: f64, until: Seconds, seed: u64) -> Vec<Seconds> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut times, mut now) = (Vec::new(), 0.0);
    loop {
        now += exponential(&mut random, 1.0 / most);
        if now >= until {
            return times;
        }
        if random.random::<f64>() * most < rate(now) {
            times.push(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: Stack = Stack { concurrency: 1, cpus: 1, cold_start: 0.0, upload: 0.0, work: Work::Constant(1.0) };

    /// The mean wait before a fixed fleet of single places.
    fn mean_wait(instances: usize, work: Work, rate: f64) -> f64 {
        let arrivals = poisson(|_| rate, rate, 400_000.0 / rate, 1);
        let outcome = simulate(Stack { work, ..BARE }, Scaling::Fixed(instances), &arrivals, 2);
        assert_eq!(outcome.requests.len(), arrivals.len());
        outcome.requests.iter().map(|request| request.waited).sum::<f64>() / arrivals.len() as f64
    }

    /// Erlang's C: the mean wait of M/M/c with a mean work of 1.
    fn erlang_c(servers: usize, rate: f64) -> f64 {
        let (mut blocked, load) = (1.0, rate);
        for n in 1..=servers {
            blocked = load * blocked / (n as f64 + load * blocked);
        }
        let waits = blocked / (1.0 - load / servers as f64 * (1.0 - blocked));
        waits / (servers as f64 - load)
    }

    #[test]
    fn the_wait_is_erlangs_for_exponential_work() {
        assert!((erlang_c(1, 0.5) - 1.0).abs() < 1e-12 && (erlang_c(2, 1.0) - 1.0 / 3.0).abs() < 1e-12);
        for (servers, rate) in [(1, 0.7), (5, 4.0), (20, 17.0)] {
            let (simulated, known) = (mean_wait(servers, Work::Exponential(1.0), rate), erlang_c(servers, rate));
            assert!((simulated / known - 1.0).abs() < 0.05, "M/M/{servers} at {rate}: {simulated}, not {known}");
        }
    }

    #[test]
    fn the_wait_is_pollaczek_and_khinchines_for_constant_work() {
        for rate in [0.3, 0.8] {
            let (simulated, known) = (mean_wait(1, Work::Constant(1.0), rate), rate / (2.0 * (1.0 - rate)));
            assert!((simulated / known - 1.0).abs() < 0.03, "M/D/1 at {rate}: {simulated}, not {known}");
        }
    }

    #[test]
    fn a_first_request_pays_the_cold_start_and_a_second_one_does_not() {
        let stack = Stack { concurrency: 4, cold_start: 2.0, upload: 0.25, work: Work::Constant(0.5), ..BARE };
        let outcome = simulate(stack, Scaling::CloudRun, &[0.0, 10.0, 10.0], 1);
        let latencies: Vec<_> = outcome.requests.iter().map(Request::latency).collect();
        assert_eq!(latencies, [2.75, 0.75, 1.25], "the two share one CPU");
        assert_eq!(outcome.instances, 1);
        assert!((outcome.billed - (2.8 + 1.3)).abs() < 1e-9, "in steps of 100 ms: {}", outcome.billed);
    }

    #[test]
    fn as_many_start_as_wait_and_no_more() {
        let stack = Stack { concurrency: 4, cold_start: 0.25, work: Work::Constant(0.125), ..BARE };
        let outcome = simulate(stack, Scaling::CloudRun, &[0.0; 9], 1);
        assert_eq!(outcome.instances, 3);
        let last = outcome.requests.iter().map(|request| request.finished).fold(0.0, f64::max);
        assert_eq!(last, 0.25 + 4.0 * 0.125, "four on the first, one after another");
    }

    #[test]
    fn a_steady_load_is_spread_to_six_tenths() {
        let arrivals = poisson(|_| 50.0, 50.0, 300.0, 3);
        let stack = Stack { concurrency: 8, cold_start: 0.5, work: Work::Constant(0.1), ..BARE };
        let outcome = simulate(stack, Scaling::CloudRun, &arrivals, 4);
        // 5 CPUs' work, and what the burst of the beginning has started.
        assert!((8..=14).contains(&outcome.instances), "{}", outcome.instances);
        assert!(outcome.billed >= 50.0 * 300.0 * 0.1);
    }
}
