//! `lobule bench`: how fast the network answers on this machine.
//!
//! Latency is the time of one image after another with all threads at its service; throughput is that of images
//! side by side. Both start from an image of the network's own size, so decoding is not in them; `--decode` times that.

mod decode;
mod roofline;
mod train;

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;

use crate::cli::output;
use crate::cli::weights::WeightsArguments;
use crate::model::{Classifier, Precision};
use crate::pixels::RgbImage;
use train::TrainBenchArguments;

/// Arguments of `lobule bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    #[command(flatten)]
    weights: WeightsArguments,
    /// Threads to compute on [default: one for each CPU].
    #[arg(long, env = "LOBULE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Images to time.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    images: u32,
    /// Print where an image's time goes instead, step by step, against this processor's peak.
    #[arg(long)]
    roofline: bool,
    /// Time the way of this image to the network instead: its bytes to RGB, and RGB to the network's input.
    #[arg(long, value_name = "FILE", conflicts_with = "roofline")]
    decode: Option<PathBuf>,
    #[command(flatten)]
    training: TrainBenchArguments,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    threads: usize,
    images: u32,
    latency_ms: Latency,
    images_per_second: f64,
    simd: String,
    precision: Precision,
}

/// The smallest times, in milliseconds, that half, nine tenths and 99 hundredths of all do not exceed.
#[derive(Serialize)]
pub(super) struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
}

impl Latency {
    /// Of times in milliseconds, in any order and at least one.
    pub(super) fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let percentile = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
        Self { p50: percentile(50), p90: percentile(90), p99: percentile(99) }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99 } = self;
        write!(f, "p50 {p50:.2} ms, p90 {p90:.2} ms, p99 {p99:.2} ms")
    }
}

pub(super) fn run(arguments: &BenchArguments) -> anyhow::Result<()> {
    let threads = arguments.threads.map_or(0, usize::from);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("cannot start the threads")?;
    let BenchArguments { weights, images, json, .. } = arguments;
    if arguments.training.train {
        return print(&train::measure(&arguments.training)?, *json);
    }
    let classifier = weights.classifier()?;
    let image = checkered(classifier.preprocess().size);
    match &arguments.decode {
        _ if arguments.roofline => print(&roofline::measure(&classifier, &image, *images)?, *json),
        Some(file) => print(&decode::measure(file, classifier.preprocess(), *images)?, *json),
        None => print(&measure(&classifier, &image, *images)?, *json),
    }
}

fn print(report: &(impl Serialize + fmt::Display), json: bool) -> anyhow::Result<()> {
    output::print(&if json { serde_json::to_string(report)? + "\n" } else { report.to_string() }).map(drop)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} images, {} threads, {}, {}", self.images, self.threads, self.simd, self.precision)?;
        write!(f, "latency     {}\nthroughput  {:.1} images/s\n", self.latency_ms, self.images_per_second)
    }
}

/// Images that are not timed: the first ones wake threads and fill caches.
pub(super) const WARM_UP: u32 = 5;

fn measure(classifier: &Classifier, image: &RgbImage, images: u32) -> anyhow::Result<Report> {
    for _ in 0..WARM_UP {
        classifier.classify(image)?;
    }
    let mut times = Vec::new();
    for _ in 0..images {
        let began = Instant::now();
        classifier.classify(image)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }

    let began = Instant::now();
    (0..images).into_par_iter().try_for_each(|_| classifier.classify(image).map(drop))?;
    let images_per_second = f64::from(images) / began.elapsed().as_secs_f64();
    Ok(Report {
        threads: rayon::current_num_threads(),
        images,
        latency_ms: Latency::of(times),
        images_per_second,
        simd: classifier.level().to_string(),
        precision: classifier.id().precision,
    })
}

/// An image that no layer can make short work of; the time does not depend on what is on it.
fn checkered(size: u32) -> RgbImage {
    RgbImage::from_fn(size, size, |x, y| image::Rgb([(x * 37 % 256) as u8, (y * 59 % 256) as u8, (x * y % 256) as u8]))
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        for (times, percentiles) in [((1..=100).map(f64::from).collect(), [50.0, 90.0, 99.0]), (vec![7.0], [7.0; 3])] {
            let Latency { p50, p90, p99 } = Latency::of(times);
            assert_eq!([p50, p90, p99], percentiles);
        }
    }
}
