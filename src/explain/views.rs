//! An image in several views: tissue has no upright, so a network may look at its turns and mirror images too, and what
//! it says of them is averaged.

use crate::explain::Heatmap;
use crate::model::{Classifier, ModelError, Novelty, Prediction};
use crate::pixels::{Dihedral, RgbImage};

/// The mean of the margins that a network gives the views of an image, and of their novelty.
///
/// # Errors
/// As [`Classifier::classify`].
pub fn classify_views(classifier: &Classifier, image: &RgbImage, views: &[Dihedral]) -> Result<Prediction, ModelError> {
    let predictions = views.iter().map(|view| classifier.classify(&view.of_image(image)));
    Ok(mean(&predictions.collect::<Result<Vec<_>, ModelError>>()?))
}

/// The same with the mean of the views' heatmaps, each turned back; its mean is the mean margin.
///
/// # Errors
/// As [`Classifier::explain`].
pub fn explain_views(
    classifier: &Classifier,
    image: &RgbImage,
    views: &[Dihedral],
) -> Result<(Prediction, Heatmap), ModelError> {
    let (mut predictions, mut heatmaps) = (Vec::new(), Vec::new());
    for view in views {
        let explanation = classifier.explain(&view.of_image(image))?;
        predictions.push(explanation.prediction);
        heatmaps.push((*view, Heatmap::of(&explanation)));
    }
    Ok((mean(&predictions), Heatmap::mean_of_views(&heatmaps)))
}

fn mean(predictions: &[Prediction]) -> Prediction {
    let mean = |value: fn(&Prediction) -> f64| predictions.iter().map(value).sum::<f64>() / predictions.len() as f64;
    let novelty = |value: fn(&Novelty) -> f64| {
        let values = predictions.iter().map(|prediction| prediction.novelty.as_ref().map(value));
        Some(values.sum::<Option<f64>>()? / predictions.len() as f64)
    };
    let novelty = novelty(|it| it.foreign).zip(novelty(|it| it.stain));
    Prediction {
        novelty: novelty.map(|(foreign, stain)| Novelty { foreign, stain }),
        ..Prediction::from_margin(mean(|it| it.margin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> RgbImage {
        RgbImage::from_fn(90, 60, |x, y| image::Rgb([(200 - x) as u8, (y * 4) as u8, (x * y % 251) as u8]))
    }

    #[test]
    fn one_view_is_the_image_itself_and_eight_do_not_depend_on_how_it_lies() {
        let classifier = Classifier::built_in().unwrap();
        let (image, one) = (image(), &Dihedral::ALL[..1]);
        let alone = classify_views(&classifier, &image, one).unwrap();
        assert_eq!(alone.margin, classifier.classify(&image).unwrap().margin);
        let of = |image: &RgbImage| classify_views(&classifier, image, &Dihedral::ALL).unwrap().margin;
        let upright = of(&image);
        assert_ne!(upright, alone.margin);
        assert!((of(&Dihedral::Rotate90.of_image(&image)) - upright).abs() < 1e-4);
    }

    #[test]
    fn the_mean_heatmap_turns_with_the_image_and_adds_up_to_the_mean_margin() {
        let classifier = Classifier::built_in().unwrap();
        let of = |image: &RgbImage| explain_views(&classifier, image, &Dihedral::ALL).unwrap();
        let (prediction, heatmap) = of(&image());
        let sum: f64 = heatmap.values().iter().map(|value| f64::from(*value)).sum();
        let margin = prediction.margin * classifier.metadata().temperature;
        assert!((sum / heatmap.values().len() as f64 - margin).abs() < 1e-4, "{sum} {margin}");
        let plain = classify_views(&classifier, &image(), &Dihedral::ALL).unwrap();
        assert!((plain.margin - prediction.margin).abs() < 1e-4);

        let turn = Dihedral::Rotate90;
        let (_, turned) = of(&turn.of_image(&image()));
        let side = heatmap.side();
        for (index, value) in turned.values().iter().enumerate() {
            let (y, x) = turn.source((index / side, index % side), side - 1);
            assert!((value - heatmap.values()[y * side + x]).abs() < 1e-3, "{index}");
        }
    }
}
