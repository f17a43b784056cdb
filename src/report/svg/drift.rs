//! How probabilities are spread in an archive, beside those of the training.

use crate::report::svg::{AXIS, Anchor, SMALL, Scale, Stroke, Svg, TEXT, colour};

// Pixels.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = HEIGHT - 46.0;

const TRAINING: Stroke = Stroke { colour: colour::VERMILION, width: 2.5, dashed: false };

/// The share of the images in each tenth of probability as bars; a line across each bar is that of the images which the
/// training held out.
pub(crate) fn scores(here: &[f64; 10], training: Option<&[f64; 10]>) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, "Probabilities of malignancy");
    let x = Scale::new(0.0, 1.0, (LEFT, RIGHT), 5);
    let most = here.iter().chain(training.into_iter().flatten()).copied().fold(0.01, f64::max);
    let y = Scale::rounded(0.0, 100.0 * most, (BOTTOM, TOP), 5);
    svg.ticks_up(y, (LEFT, RIGHT));
    for (tenth, share) in here.iter().enumerate() {
        let [from, to] = [tenth, tenth + 1].map(|edge| x.at(edge as f64 / 10.0));
        let height = y.at(100.0 * share);
        svg.rectangle((from + 2.0, height), to - from - 4.0, BOTTOM - height, colour::BLUE);
        if let Some(training) = training {
            let height = y.at(100.0 * training[tenth]);
            svg.line(&[(from, height), (to, height)], TRAINING);
        }
    }
    svg.line(&[(LEFT, BOTTOM), (RIGHT, BOTTOM)], AXIS);
    for (at, label) in x.ticks() {
        svg.text((at, BOTTOM + 16.0), Anchor::Middle, SMALL, &label);
    }
    svg.text(((LEFT + RIGHT) / 2.0, HEIGHT - 10.0), Anchor::Middle, TEXT, "probability of malignancy");
    svg.upright((13.0, (TOP + BOTTOM) / 2.0), TEXT, "% of the images");
    svg.rectangle((LEFT, 12.0), 12.0, 10.0, colour::BLUE);
    svg.text((LEFT + 18.0, 21.0), Anchor::Start, SMALL, "this archive");
    if training.is_some() {
        svg.line(&[(LEFT + 120.0, 17.0), (LEFT + 140.0, 17.0)], TRAINING);
        svg.text((LEFT + 146.0, 21.0), Anchor::Start, SMALL, "held out in training");
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenth_has_its_bar_and_its_line_where_the_training_is_known() {
        let mut here = [0.0; 10];
        here[9] = 1.0;
        let lines = |svg: &str| svg.matches(colour::VERMILION).count();
        let both = scores(&here, Some(&[0.1; 10]));
        assert_eq!((lines(&both), lines(&scores(&here, None))), (11, 0));
        assert!(!both.contains("NaN") && both.contains("held out in training"));
        assert!(!scores(&[0.0; 10], None).contains("NaN"));
    }
}
