//! `lobule bench --roofline`: where an image's time goes, step by step, against what the processor can do.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::bail;
use serde::Serialize;

use crate::kernels::{LayerTiming, Numbers, peak};
use crate::model::{Classifier, Precision};
use crate::pixels::RgbImage;

#[derive(Serialize)]
pub(super) struct Report {
    simd: String,
    precision: Precision,
    /// Of one thread that does nothing but multiply and add in registers, for each kind of numbers that is multiplied.
    peaks: Vec<Peak>,
    steps: Vec<Row>,
}

#[derive(Serialize)]
struct Peak {
    numbers: Numbers,
    billion_operations_per_second: f64,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// Two for each multiplication that is done.
    million_operations: f64,
    ms: f64,
    billion_operations_per_second: f64,
    share_of_peak: f64,
}

impl Row {
    fn new(name: String, operations: f64, seconds: f64, peak: f64) -> Self {
        let speed = operations / seconds;
        Self {
            name,
            million_operations: operations / 1e6,
            ms: seconds * 1e3,
            billion_operations_per_second: speed / 1e9,
            share_of_peak: speed / peak,
        }
    }
}

/// Times the steps of `image`'s way through the backbone on one thread.
pub(super) fn measure(classifier: &Classifier, image: &RgbImage, images: u32) -> anyhow::Result<Report> {
    let Some(steps) = classifier.layer_timings(image, images as usize)? else {
        bail!("{} has no backbone, and --roofline is about one", classifier.id().name);
    };
    let mut peaks: BTreeMap<Numbers, f64> = steps.iter().map(|step| (step.numbers, 0.0)).collect();
    peaks.iter_mut().for_each(|(numbers, speed)| *speed = peak(classifier.level(), *numbers));
    let row = |step: &LayerTiming| Row::new(step.name.clone(), step.operations, step.seconds, peaks[&step.numbers]);
    let mut rows: Vec<Row> = steps.iter().map(row).collect();
    let total = |of: &dyn Fn(&LayerTiming) -> f64| steps.iter().map(of).sum::<f64>();
    let (operations, seconds) = (total(&|step| step.operations), total(&|step| step.seconds));
    let at_the_peaks = total(&|step| step.operations / peaks[&step.numbers]);
    rows.push(Row::new("all of it".into(), operations, seconds, operations / at_the_peaks));
    let peaks = peaks.into_iter().map(|(numbers, speed)| Peak { numbers, billion_operations_per_second: speed / 1e9 });
    let (simd, precision) = (classifier.level().to_string(), classifier.id().precision);
    Ok(Report { simd, precision, peaks: peaks.collect(), steps: rows })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one thread, {}, {}; at its peak, in billion operations a second:", self.simd, self.precision)?;
        for Peak { numbers, billion_operations_per_second } in &self.peaks {
            write!(f, " {billion_operations_per_second:.0} of {numbers}")?;
        }
        writeln!(f, "\n{:<14} {:>7} {:>7} {:>8} {:>8}", "step", "M op", "ms", "G op/s", "of peak")?;
        for Row { name, million_operations, ms, billion_operations_per_second, share_of_peak } in &self.steps {
            let (speed, percent) = (billion_operations_per_second, share_of_peak * 100.0);
            writeln!(f, "{name:<14} {million_operations:>7.1} {ms:>7.3} {speed:>8.1} {percent:>6.0} %")?;
        }
        Ok(())
    }
}
