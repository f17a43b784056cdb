//! `curves.svg`: how loss, accuracy and the learning rate went over the epochs of a run, with the epoch marked whose
//! weights are kept.
//!
//! In: the epochs so far. Out: one figure of three panels above one axis, on which the epochs are counted through.

use crate::report::svg::{AXIS, Anchor, HEADING, Marker, Place, SMALL, Scale, Stroke, Svg, TEXT, TITLE, colour};
use crate::train::{Epoch, EpochFigures, Keep};

// Pixels.
const WIDTH: f64 = 820.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = WIDTH - 20.0;
const HEADER: f64 = 104.0;
const PANEL_HEIGHTS: [f64; 3] = [210.0, 210.0, 100.0];
/// From a panel's lower edge to the next one's upper edge; the next one's title stands there.
const BETWEEN: f64 = 38.0;
const FOOTER: f64 = 70.0;

const KEPT: Stroke = Stroke { colour: colour::INK, width: 1.2, dashed: true };

/// The figure of a run with all epochs so far, as an SVG document below a title; the epoch whose weights the run would
/// end with now is marked, and why it is that one.
pub(crate) fn curves(title: &str, epochs: &[Epoch], kept: Option<(usize, Keep)>) -> String {
    let series = |number: fn(&EpochFigures) -> Option<f64>| -> Vec<f64> {
        epochs.iter().map(|epoch| number(&epoch.figures).unwrap_or(f64::NAN)).collect()
    };
    let index_of = |number: usize| epochs.iter().position(|epoch| epoch.figures.epoch == number);
    let curves = Curves {
        loss: [series(|f| Some(f.train_loss)), series(|f| f.validation_loss)],
        accuracy: [series(|f| Some(f.train_accuracy)), series(|f| f.validation_accuracy)],
        learning_rate: series(|f| Some(f.learning_rate)),
        kept: kept.and_then(|(number, rule)| Some((index_of(number)?, rule))),
    };
    curves.svg(title)
}

/// What is drawn of a run: a number an epoch, in the order they were run. What is not a finite number is a gap.
#[derive(Clone, Debug, Default)]
struct Curves {
    /// Of the train and the validation part.
    loss: [Vec<f64>; 2],
    /// Of the same two.
    accuracy: [Vec<f64>; 2],
    learning_rate: Vec<f64>,
    /// The index of the epoch whose weights are kept, and by what rule.
    kept: Option<(usize, Keep)>,
}

#[derive(Clone, Copy)]
struct Curve<'a> {
    numbers: &'a [f64],
    colour: &'static str,
    marker: Marker,
}

