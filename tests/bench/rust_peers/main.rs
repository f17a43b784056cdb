//! A process that holds one peer and waits for its turns: what `peer.py` is for the peers of Python, by the same lines.
//!
//!     rust-peers '{"engine": "rten", "folder": "...", "threads": 1, ...}'
//!
//! reads one line a turn from stdin, the seconds it shall last, and answers with one JSON object.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

mod candle_densenet;
mod rten_model;

const WARM_UP: usize = 3;

/// One unit of a peer's work: the probability of malignancy of its image.
type Work = Box<dyn FnMut() -> Result<f32>>;

fn main() -> Result<()> {
    // It ends with the process that started it, even while it is stopped.
    // SAFETY: this sets an attribute of the process, and reads no memory.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let spec: Value = serde_json::from_str(&env::args().nth(1).context("the first argument is the JSON of a peer")?)?;
    let text = |key: &str| spec[key].as_str().with_context(|| format!("{key} is missing in {spec}"));
    let folder = PathBuf::from(text("folder")?);
    let mut work: Work = match text("engine")? {
        "rten" => {
            rten_model::load(&folder, text("form")?, spec["threads"].as_u64().context("threads is missing")? as usize)?
        }
        "candle" => candle_densenet::load(&folder, Path::new(text("weights")?))?,
        other => bail!("there is no engine {other}"),
    };
    work()?;
    println!("{}", json!({"ready": true}));
    for line in io::stdin().lines() {
        println!("{}", turn(&mut work, line?.trim().parse()?)?);
    }
    Ok(())
}

/// Works for that long, and at least once, after a warm-up that takes no more than half as long.
fn turn(work: &mut Work, seconds: f64) -> Result<Value> {
    let began = Instant::now();
    for _ in 0..WARM_UP {
        if began.elapsed().as_secs_f64() < seconds / 2.0 {
            work()?;
        }
    }
    let (mut times, mut probability, began) = (Vec::new(), 0.0, Instant::now());
    while times.is_empty() || began.elapsed().as_secs_f64() < seconds {
        let before = Instant::now();
        probability = work()?;
        times.push(before.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let (middle, slow) = (times[times.len() / 2], times[(times.len() * 9).div_ceil(10) - 1]);
    Ok(json!({"p50_ms": middle * 1e3, "p90_ms": slow * 1e3, "calls": times.len(),
        "images_per_second": times.len() as f64 / times.iter().sum::<f64>(), "peak_mib": peak_mib()?,
        "probability": probability}))
}

/// The most memory that this process has had resident, in MiB.
fn peak_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    Ok(kib.context("/proc/self/status has no VmHWM")?.trim().parse::<f64>()? / 1024.0)
}

/// The preprocessed image: its side, and its numbers channel by channel.
fn image(folder: &Path) -> Result<(usize, Vec<f32>)> {
    let file = fs::read(folder.join("image.npy"))?;
    let header = usize::from(u16::from_le_bytes([file[8], file[9]])); // of version 1 of the format
    let (numbers, _) = file[10 + header..].as_chunks();
    let pixels: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let side = (pixels.len() / 3).isqrt();
    let channels = (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied().collect::<Vec<_>>());
    Ok((side, channels.collect()))
}
