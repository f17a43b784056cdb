//! The counts of the whole of BreakHis, to hold a copy against: 7,909 images of 81 slides.
//!
//! Spanhol, Oliveira, Petitjean, Heutte: "A Dataset for Breast Cancer Histopathological Image Classification", IEEE
//! TBME 63(7), 2016. The official page's 652 for benign 40X is a slip.

use crate::breakhis::{Magnification, Subtype};
use crate::diagnosis::Label;

/// Images of a label.
pub(crate) fn of_label(label: Label) -> usize {
    Magnification::ALL.into_iter().map(|magnification| of_magnification(label, magnification)).sum()
}

/// Images of a label at a magnification.
pub(crate) fn of_magnification(label: Label, magnification: Magnification) -> usize {
    match label {
        Label::Benign => [625, 644, 623, 588][magnification as usize],
        Label::Malignant => [1370, 1437, 1390, 1232][magnification as usize],
    }
}

/// Images and slides of a subtype. The slides are 82 in all, because 14-13412 counts under DC and under LC.
pub(crate) fn of_subtype(subtype: Subtype) -> (usize, usize) {
    match subtype {
        Subtype::Adenosis => (444, 4),
        Subtype::Fibroadenoma => (1014, 10),
        Subtype::PhyllodesTumor => (453, 3),
        Subtype::TubularAdenoma => (569, 7),
        Subtype::DuctalCarcinoma => (3451, 38),
        Subtype::LobularCarcinoma => (626, 5),
        Subtype::MucinousCarcinoma => (792, 9),
        Subtype::PapillaryCarcinoma => (560, 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_tables_add_up() {
        assert_eq!(Label::ALL.map(of_label), [2480, 5429]);
        let subtypes = Subtype::ALL.map(of_subtype);
        assert_eq!(subtypes[..4].iter().map(|(images, _)| images).sum::<usize>(), 2480);
        assert_eq!(subtypes[4..].iter().map(|(images, _)| images).sum::<usize>(), 5429);
        assert_eq!(subtypes.iter().map(|(_, slides)| slides).sum::<usize>(), 82);
    }
}
