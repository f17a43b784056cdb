//! The eight histological subtypes of BreakHis, four to a label.

use std::fmt;

use serde::{Serialize, Serializer};

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

    /// The letters that file names hold, `A` to `PC`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Adenosis => "A",
            Self::Fibroadenoma => "F",
            Self::PhyllodesTumor => "PT",
            Self::TubularAdenoma => "TA",
            Self::DuctalCarcinoma => "DC",
            Self::LobularCarcinoma => "LC",
            Self::MucinousCarcinoma => "MC",
            Self::PapillaryCarcinoma => "PC",
        }
    }

    /// The full name, as BreakHis spells it.
    pub fn full_name(self) -> &'static str {
        match self {
            Self::Adenosis => "adenosis",
            Self::Fibroadenoma => "fibroadenoma",
            Self::PhyllodesTumor => "phyllodes tumor",
            Self::TubularAdenoma => "tubular adenoma",
            Self::DuctalCarcinoma => "ductal carcinoma",
            Self::LobularCarcinoma => "lobular carcinoma",
            Self::MucinousCarcinoma => "mucinous carcinoma",
            Self::PapillaryCarcinoma => "papillary carcinoma",
        }
    }

    /// Whether it is a benign or a malignant tumour.
    pub fn label(self) -> Label {
        match self {
            Self::Adenosis | Self::Fibroadenoma | Self::PhyllodesTumor | Self::TubularAdenoma => Label::Benign,
            Self::DuctalCarcinoma | Self::LobularCarcinoma | Self::MucinousCarcinoma | Self::PapillaryCarcinoma => {
                Label::Malignant
            }
        }
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

impl Serialize for Subtype {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
