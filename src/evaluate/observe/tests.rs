//! Drawn images, and classifiers of which it is known what they see.

use super::*;
use crate::diagnosis::Threshold;
use crate::evaluate::controls::spectrum::spectrum;
use crate::evaluate::exchange::exchanges;
use crate::evaluate::{ControlFigures, Figures, Metric, Stratum};

const SIZE: u32 = 16;

/// An image in a colour, with a pattern of some wave length and contrast.
struct Drawn {
    label: Label,
    case: usize,
    colour: [f32; 3],
    coarse: bool,
    sharpness: f32,
    magnification: u32,
}

impl Drawn {
    fn pixels(&self, index: usize) -> Vec<f32> {
        let mut image = Vec::new();
        for (y, x) in (0..SIZE as usize).flat_map(|y| (0..SIZE as usize).map(move |x| (y, x))) {
            let length = if self.coarse { 8.0 } else { 4.0 };
            let wave = |place: usize| (std::f32::consts::TAU * (place as f32 + 0.5) / length).sin();
            let wave = wave(x) * wave(y);
            let grain = ((x * 37 + y * 53 + x * y + index * 11) % 17) as f32 / 16.0 - 0.5;
            let shade = 1.0 + 0.2 * wave + self.sharpness * grain;
            image.extend(self.colour.map(|channel| channel * shade));
        }
        image
    }

    fn subject(&self) -> Subject {
        let stratum = Stratum { magnification: self.magnification, width: 700 };
        Subject::drawn(self.label, &self.case.to_string(), Some(stratum))
    }
}

/// 96 images of 24 cases. Malignant ones are pink, coarse, and mostly taken at 200X, where images are less sharp; how pink
/// and how sharp an image is differs from image to image, and nothing but the texture gives the label away alone.
fn images() -> Vec<Drawn> {
    let image = |index: usize| {
        let case = index / 4;
        let malignant = case.is_multiple_of(2);
        // Of four images three are at the magnification that goes with the class.
        let at_200 = malignant != index.is_multiple_of(4);
        let vary = |factor: usize| (index * factor % 19) as f32 / 19.0;
        let pink = if malignant { 0.12 } else { 0.0 } + 0.03 * vary(7);
        Drawn {
            label: Label::ALL[usize::from(malignant)],
            case,
            colour: [0.5 + pink, 0.5 - pink, 0.5],
            coarse: malignant,
            sharpness: if at_200 { 0.05 } else { 0.2 } + 0.04 * vary(5),
            magnification: if at_200 { 200 } else { 100 },
        }
    };
    (0..96).map(image).collect()
}

fn measured(see: impl Fn(&[f32]) -> f64 + Sync) -> (Figures, Predictions) {
    let look = |image: &[f32]| Ok::<_, PixelsError>(Seen { margin: see(image), taps: None });
    let observer = Observer { network: &look, backbone: None };
    let images = images();
    let pixels: Vec<Vec<f32>> = images.iter().enumerate().map(|(index, image)| image.pixels(index)).collect();
    let lenders = exchanges(images.len(), 3, 0);
    let observations = images.iter().enumerate().map(|(index, image)| {
        let lent: Vec<ColourStatistics> =
            lenders[index].iter().map(|&lender| ColourStatistics::of(&pixels[lender])).collect();
        let prepared = Prepared { image: pixels[index].clone(), for_backbone: None };
        observer.observe(image.subject(), &prepared, (&lent, true), SIZE).unwrap()
    });
    let predictions = conclude(observations.collect(), None);
    (Figures::of(&predictions, &predictions.all(), Threshold::HALF), predictions)
}

/// AUC as the images are and within strata, exchanged and within strata.
fn four(figures: &Figures) -> [f64; 4] {
    let [areas @ .., _] = Metric::AREAS;
    areas.map(|metric| figures.get(metric).unwrap())
}

fn mean_of(image: &[f32], channel: usize) -> f64 {
    image.as_chunks::<3>().0.iter().map(|pixel| f64::from(pixel[channel])).sum::<f64>() / f64::from(SIZE * SIZE)
}

