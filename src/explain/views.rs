//! An image in several views: tissue has no upright, so a network may look at its turns and mirror images too, and what
//! it says of them is averaged.

use crate::explain::Heatmap;
use crate::model::{Classifier, ModelError, Prediction};
use crate::pixels::{Dihedral, RgbImage};

/// The mean of the margins that a network gives the views of an image.
///
/// # Errors
/// As [`Classifier::classify`].
pub fn classify_views(classifier: &Classifier, image: &RgbImage, views: &[Dihedral]) -> Result<Prediction, ModelError> {
    let margin = |view: &Dihedral| Ok(classifier.classify(&view.of_image(image))?.margin);
    Ok(mean(&views.iter().map(margin).collect::<Result<Vec<f64>, ModelError>>()?))
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
    let (mut margins, mut heatmaps) = (Vec::new(), Vec::new());
    for view in views {
        let explanation = classifier.explain(&view.of_image(image))?;
        margins.push(explanation.prediction.margin);
        heatmaps.push((*view, Heatmap::of(&explanation)));
    }
    Ok((mean(&margins), Heatmap::mean_of_views(&heatmaps)))
}

fn mean(margins: &[f64]) -> Prediction {
    Prediction::from_margin(margins.iter().sum::<f64>() / margins.len().max(1) as f64)
}
