//! Classifies one image with the built-in network: `cargo run --release --example classify -- IMAGE`.

#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use lobule::pixels::{DecodeLimits, read};
use lobule::{Classifier, Prediction};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: classify IMAGE")?;
    let image = read(path.as_ref(), &DecodeLimits::local())?.image;
    let classifier = Classifier::built_in()?;
    let Prediction { margin, probability_malignant, .. } = classifier.classify(&image)?;
    let decision = classifier.threshold().decide(probability_malignant);
    println!("{decision}: malignant with a probability of {:.4}, a margin of {margin:.2}", probability_malignant.get());
    println!("{}", lobule::diagnosis::RESEARCH_USE);
    Ok(())
}