impl Curves {
    fn svg(&self, title: &str) -> String {
        let height = HEADER + PANEL_HEIGHTS.iter().sum::<f64>() + 2.0 * BETWEEN + FOOTER;
        let mut svg = Svg::new(WIDTH, height, title);
        svg.text((LEFT, 28.0), Anchor::Start, TITLE, title);
        self.legend(&mut svg, 50.0);

        let (loss, accuracy) = (pair(&self.loss), pair(&self.accuracy));
        let rate = [Curve { numbers: &self.learning_rate, colour: colour::INK, marker: Marker::Disc }];
        let panels: [(&str, &[Curve<'_>], Ends); 3] = [
            ("loss", &loss, (0.0, None)),
            ("accuracy", &accuracy, (0.9, Some(1.0))),
            ("learning rate", &rate, (0.0, None)),
        ];
        let mut top = HEADER;
        for ((title, curves, ends), height) in panels.into_iter().zip(PANEL_HEIGHTS) {
            svg.text((LEFT, top - 8.0), Anchor::Start, HEADING, title);
            self.panel(&mut svg, (top, top + height), curves, ends);
            top += height + BETWEEN;
        }
        let bottom = top - BETWEEN;
        for (x, label) in self.epochs().ticks() {
            svg.text((x, bottom + 17.0), Anchor::Middle, SMALL, &label);
        }
        svg.text(((LEFT + RIGHT) / 2.0, bottom + 35.0), Anchor::Middle, TEXT, "epoch");
        let note = "Train figures are means over the steps of an epoch (with dropout and augmentation); validation figures \
                    are of its end.";
        svg.text((LEFT, bottom + 58.0), Anchor::Start, SMALL, note);
        svg.finish()
    }

    /// The epochs along the axis, each in the middle of its own share.
    fn epochs(&self) -> Scale {
        let count = self.learning_rate.len().max(1) as f64;
        Scale::new(0.5, count + 0.5, (LEFT, RIGHT), 20).whole()
    }

    /// What the marks mean, in two rows.
    fn legend(&self, svg: &mut Svg, y: f64) {
        let mut x = LEFT;
        for (name, Curve { colour, marker, .. }) in ["train", "validation"].into_iter().zip(pair(&self.loss)) {
            svg.line(&[(x, y - 4.0), (x + 24.0, y - 4.0)], Stroke { colour, width: 2.0, dashed: false });
            svg.marker((x + 12.0, y - 4.0), marker, 3.5, colour);
            svg.text((x + 30.0, y), Anchor::Start, TEXT, name);
            x += 30.0 + 8.0 * name.len() as f64 + 12.0;
        }
        if let Some((kept, rule)) = self.kept {
            let y = y + 20.0;
            svg.line(&[(LEFT, y - 4.0), (LEFT + 24.0, y - 4.0)], KEPT);
            svg.text((LEFT + 30.0, y), Anchor::Start, TEXT, &self.describe(kept, rule));
        }
    }

    fn describe(&self, kept: usize, rule: Keep) -> String {
        let mut text = match rule {
            Keep::Best => format!("kept: lowest validation loss (epoch {})", kept + 1),
            Keep::Last => format!("kept: last epoch ({})", kept + 1),
        };
        for (name, [_, validation]) in [("loss", &self.loss), ("accuracy", &self.accuracy)] {
            if let Some(number) = validation.get(kept).filter(|number| number.is_finite()) {
                text += &format!(", validation {name} {number:.4}");
            }
        }
        text
    }

    /// A panel from its upper to its lower edge.
    fn panel(&self, svg: &mut Svg, (top, bottom): (f64, f64), curves: &[Curve<'_>], ends: Ends) {
        let epochs = self.epochs();
        let axis = scale(ends, curves, (bottom, top));
        svg.ticks_up(axis, (LEFT, RIGHT));
        if let Some((kept, _)) = self.kept {
            let x = epochs.at(kept as f64 + 1.0);
            svg.line(&[(x, top), (x, bottom)], KEPT);
        }
        for curve in curves {
            curve.draw(svg, epochs, axis);
        }
        svg.line(&[(LEFT, top), (LEFT, bottom), (RIGHT, bottom)], AXIS);
        for (x, _) in epochs.ticks() {
            svg.line(&[(x, bottom), (x, bottom + 4.0)], AXIS);
        }
        if curves.iter().all(|curve| curve.points().next().is_none()) {
            let middle = ((LEFT + RIGHT) / 2.0, (top + bottom) / 2.0);
            svg.text(middle, Anchor::Middle, TEXT, "not defined in any epoch");
        }
    }
}

fn pair([train, validation]: &[Vec<f64>; 2]) -> [Curve<'_>; 2] {
    [
        Curve { numbers: train, colour: colour::BLUE, marker: Marker::Disc },
        Curve { numbers: validation, colour: colour::VERMILION, marker: Marker::Square },
    ]
}

impl Curve<'_> {
    /// The epochs, from 1, and their numbers, without the gaps.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let points = self.numbers.iter().enumerate().map(|(index, number)| (index as f64 + 1.0, *number));
        points.filter(|(_, number)| number.is_finite())
    }

    fn draw(&self, svg: &mut Svg, epochs: Scale, axis: Scale) {
        let Self { colour, marker, .. } = *self;
        let places: Vec<(f64, Place)> = self.points().map(|(x, y)| (x, (epochs.at(x), axis.at(y)))).collect();
        for run in places.chunk_by(|(a, _), (b, _)| b - a < 1.5) {
            let run: Vec<Place> = run.iter().map(|(_, place)| *place).collect();
            svg.line(&run, Stroke { colour, width: 2.0, dashed: false });
        }
        let radius = if self.numbers.len() > 30 { 2.2 } else { 3.5 };
        places.iter().for_each(|(_, place)| svg.marker(*place, marker, radius, colour));
    }
}

/// Numbers that an axis reaches whatever the curves do, at its lower and its upper end.
type Ends = (f64, Option<f64>);

/// The axis that holds all numbers of the curves.
fn scale(ends: Ends, curves: &[Curve<'_>], pixels: (f64, f64)) -> Scale {
    let numbers: Vec<f64> = curves.iter().flat_map(|curve| curve.points().map(|(_, number)| number)).collect();
    // Without any number the axis is that of a share.
    let (low, high) = if numbers.is_empty() { (0.0, Some(1.0)) } else { ends };
    let low = numbers.iter().copied().fold(low, f64::min);
    let high = numbers.into_iter().chain(high).fold(f64::NEG_INFINITY, f64::max);
    let ticks = if (pixels.0 - pixels.1).abs() < 150.0 { 3 } else { 5 };
    Scale::rounded(low, high, pixels, ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(epochs: usize) -> Curves {
        let falling = |from: f64, by: f64| (0..epochs).map(|epoch| from * by.powi(epoch as i32)).collect::<Vec<_>>();
        let rising = |numbers: Vec<f64>| numbers.into_iter().map(|number| 1.0 - number).collect();
        Curves {
            loss: [falling(0.7, 0.9), falling(0.6, 0.95)],
            accuracy: [rising(falling(0.3, 0.9)), rising(falling(0.25, 0.95))],
            learning_rate: falling(3e-4, 0.8),
            kept: epochs.checked_sub(1).map(|last| (last, Keep::Last)),
        }
    }

    #[test]
    fn each_epoch_of_each_curve_has_its_mark() {
        for epochs in [1, 7, 40] {
            let svg = run(epochs).svg("run");
            // Train loss, train accuracy and learning rate, and one disc in the legend.
            assert_eq!(svg.matches("<circle").count(), 3 * epochs + 1, "{epochs} epochs");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.contains(&format!(">kept: last epoch ({epochs}), validation loss ")), "{svg}");
        }
    }

    #[test]
    fn undefined_figures_are_gaps_and_a_panel_without_any_says_so() {
        let mut curves = run(5);
        curves.loss[1] = vec![f64::NAN, 0.5, f64::INFINITY, 0.4, 0.3];
        curves.accuracy = [vec![f64::NAN; 5], vec![f64::NAN; 5]];
        let svg = curves.svg("run");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("not defined in any epoch"));
        let lines = format!("stroke=\"{}\"", colour::VERMILION);
        assert_eq!(svg.matches(&lines).count(), 3, "two runs of the validation loss and the legend: {svg}");
        curves.accuracy = [vec![1.0; 5], vec![1.0; 5]];
        assert!(!curves.svg("run").contains(">1.1<"), "an axis of accuracy ends at 1");
        assert!(Curves::default().svg("no epoch yet").contains("not defined"));
    }

    #[test]
    fn the_epoch_that_is_kept_is_marked_by_the_rule_that_keeps_it() {
        let epoch = |epoch, loss| Epoch {
            figures: EpochFigures {
                epoch,
                learning_rate: 1e-3,
                train_loss: 0.5,
                train_accuracy: 0.75,
                validation_loss: Some(loss),
                ..EpochFigures::default()
            },
            images_per_second: 9.0,
            ended_at: 1.5,
        };
        let epochs = [epoch(1, 0.4), epoch(2, 0.3), epoch(3, 0.35)];
        let best = curves("best, seed 1", &epochs, Some((2, Keep::Best)));
        assert!(best.contains(">kept: lowest validation loss (epoch 2), validation loss 0.3000</text>"), "{best}");
        assert!(best.contains("<title>best, seed 1</title>"), "{best}");
        let last = curves("best, seed 1", &epochs, Some((3, Keep::Last)));
        assert!(last.contains(">kept: last epoch (3), validation loss 0.3500</text>"), "{last}");
        assert!(!curves("no epoch yet", &[], None).contains("kept"));
    }
}
