//! Thresholds that have a name, and how a network was calibrated: what its weights file says of both.
//!
//! In: what a user asks for, a number or a name. Out: the threshold that decisions are made at.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::diagnosis::{Probability, Threshold};
use crate::model::Metadata;

/// The operating points that a weights file can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointName {
    /// One half: neither class is preferred.
    Balanced,
    /// Finds more of the malignant images, and calls more of the benign ones malignant.
    Sensitive,
}

impl PointName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Balanced, Self::Sensitive];

    /// As it is asked for.
    pub fn key(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Sensitive => "sensitive",
        }
    }
}

impl fmt::Display for PointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// A threshold with a name, and what it does on images that were not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// What it is asked for by.
    pub name: PointName,
    /// On the calibrated probability.
    pub threshold: Threshold,
    /// Malignant images that reach it, of all malignant ones, out of fold.
    pub sensitivity: Probability,
    /// Benign images below it, of all benign ones, out of fold.
    pub specificity: Probability,
}

/// A figure without the temperature and with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeforeAfter {
    /// Without.
    pub before: f64,
    /// With.
    pub after: f64,
}

/// How the temperature and the operating points of a weights file were found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// In words.
    pub method: String,
    /// Images that were predicted out of fold.
    pub images: usize,
    /// Their cases.
    pub cases: usize,
    /// Folds of each repeat.
    pub folds: usize,
    /// The seeds of the repeats.
    pub seeds: Vec<u64>,
    /// The expected calibration error, each fold with a temperature that the other folds gave.
    pub ece: BeforeAfter,
    /// The mean negative log-likelihood in nats, likewise.
    pub nll: BeforeAfter,
    /// What the point `sensitive` does likewise, each fold at a threshold that the other folds gave: what to expect of it
    /// on other persons.
    pub sensitive_cross_fitted: Option<SensitivitySpecificity>,
}

/// Two shares of one set of decisions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensitivitySpecificity {
    /// Malignant images that are called so.
    pub sensitivity: Probability,
    /// Benign images that are called so.
    pub specificity: Probability,
}

/// A threshold as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AskedThreshold {
    /// By its number.
    Number(Threshold),
    /// By its name.
    Named(PointName),
}

impl FromStr for AskedThreshold {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let named = PointName::ALL.into_iter().find(|name| name.key() == text.trim());
        let names = PointName::ALL.map(PointName::key).join(", ");
        match (named, text.parse()) {
            (Some(name), _) => Ok(Self::Named(name)),
            (None, Ok(number)) => Ok(Self::Number(number)),
            (None, Err(reason)) => Err(format!("{reason}, and no name of an operating point ({names})")),
        }
    }
}

/// What decisions are made at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecisionPoint {
    /// The number.
    pub threshold: Threshold,
    /// The name that it was asked for by, if it was.
    pub name: Option<PointName>,
}

impl From<Threshold> for DecisionPoint {
    fn from(threshold: Threshold) -> Self {
        Self { threshold, name: None }
    }
}

/// A name that a weights file has no operating point for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network {network} has no operating point {asked}: {there_is}")]
pub struct NoSuchPoint {
    asked: PointName,
    network: String,
    there_is: String,
}

impl Metadata {
    /// What decisions are made at when this is asked for; the file's own threshold where nothing is.
    ///
    /// # Errors
    /// When the file has no operating point of the name; the error lists those that it has.
    pub fn decision_point(&self, asked: Option<AskedThreshold>) -> Result<DecisionPoint, NoSuchPoint> {
        let name = match asked {
            None => return Ok(self.threshold.into()),
            Some(AskedThreshold::Number(threshold)) => return Ok(threshold.into()),
            Some(AskedThreshold::Named(name)) => name,
        };
        match self.operating_points.iter().find(|point| point.name == name) {
            Some(OperatingPoint { threshold, .. }) => Ok(DecisionPoint { threshold: *threshold, name: Some(name) }),
            None => Err(self.no_such_point(name)),
        }
    }

    fn no_such_point(&self, asked: PointName) -> NoSuchPoint {
        let point = |OperatingPoint { name, threshold, .. }: &OperatingPoint| format!("{name} ({})", threshold.get());
        let points: Vec<String> = self.operating_points.iter().map(point).collect();
        let there_is = match points.is_empty() {
            true => format!("it has none, only its threshold of {} and any other number", self.threshold.get()),
            false => format!("it has {}, and takes any number", points.join(" and ")),
        };
        NoSuchPoint { asked, network: self.name.clone(), there_is }
    }

