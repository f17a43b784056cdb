//! The eight histological subtypes of BreakHis, four to a label.

use std::fmt;

use crate::diagnosis::Label;

/// A histological subtype, which decides the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subtype {
    /// A: adenosis.
    Adenosis,
    /// F: fibroadenoma.
    Fibroadenoma,
    /// PT: phyllodes tumour.
    PhyllodesTumor,
    /// TA: tubular adenoma.
    TubularAdenoma,
    /// DC: ductal carcinoma.
    DuctalCarcinoma,
    /// LC: lobular carcinoma.
    LobularCarcinoma,
    /// MC: mucinous carcinoma.
    MucinousCarcinoma,
    /// PC: papillary carcinoma.
    PapillaryCarcinoma,
}

impl Subtype {
    /// All subtypes, benign ones first, in the order of the published tables.
    pub const ALL: [Self; 8] = [
        Self::Adenosis,
        Self::Fibroadenoma,
        Self::PhyllodesTumor,
        Self::TubularAdenoma,
        Self::DuctalCarcinoma,
        Self::LobularCarcinoma,
        Self::MucinousCarcinoma,
        Self::PapillaryCarcinoma,
    ];

    fn facts(self) -> (&'static str, &'static str, Label) {
        match self {
            Self::Adenosis => ("A", "adenosis", Label::Benign),
            Self::Fibroadenoma => ("F", "fibroadenoma", Label::Benign),
            Self::PhyllodesTumor => ("PT", "phyllodes tumor", Label::Benign),
            Self::TubularAdenoma => ("TA", "tubular adenoma", Label::Benign),
            Self::DuctalCarcinoma => ("DC", "ductal carcinoma", Label::Malignant),
            Self::LobularCarcinoma => ("LC", "lobular carcinoma", Label::Malignant),
            Self::MucinousCarcinoma => ("MC", "mucinous carcinoma", Label::Malignant),
            Self::PapillaryCarcinoma => ("PC", "papillary carcinoma", Label::Malignant),
        }
    }

    /// The letters that file names hold, `A` to `PC`.
    pub fn code(self) -> &'static str {
        self.facts().0
    }

    /// The full name, as BreakHis spells it.
    pub fn full_name(self) -> &'static str {
        self.facts().1
    }

    /// Whether it is a benign or a malignant tumour.
    pub fn label(self) -> Label {
        self.facts().2
    }

    /// The subtype of a code such as `DC`, in capitals.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subtype| subtype.code() == code)
    }
}

impl fmt::Display for Subtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
