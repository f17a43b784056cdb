//! Trains the report's baseline on a folder of BreakHis: `cargo run --release --example train -- DATA RUN`.
//! The folder RUN then holds the weights file, which `lobule predict --weights` and `lobule serve --weights` take.

#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use lobule::train::{Config, Epoch, Outcome, Progress, Recipe, run};

/// Prints a line an epoch.
struct Lines;

impl Progress for Lines {
    fn epoch(&mut self, epoch: &Epoch) {
        let figures = &epoch.figures;
        println!("epoch {}: loss {:.4}, accuracy {:.4}", figures.epoch, figures.train_loss, figures.train_accuracy);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(data), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: train DATA RUN".into());
    };
    let recipe = Recipe::named("baseline", &["epochs=5"])?;
    // The split is by case: no patient is in two parts of it.
    let config = Config::new(data, recipe, folder);
    if let Outcome::Run(finished) = run(&config, &mut Lines)? {
        println!("trained on {} images; the best epoch was {}", finished.train_images, finished.epoch);
    }
    Ok(())
}