    /// What is wrong with the operating points and the calibration, if anything.
    pub(super) fn check_points(&self) -> Result<(), String> {
        let points = &self.operating_points;
        let twice = |(index, point): &(usize, &OperatingPoint)| points[..*index].iter().any(|it| it.name == point.name);
        if let Some((_, OperatingPoint { name, .. })) = points.iter().enumerate().find(twice) {
            return Err(format!("its operating point {name} is there twice"));
        }
        let figures = self.calibration.iter().flat_map(|Calibration { ece, nll, .. }| [ece, nll]);
        match figures.flat_map(|figure| [figure.before, figure.after]).find(|figure| !figure.is_finite()) {
            Some(figure) => Err(format!("a figure of its calibration is {figure}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WeightsFile;

    fn file(points: &[(PointName, f64)]) -> WeightsFile {
        let mut file = WeightsFile::parse(crate::model::classifier::BUILT_IN, "the built-in weights").unwrap();
        let half = Probability::new(0.5).unwrap();
        let point = |(name, threshold): &(PointName, f64)| {
            let threshold = Threshold::new(*threshold).unwrap();
            OperatingPoint { name: *name, threshold, sensitivity: half, specificity: half }
        };
        file.metadata.operating_points = points.iter().map(point).collect();
        file.metadata.calibration = None;
        file
    }

    #[test]
    fn a_name_is_asked_for_as_a_number_is_and_refused_with_what_there_is() {
        let asked = |text: &str| text.parse::<AskedThreshold>();
        assert_eq!(asked("sensitive"), Ok(AskedThreshold::Named(PointName::Sensitive)));
        assert_eq!(asked(" 0.25 "), Ok(AskedThreshold::Number(Threshold::new(0.25).unwrap())));
        for bad in ["", "Sensitive", "high", "1.5", "NaN"] {
            assert!(asked(bad).unwrap_err().ends_with("(balanced, sensitive)"), "{bad}");
        }

        let metadata = file(&[(PointName::Sensitive, 0.25)]).metadata;
        let of = |text: &str| metadata.decision_point(Some(asked(text).unwrap()));
        let threshold = Threshold::new(0.25).unwrap();
        assert_eq!(of("sensitive"), Ok(DecisionPoint { threshold, name: Some(PointName::Sensitive) }));
        assert_eq!(of("0.25"), Ok(DecisionPoint { threshold, name: None }));
        assert_eq!(metadata.decision_point(None), Ok(Threshold::HALF.into()));
        let message = of("balanced").unwrap_err().to_string();
        assert!(message.contains("no operating point balanced: it has sensitive (0.25), and takes"), "{message}");
        let message = file(&[]).metadata.decision_point(asked("balanced").ok()).unwrap_err().to_string();
        assert!(message.contains("it has none, only its threshold of 0.5"), "{message}");
    }

    #[test]
    fn points_and_calibration_come_back_from_the_file_and_are_checked() {
        let mut sound = file(&[(PointName::Balanced, 0.5), (PointName::Sensitive, 0.123456)]);
        let both = BeforeAfter { before: 0.5, after: 0.25 };
        sound.metadata.calibration = Some(Calibration {
            method: "by hand".to_owned(),
            images: 10,
            cases: 5,
            folds: 2,
            seeds: vec![1, 2],
            ece: both,
            nll: both,
            sensitive_cross_fitted: None,
        });
        let bytes = sound.bytes().unwrap();
        assert_eq!(WeightsFile::parse(&bytes, "a test").unwrap().metadata, sound.metadata);

        let refused =
            |file: &WeightsFile| WeightsFile::parse(&file.bytes().unwrap(), "a test").unwrap_err().to_string();
        let twice = refused(&file(&[(PointName::Sensitive, 0.5), (PointName::Sensitive, 0.25)]));
        assert!(twice.contains("its operating point sensitive is there twice"), "{twice}");
        // Numbers and names that no writer of ours leaves: JSON has no NaN, and what is too large is no f64.
        let text = serde_json::to_string(&sound.metadata).unwrap();
        for (from, to) in [
            ("0.123456", "1.5"),
            ("0.123456", "-0.1"),
            ("0.123456", "1e999"),
            ("\"sensitive\"", "\"wild\""),
            ("\"after\":0.25", "\"after\":null"),
        ] {
            assert!(text.contains(from));
            assert!(serde_json::from_str::<Metadata>(&text.replace(from, to)).is_err(), "{from} {to}");
        }
        sound.metadata.calibration.as_mut().unwrap().nll.after = f64::NAN;
        assert!(sound.metadata.check_points().unwrap_err().contains("NaN"));
    }

    #[test]
    fn a_file_without_points_has_the_metadata_that_it_had_before_there_were_any() {
        let text = serde_json::to_string(&file(&[]).metadata).unwrap();
        assert!(!text.contains("operating_points") && !text.contains("calibration"), "{text}");
        let read: Metadata = serde_json::from_str(&text).unwrap();
        assert_eq!((read.operating_points.len(), read.calibration), (0, None));
    }
}
