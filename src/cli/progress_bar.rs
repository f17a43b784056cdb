//! A bar of images on a terminal.

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar of images of which some are done, with the rate and the time that is left.
pub(super) fn images_bar(what: &str, images: usize, done: usize) -> ProgressBar {
    let bar = ProgressBar::new(images as u64);
    let template = "{msg:28} {bar:30} {pos}/{len} images, {rate} images/s, {eta} left";
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        // A terminal that cannot be written to is no reason to stop.
        let _ = write!(text, "{:.1}", state.per_sec());
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("rate", rate));
    }
    bar.set_message(what.to_owned());
    bar.set_position(done as u64);
    bar.reset_eta();
    bar
}

/// Shows on a bar that so many of so many images are predicted, anew for each walk over them.
#[cfg(feature = "cli")]
pub(super) fn show_predicted(bar: &ProgressBar, done: usize, of: usize) {
    if done == 0 {
        bar.reset();
    }
    bar.set_length(of as u64);
    bar.set_position(done as u64);
    if done == of {
        bar.finish_and_clear();
    }
}
