//! `lobule bench --train`: how fast the network learns on this machine.
//!
//! A step is forward, loss, backward and Adam over a batch of drawn images, all layers trained and normalised by
//! their batch. Decoding and augmentation are not in it; training does them ahead of the step.

use std::time::Instant;

use candle_core::{Device, Tensor};
use clap::Args;
use serde::Serialize;

use crate::cli::bench::Latency;
use crate::diagnosis::Label;
use crate::kernels::densenet::training::Workspace;
use crate::kernels::{Level, NormMode};
use crate::model::{Network, NormPolicy, Parameters};
use crate::system::allocator::keep_large_blocks;
use crate::train::{Adam, Recipe, Target, step};

/// Arguments of `lobule bench --train`.
#[derive(Debug, Args)]
pub(super) struct TrainBenchArguments {
    /// Time steps of training instead of predictions.
    #[arg(long, conflicts_with_all = ["roofline", "decode"])]
    pub(super) train: bool,
    /// Images in a step of training.
    #[arg(long, value_name = "N", default_value_t = 32, requires = "train",
        value_parser = clap::value_parser!(u32).range(2..=4096))]
    batch: u32,
    /// Steps of training to time.
    #[arg(long, value_name = "N", default_value_t = 10, requires = "train",
        value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
}

#[derive(Serialize)]
pub(super) struct Report {
    batch: u32,
    steps: u32,
    threads: usize,
    images_per_second: f64,
    step_ms: Latency,
    /// The most memory that the program ever held, where the system says so.
    peak_mib: Option<f64>,
    simd: String,
}

/// Steps that are not timed: the first ones ask the system for memory.
const WARM_UP: u32 = 2;

pub(super) fn measure(arguments: &TrainBenchArguments) -> anyhow::Result<Report> {
    keep_large_blocks();
    let by_batch = NormPolicy { source: NormMode::Batch, momentum: 0.99 };
    let recipe = Recipe { backbone_norm: by_batch, head_norm: by_batch, ..Recipe::named("best", &[])? };
    let network = Network::new(recipe.architecture.clone(), Parameters::initial(&recipe.architecture, 1)?);
    let mut adam = Adam::new(network.parameters().iter().map(|parameter| recipe.slot(parameter)));
    let side = recipe.preprocess.size as usize;
    let targets: Vec<Target> = (0..arguments.batch as usize).map(|i| Target::of(Label::ALL[i % 2])).collect();
    // Images that no two pixels of are alike; the time does not depend on what is on them.
    let pixels = (0..targets.len() * side * side * 3).map(|i| (i * 7919 % 8191) as f32 / 4096.0 - 1.0).collect();
    let images = Tensor::from_vec(pixels, (targets.len(), side, side, 3), &Device::Cpu)?;
    let level = Level::default();
    let mut workspace = Workspace::new(level);
    let mut times = Vec::new();
    for index in 0..WARM_UP + arguments.steps {
        let memory = (&mut adam, &mut workspace);
        let began = Instant::now();
        step(&network, memory, &recipe, (&images, &targets), u64::from(index), recipe.learning_rate)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let timed = times.split_off(WARM_UP as usize);
    let images = f64::from(arguments.batch) * f64::from(arguments.steps);
    Ok(Report {
        batch: arguments.batch,
        steps: arguments.steps,
        threads: rayon::current_num_threads(),
        images_per_second: images / timed.iter().sum::<f64>() * 1e3,
        step_ms: Latency::of(timed),
        peak_mib: peak_mib(),
        simd: level.to_string(),
    })
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} steps of {} images, {} threads, {}", self.steps, self.batch, self.threads, self.simd)?;
        writeln!(f, "step        {}", self.step_ms)?;
        writeln!(f, "throughput  {:.1} images/s", self.images_per_second)?;
        self.peak_mib.map_or(Ok(()), |peak| writeln!(f, "memory      {peak:.0} MiB at its peak"))
    }
}

/// Linux keeps the peak of a program's resident memory in a file.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
