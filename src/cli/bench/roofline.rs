//! `lobule bench --roofline`: where an image's time goes, step by step, against what the processor can do.

use std::fmt;

use anyhow::bail;
use serde::Serialize;

use crate::kernels::{LayerTiming, peak, peak_of_whole_numbers};
use crate::model::{Classifier, Precision};
use crate::pixels::RgbImage;

#[derive(Serialize)]
pub(super) struct Report {
    simd: String,
    precision: Precision,
    /// Of one thread, multiplying and adding in registers: floating-point numbers, and whole ones.
    peak_gflops: f64,
    peak_gops: f64,
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
    let (floating, whole) = (peak(classifier.level()), peak_of_whole_numbers(classifier.level()));
    let peak_of = |step: &LayerTiming| if step.whole_numbers { whole } else { floating };
    let row = |step: &LayerTiming| Row::new(step.name.clone(), step.operations, step.seconds, peak_of(step));
    let mut rows: Vec<Row> = steps.iter().map(row).collect();
    let total = |of: &dyn Fn(&LayerTiming) -> f64| steps.iter().map(of).sum::<f64>();
    let (operations, seconds) = (total(&|step| step.operations), total(&|step| step.seconds));
    let at_the_peaks = total(&|step| step.operations / peak_of(step));
    rows.push(Row::new("all of it".into(), operations, seconds, operations / at_the_peaks));
    Ok(Report {
        simd: classifier.level().to_string(),
        precision: classifier.id().precision,
        peak_gflops: floating / 1e9,
        peak_gops: whole / 1e9,
        steps: rows,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { simd, precision, peak_gflops, peak_gops, .. } = self;
        write!(f, "one thread, {simd}, {precision}, whose peak is {peak_gflops:.0} GFLOP/s")?;
        match precision {
            Precision::F32 => writeln!(f)?,
            Precision::Int8 => writeln!(f, ", and {peak_gops:.0} billion operations a second on whole numbers")?,
        }
        writeln!(f, "{:<14} {:>7} {:>7} {:>8} {:>8}", "step", "M op", "ms", "G op/s", "of peak")?;
        for Row { name, mflop, ms, gflops, share_of_peak } in &self.steps {
            let percent = share_of_peak * 100.0;
            writeln!(f, "{name:<14} {mflop:>7.1} {ms:>7.3} {gflops:>8.1} {percent:>6.0} %")?;
        }
        Ok(())
    }
}