#[test]
fn a_network_that_sees_only_colour_is_shown_up() {
    let (figures, predictions) = measured(|image| 20.0 * (mean_of(image, 0) - mean_of(image, 1)) - 3.0);
    let [plain, within, exchanged, exchanged_within] = four(&figures);
    assert!(plain > 0.95 && within > 0.95, "{figures:?}");
    assert!((exchanged - 0.5).abs() < 0.1 && (exchanged_within - 0.5).abs() < 0.1, "{figures:?}");
    assert!(figures.get(Metric::Changed).unwrap() > 0.3, "{figures:?}");
    let colour = ControlFigures::of(Control::MeanColour, &predictions, &predictions.all()).unwrap();
    let [plain, exchanged] = [Metric::RocAuc, Metric::Exchanged].map(|metric| colour.get(metric).unwrap());
    assert!(plain > 0.95 && (exchanged - 0.5).abs() < 0.1, "{colour:?}");
}

#[test]
fn a_network_that_sees_only_sharpness_is_shown_up_within_strata() {
    // The power of the finest rings beside the contrast, which the patterns make and all images share.
    let (figures, ..) = measured(|image| {
        let fine: f64 = spectrum(image)[13..].iter().map(|power| power.exp()).sum();
        let grey = |pixel: &[f32; 3]| f64::from(0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]);
        let pixels = image.as_chunks::<3>().0;
        let mean = pixels.iter().map(grey).sum::<f64>() / pixels.len() as f64;
        let contrast: f64 = pixels.iter().map(|pixel| (grey(pixel) - mean).powi(2)).sum();
        contrast.ln() - fine.ln()
    });
    let [plain, within, exchanged, exchanged_within] = four(&figures);
    assert!(plain > 0.65 && exchanged > 0.65, "{figures:?}");
    assert!((within - 0.5).abs() < 0.12 && (exchanged_within - 0.5).abs() < 0.12, "{figures:?}");
}

#[test]
fn a_network_that_sees_only_texture_keeps_its_figure() {
    // Pixels four apart are opposites in the coarse pattern and alike in the fine one.
    let (figures, predictions) = measured(|image| {
        let grey: Vec<f32> = image.as_chunks::<3>().0.iter().map(|pixel| pixel[1]).collect();
        let mean = grey.iter().sum::<f32>() / grey.len() as f32;
        let side = SIZE as usize;
        let pairs = (0..side * side).filter(|index| index % side + 4 < side);
        -f64::from(pairs.map(|index| (grey[index] - mean) * (grey[index + 4] - mean)).sum::<f32>())
    });
    assert!(four(&figures).iter().all(|area| *area > 0.95), "{figures:?}");
    assert!(figures.get(Metric::Changed).unwrap() < 0.05, "{figures:?}");
    assert_eq!(predictions.shifted.len(), Shift::ALL.len());
    assert!(figures.get(Metric::HardImages).unwrap() <= predictions.subjects.len() as f64);
    // Without a backbone there are no taps; the other controls are there.
    let controls: Vec<Control> = predictions.controls.iter().map(|(control, _)| *control).collect();
    assert_eq!(controls, [Control::MeanColour, Control::Strata, Control::Spectrum, Control::Moments]);
}

#[test]
fn cases_stay_whole_in_the_folds_and_classes_are_dealt_evenly() {
    let subjects: Vec<Subject> = images().iter().map(Drawn::subject).collect();
    let folds = folds(subjects.iter()).unwrap();
    for fold in 0..FOLDS {
        for label in Label::ALL {
            let held = (0..96).filter(|index| folds[*index] == fold && subjects[*index].truth == label).count();
            assert!((8..=12).contains(&held), "{held} in {fold}");
        }
    }
    assert!((0..96).all(|index| folds[index] == folds[index / 4 * 4]));
    assert!(super::folds(subjects[..8].iter()).is_none(), "one case of each class");
}
