//! The file names of BreakHis, which carry everything that is known of an image:
//! `SOB_<B|M>_<subtype>-<year>-<slide>-<magnification>-<number>.png`, for example `SOB_M_DC-14-2523-40-010.png`.
//!
//! In: a file name. Out: a [`SlideName`], with doubts where a copy holds a stray form that can still be read only one
//! way.

pub(crate) mod magnification;
pub(crate) mod subtype;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::breakhis::{Magnification, Subtype};
use crate::diagnosis::Label;
use crate::system::walk;

/// The person (or the surgery) that slides come from: the numeric part of the slide id. `14-22549AB`, `14-22549CD`
/// and `14-22549G` are one case, so a split that is to be free of leaks goes by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Case(u32);

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a file name is not one of BreakHis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlideNameError {
    /// The ending is not that of an image.
    #[error("not an image: its name does not end in one of {}", walk::IMAGE_EXTENSIONS.join(", "))]
    NotAnImage,
    /// The name does not begin with SOB.
    #[error("not a BreakHis image: its name does not begin with SOB_")]
    NotBreakhis,
    /// It begins with SOB, but the fields are not there.
    #[error(
        "not the name of a BreakHis image ({0}); names are SOB_<B|M>_<subtype>-<yy>-<slide>-<magnification>-<number>, \
         such as SOB_M_DC-14-2523-40-010.png"
    )]
    Malformed(String),
    /// The letter of the class and the subtype exclude each other, so the label is unknown.
    #[error("its name contradicts itself: {letter} says {}, {subtype} ({}) is {}",
        .said.lower(), .subtype.full_name(), .subtype.label().lower())]
    Contradiction {
        /// `B` or `M`.
        letter: char,
        /// What the letter says.
        said: Label,
        /// What the subtype says.
        subtype: Subtype,
    },
}

/// What a file name of BreakHis says of its image.
///
/// ```
/// use lobule::breakhis::{SlideName, Subtype};
///
/// let name: SlideName = "SOB_B_TA-14-3411F-40-001.png".parse()?;
/// assert_eq!(name.subtype, Subtype::TubularAdenoma);
/// assert_eq!(name.label().to_string(), "Benign");
/// assert_eq!(name.case.to_string(), "3411");
/// # Ok::<(), lobule::breakhis::SlideNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlideName {
    /// The histological subtype.
    pub subtype: Subtype,
    /// The slide, such as `14-22549AB`: a year of two digits, the case and letters. BreakHis calls this a patient.
    pub slide: String,
    /// The person the slide comes from.
    pub case: Case,
    /// How many times larger than life.
    pub magnification: Magnification,
    /// The number of the image among those of its slide and magnification.
    pub number: u16,
    /// Where the name strays from the grammar and can still be read, in words; empty for a proper name.
    pub doubts: Vec<&'static str>,
}

impl SlideName {
    /// Benign or malignant.
    pub fn label(&self) -> Label {
        self.subtype.label()
    }
}

/// The proper form of the name, without an extension.
impl fmt::Display for SlideName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.label() {
            Label::Benign => 'B',
            Label::Malignant => 'M',
        };
        let Self { subtype, slide, magnification, number, .. } = self;
        write!(f, "SOB_{letter}_{subtype}-{slide}-{}-{number:03}", magnification.times())
    }
}

impl FromStr for SlideName {
    type Err = SlideNameError;

    /// Reads a bare file name, with its extension and without a folder.
    fn from_str(file_name: &str) -> Result<Self, SlideNameError> {
        let stem = walk::image_stem(file_name).ok_or(SlideNameError::NotAnImage)?;
        let capitals = stem.to_ascii_uppercase();
        let fields: Vec<&str> = capitals.split(['-', '_']).collect();
        if fields[0].trim_start_matches('S') != "OB" {
            return Err(SlideNameError::NotBreakhis);
        }
        let &[prefix, letter, code, year, id, times, number] = fields.as_slice() else {
            return Err(SlideNameError::Malformed(format!("{} fields where there should be 7", fields.len())));
        };

        let malformed = |what: &str, field: &str| SlideNameError::Malformed(format!("{field:?} is not {what}"));
        let said = match letter {
            "B" => Label::Benign,
            "M" => Label::Malignant,
            _ => return Err(malformed("B or M", letter)),
        };
        let subtype = Subtype::from_code(code).ok_or_else(|| malformed("a subtype", code))?;
        let slide = format!("{year}-{id}");
        let case = case_of(year, id).ok_or_else(|| malformed("a slide", &slide))?;
        let magnification = Magnification::from_times(times.strip_suffix('X').unwrap_or(times))
            .ok_or_else(|| malformed("a magnification (40, 100, 200 or 400)", times))?;
        let sequence = Some(number).filter(|text| is_digits(text)).and_then(|text| text.parse().ok());
        let sequence = sequence.ok_or_else(|| malformed("the number of an image", number))?;
        if said != subtype.label() {
            return Err(SlideNameError::Contradiction { letter: if letter == "B" { 'B' } else { 'M' }, said, subtype });
        }

        let separators: String = stem.chars().filter(|c| matches!(c, '-' | '_')).collect();
        let doubts = [
            (prefix != "SOB", "the name should begin with SOB"),
            (separators != "__----", "- and _ are not where they should be"),
            (stem != capitals, "the name should be in capitals"),
            (times.ends_with('X'), "the magnification should be a bare number"),
            (number.len() != 3, "the image's number should have three digits"),
        ];
        let doubts = doubts.into_iter().filter_map(|(stray, doubt)| stray.then_some(doubt)).collect();
        Ok(Self { subtype, slide, case, magnification, number: sequence, doubts })
    }
}

