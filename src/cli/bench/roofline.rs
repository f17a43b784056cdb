//! `lobule bench --roofline`: where an image's time goes, step by step, against what the processor can do.

use std::fmt;

use anyhow::bail;
use serde::Serialize;

use crate::kernels::{LayerTiming, peak};
use crate::model::Classifier;
use crate::pixels::RgbImage;

#[derive(Serialize)]
pub(super) struct Report {
    simd: String,
    /// Of one thread, multiplying and adding in registers.
    peak_gflops: f64,
    steps: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// Millions of operations, two for each multiplication that is done.
    mflop: f64,
    ms: f64,
    gflops: f64,
    share_of_peak: f64,
}

impl Row {
    fn new(name: String, operations: f64, seconds: f64, peak: f64) -> Self {
        let speed = operations / seconds;
        Self { name, mflop: operations / 1e6, ms: seconds * 1e3, gflops: speed / 1e9, share_of_peak: speed / peak }
    }
}

/// Times the steps of `image`'s way through the backbone on one thread.
pub(super) fn measure(classifier: &Classifier, image: &RgbImage, images: u32) -> anyhow::Result<Report> {
    let Some(steps) = classifier.layer_timings(image, images as usize)? else {
        bail!("{} has no backbone, and --roofline is about one", classifier.id().name);
    };
    let peak = peak(classifier.level());
    let row = |step: &LayerTiming| Row::new(step.name.clone(), step.operations, step.seconds, peak);
    let mut rows: Vec<Row> = steps.iter().map(row).collect();
    let total = |of: fn(&LayerTiming) -> f64| steps.iter().map(of).sum();
    rows.push(Row::new("all of it".into(), total(|s| s.operations), total(|s| s.seconds), peak));
    Ok(Report { simd: classifier.level().to_string(), peak_gflops: peak / 1e9, steps: rows })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "one thread, {}, whose peak is {:.0} GFLOP/s", self.simd, self.peak_gflops)?;
        writeln!(f, "{:<14} {:>7} {:>7} {:>8} {:>8}", "step", "MFLOP", "ms", "GFLOP/s", "of peak")?;
        for Row { name, mflop, ms, gflops, share_of_peak } in &self.steps {
            let percent = share_of_peak * 100.0;
            writeln!(f, "{name:<14} {mflop:>7.1} {ms:>7.3} {gflops:>8.1} {percent:>6.0} %")?;
        }
        Ok(())
    }
}
