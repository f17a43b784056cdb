//! The words every room shares: what an image shows, how sure a network is, and where the line is drawn.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// "For research use only", in the words that stand wherever a prediction is shown.
pub const RESEARCH_USE: &str = "For research use only. Not for use in diagnostic procedures.";

/// The two classes of BreakHis. The order is that of the network's outputs: benign is 0, malignant is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Label {
    /// A benign tumour: adenosis, fibroadenoma, phyllodes tumour or tubular adenoma.
    Benign,
    /// A malignant tumour: ductal, lobular, mucinous or papillary carcinoma.
    Malignant,
}

impl Label {
    /// Both labels, in the order of the network's outputs.
    pub const ALL: [Self; 2] = [Self::Benign, Self::Malignant];

    /// The index of the network's output for this label.
    pub fn index(self) -> usize {
        self as usize
    }

    /// `benign` or `malignant`, as folders, manifests and decisions spell it.
    pub fn lower(self) -> &'static str {
        match self {
            Self::Benign => "benign",
            Self::Malignant => "malignant",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A number that cannot be a probability or a threshold.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not between 0 and 1")]
pub struct NotAProbability(pub f64);

/// A probability: finite, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Probability(f64);

impl Probability {
    /// Takes a number from 0 to 1, both included.
    ///
    /// # Errors
    /// Anything else, NaN included.
    pub fn new(value: f64) -> Result<Self, NotAProbability> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(NotAProbability(value)) }
    }

    /// The logistic function of a margin (a difference of two logits); NaN becomes one half, the least certain answer.
    pub fn from_margin(margin: f64) -> Self {
        if margin.is_nan() { Self(0.5) } else { Self(1.0 / (1.0 + (-margin).exp())) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The number as it is shown: at six decimals, which is about what the arithmetic of different processors agrees
    /// on.
    pub fn rounded(self) -> f64 {
        (self.0 * 1e6).round() / 1e6
    }

    /// The probability of the opposite.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(1.0 - self.0)
    }
}

impl TryFrom<f64> for Probability {
    type Error = NotAProbability;
    fn try_from(value: f64) -> Result<Self, NotAProbability> {
        Self::new(value)
    }
}

/// Where the line is drawn: an image is malignant by decision when its probability of malignancy is at least this.
///
/// ```
/// use lobule::diagnosis::{Label, Probability, Threshold};
///
/// let probability = Probability::from_margin(-1.0);
/// assert_eq!(probability.rounded(), 0.268941);
/// assert_eq!(Threshold::HALF.decide(probability), Label::Benign);
/// assert_eq!("0.25".parse::<Threshold>()?.decide(probability), Label::Malignant);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Threshold(Probability);

impl Threshold {
    /// The threshold that prefers neither label.
    pub const HALF: Self = Self(Probability(0.5));

    /// Takes a number from 0 to 1, both included.
    ///
    /// # Errors
    /// Anything else, NaN included.
    pub fn new(value: f64) -> Result<Self, NotAProbability> {
        Probability::new(value).map(Self)
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0.get()
    }

    /// The margin whose probability it is; infinite at 0 and 1.
    pub fn margin(self) -> f64 {
        (self.get() / (1.0 - self.get())).ln()
    }

    /// The decision at this threshold.
    pub fn decide(self, malignant: Probability) -> Label {
        if malignant >= self.0 { Label::Malignant } else { Label::Benign }
    }
}

impl std::str::FromStr for Threshold {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number: f64 = text.trim().parse().map_err(|_| format!("{text:?} is not a number from 0 to 1"))?;
        Self::new(number).map_err(|error| error.to_string())
    }
}

/// What speaks against a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flag {
    /// The image is unlike any that the network was trained on: perhaps no such tissue at all.
    Foreign,
    /// Its colours are unlike those that the network was trained on.
    Stain,
    /// Its margin is so near to that of the decision threshold that it could as well be on the other side.
    Uncertain,
}

