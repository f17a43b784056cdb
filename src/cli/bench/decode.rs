//! `lobule bench --decode FILE`: how long an image takes from its bytes to the network's input, on one thread.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use crate::cli::bench::{Latency, WARM_UP};
use crate::pixels::{self, DecodeLimits, Preprocess};

#[derive(Serialize)]
pub(super) struct Report {
    file: PathBuf,
    images: u32,
    /// From the file's bytes in memory to 8-bit RGB.
    decode_ms: Latency,
    /// From there to the network's input: resized and normalised.
    tensor_ms: Latency,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}, {} times", self.file.display(), self.images)?;
        write!(f, "decode  {}\ntensor  {}\n", self.decode_ms, self.tensor_ms)
    }
}

pub(super) fn measure(file: &Path, preprocess: &Preprocess, images: u32) -> anyhow::Result<Report> {
    let limits = DecodeLimits::local();
    pixels::read(file, &limits)?; // its error names the file
    let bytes = pixels::read_bytes(file, &limits)?;
    let (mut decode_times, mut tensor_times) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + images {
        let began = Instant::now();
        let image = pixels::decode(&bytes, &limits)?.image;
        let decoded = Instant::now();
        preprocess.tensor(&image)?;
        let prepared = Instant::now();
        if round >= WARM_UP {
            decode_times.push((decoded - began).as_secs_f64() * 1e3);
            tensor_times.push((prepared - decoded).as_secs_f64() * 1e3);
        }
    }
    Ok(Report {
        file: file.to_owned(),
        images,
        decode_ms: Latency::of(decode_times),
        tensor_ms: Latency::of(tensor_times),
    })
}