fn case_of(year: &str, id: &str) -> Option<Case> {
    let digits = id.trim_end_matches(|c: char| c.is_ascii_uppercase());
    let is_slide = year.len() == 2 && is_digits(year) && is_digits(digits);
    is_slide.then(|| digits.parse().ok().map(Case))?
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> SlideName {
        name.parse().unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[test]
    fn a_proper_name_gives_all_its_fields_and_comes_back_as_it_was() {
        for extension in ["png", "webp", "jpg", "JPEG", "tif", "tiff", "bmp"] {
            let name = read(&format!("SOB_B_A-14-22549AB-100-009.{extension}"));
            assert_eq!(name.label(), Label::Benign);
            assert_eq!((name.subtype, &*name.slide, name.case), (Subtype::Adenosis, "14-22549AB", Case(22549)));
            assert_eq!((name.magnification, name.number), (Magnification::X100, 9));
            assert!(name.doubts.is_empty());
            assert_eq!(name.to_string(), "SOB_B_A-14-22549AB-100-009");
        }
        assert_eq!(read("SOB_M_PC-15-190EF-400-014.png").case, Case(190));
    }

    #[test]
    fn slides_of_one_person_are_one_case() {
        let cases = ["22549AB", "22549CD", "22549G"].map(|id| read(&format!("SOB_B_A-14-{id}-40-001.png")).case);
        assert_eq!(cases, [Case(22549); 3]);
    }

    #[test]
    fn each_subtype_has_the_label_of_its_letter() {
        for (letter, codes) in [("B", ["A", "F", "PT", "TA"]), ("M", ["DC", "LC", "MC", "PC"])] {
            for code in codes {
                let name = read(&format!("SOB_{letter}_{code}-14-1-40-001.png"));
                assert_eq!(name.subtype.code(), code);
                assert_eq!(name.to_string(), format!("SOB_{letter}_{code}-14-1-40-001"));
            }
        }
    }

    #[test]
    fn stray_forms_are_read_and_doubted() {
        let cases = [
            ("SOB_B_PT_14-21998AB-40-001.png", "- and _", "SOB_B_PT-14-21998AB-40-001"),
            ("SSOB_M_DC-14-2523-40-010.png", "begin with SOB", "SOB_M_DC-14-2523-40-010"),
            ("sob_m_dc-14-2523-40-010.png", "capitals", "SOB_M_DC-14-2523-40-010"),
            ("SOB_M_DC-14-2523-40X-010.png", "magnification", "SOB_M_DC-14-2523-40-010"),
            ("SOB_M_DC-14-2523-40-10.png", "three digits", "SOB_M_DC-14-2523-40-010"),
        ];
        for (stray, doubt, proper) in cases {
            let doubts = read(stray).doubts;
            assert!(doubts.len() == 1 && doubts[0].contains(doubt), "{stray}: {doubts:?}");
            assert_eq!(read(stray).to_string(), proper);
        }
    }

    #[test]
    fn what_cannot_be_read_one_way_is_an_error() {
        let error = |name: &str| name.parse::<SlideName>().expect_err(name);
        assert_eq!(error("SOB_M_DC-14-2523-40-010"), SlideNameError::NotAnImage);
        assert_eq!(error("SOB_M_DC-14-2523-40-010.txt"), SlideNameError::NotAnImage);
        assert_eq!(error("holiday.png"), SlideNameError::NotBreakhis);
        assert_eq!(error("._SOB_M_DC-14-2523-40-010.png"), SlideNameError::NotBreakhis);
        for name in [
            "SOB_M_DC-14-2523-40-010 (1).png",
            "SOB_M_DC-14-2523-40-010_rot90.png",
            "SOB_M_DC-14-2523-40-.png",
            "SOB_M_DC-14-2523-50-010.png",
            "SOB_M_DC-2014-2523-40-010.png",
            "SOB_M_DC-14-AB-40-010.png",
            "SOB_M_DC-14-99999999999-40-010.png",
            "SOB_M_DC-14-2523-40-99999.png",
            "SOB_M_XX-14-2523-40-010.png",
            "SOB_X_DC-14-2523-40-010.png",
            "SOB.png",
        ] {
            assert!(matches!(error(name), SlideNameError::Malformed(_)), "{name}");
        }
        let contradiction = error("SOB_B_DC-14-2523-40-010.png").to_string();
        assert!(contradiction.contains("B says benign, DC (ductal carcinoma) is malignant"), "{contradiction}");
    }
}