impl Flag {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::Foreign, Self::Stain, Self::Uncertain];

    /// As answers and weights files spell it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Stain => "stain",
            Self::Uncertain => "uncertain",
        }
    }

    /// What it says of an image, and what to do.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Foreign => {
                "To the network this image is unlike those of its training, so no decision is made. It may show no breast \
                 tissue, or tissue of a kind that the network does not know; some genuine images are flagged too. Check \
                 that the right file was sent."
            }
            Self::Stain => {
                "The colours are unlike those of the training images; the answer may be worse than the figures say. Check \
                 the stain, the light and the white balance."
            }
            Self::Uncertain => {
                "The probability is too close to the threshold, so no decision is made: of such images many are labelled \
                 wrongly. Decide by other means."
            }
        }
    }

    /// Whether no decision is made where it holds. Other colours alone are no reason.
    pub fn abstains(self) -> bool {
        matches!(self, Self::Foreign | Self::Uncertain)
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

/// The flags that hold for a prediction; they serialise as a list of their names.
///
/// ```
/// use lobule::diagnosis::{Decision, Flag, Flags, Label};
///
/// let flags: Flags = [Flag::Stain, Flag::Foreign].into_iter().collect();
/// assert_eq!(serde_json::to_string(&flags)?, r#"["foreign","stain"]"#);
/// assert_eq!(Decision::of(Label::Benign, Some(flags)), Decision::Abstain);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags([bool; Flag::ALL.len()]);

impl Flags {
    /// Whether this one holds.
    pub fn contains(self, flag: Flag) -> bool {
        self.0[flag as usize]
    }

    /// Those that hold, in the order of [`Flag::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.contains(*flag))
    }

    /// Whether none holds.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether one holds with which no decision is made.
    pub fn abstains(self) -> bool {
        self.iter().any(Flag::abstains)
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut all = Self::default();
        flags.into_iter().for_each(|flag| all.0[flag as usize] = true);
        all
    }
}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// What is decided about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Its probability of malignancy is below the threshold.
    Benign,
    /// It reaches the threshold.
    Malignant,
    /// Nothing, because a flag speaks against it.
    Abstain,
}

impl Decision {
    /// The label that the threshold decides on, unless a flag forbids it; without flags nothing does.
    pub fn of(label: Label, flags: Option<Flags>) -> Self {
        match label {
            _ if flags.is_some_and(Flags::abstains) => Self::Abstain,
            Label::Benign => Self::Benign,
            Label::Malignant => Self::Malignant,
        }
    }

    /// As answers spell it.
    pub fn lower(self) -> &'static str {
        match self {
            Self::Benign => Label::Benign.lower(),
            Self::Malignant => Label::Malignant.lower(),
            Self::Abstain => "abstain",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.lower())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_and_uncertain_abstain_and_stain_alone_does_not() {
        let flags = |flags: &[Flag]| Some(flags.iter().copied().collect::<Flags>());
        for (flags, decision) in [
            (None, Decision::Malignant),
            (flags(&[]), Decision::Malignant),
            (flags(&[Flag::Stain]), Decision::Malignant),
            (flags(&[Flag::Stain, Flag::Uncertain]), Decision::Abstain),
            (flags(&[Flag::Foreign]), Decision::Abstain),
        ] {
            assert_eq!(Decision::of(Label::Malignant, flags), decision, "{flags:?}");
        }
        assert_eq!(Decision::of(Label::Benign, flags(&[])).to_string(), "benign");
        for name in Flag::ALL {
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
        }
        assert_eq!(serde_json::to_string(&Decision::Abstain).unwrap(), "\"abstain\"");
        assert_eq!(serde_json::to_string(&Flags::default()).unwrap(), "[]");
        assert!(Flags::default().is_empty());
    }

    #[test]
    fn probabilities_outside_their_range_are_refused() {
        for bad in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert!(Probability::new(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Probability>("1.5").is_err());
    }

    #[test]
    fn extreme_margins_saturate_and_a_threshold_includes_itself() {
        assert_eq!(Probability::from_margin(1e4).get(), 1.0);
        assert_eq!(Probability::from_margin(-1e4).get(), 0.0);
        assert_eq!(Probability::from_margin(1.0).rounded(), 0.731059);
        assert_eq!(Threshold::HALF.decide(Probability::from_margin(0.0)), Label::Malignant);
        assert_eq!("0.25".parse::<Threshold>().map(Threshold::get), Ok(0.25));
        assert!("2".parse::<Threshold>().is_err());
    }
}
