use std::fs;

use super::*;
use crate::breakhis::split::tests::{drawn, like_breakhis};
use crate::breakhis::{ImageFile, Subtype};

/// Benign and malignant images of each fold.
fn sizes(folds: &Folds, dataset: &Dataset) -> Vec<[usize; 2]> {
    let mut sizes = vec![[0; 2]; folds.numbers().len()];
    for image in dataset.images() {
        sizes[folds.folds[image.file_name()] as usize][image.label().index()] += 1;
    }
    sizes
}

#[test]
fn no_case_is_in_two_folds_and_each_label_is_even_in_images() {
    let (_dir, dataset) = like_breakhis();
    let total = Label::ALL.map(|label| dataset.images().iter().filter(|p| p.label() == label).count());
    for seed in 0..20 {
        // The largest benign case alone is more than a fifth of its label, so no dealing is even with more folds.
        let folds = Folds::deal(&dataset, 3, seed).unwrap();
        assert_eq!(folds.numbers(), BTreeSet::from([0, 1, 2]));
        let held_out = |fold| {
            let split = folds.held_out(fold);
            assert!(split.shared_cases().unwrap().is_empty(), "seed {seed}, fold {fold}");
            split.images(&dataset, Part::Validation).unwrap().len()
        };
        assert_eq!((0..3).map(held_out).sum::<usize>(), dataset.images().len(), "each image is held out once");
        for (fold, images) in sizes(&folds, &dataset).into_iter().enumerate() {
            for (images, total) in images.into_iter().zip(total) {
                let off = (images as f64 / total as f64 - 1.0 / 3.0).abs();
                assert!(off < 0.08, "seed {seed}, fold {fold}: {images} of {total}");
            }
        }
    }
}

#[test]
fn each_fold_has_both_labels_where_the_cases_allow_it() {
    let (_dir, dataset) = like_breakhis();
    for count in 2..=12 {
        let folds = Folds::deal(&dataset, count, 1).unwrap();
        let sizes = sizes(&folds, &dataset);
        assert!(sizes.len() == count as usize && sizes.iter().all(|images| !images.contains(&0)), "{count}: {sizes:?}");
    }
    let (_dir, dataset) =
        drawn(&[(Subtype::Adenosis, 3), (Subtype::DuctalCarcinoma, 4), (Subtype::DuctalCarcinoma, 5)]);
    let folds = Folds::deal(&dataset, 3, 1).unwrap();
    assert_eq!(folds.numbers().len(), 3, "where they do not, each still has images");
}

#[test]
fn the_seed_decides_the_dealing() {
    let (_dir, dataset) = like_breakhis();
    let deal = |seed| Folds::deal(&dataset, 5, seed).unwrap();
    assert_eq!(deal(7), deal(7));
    // Which cases are together, whatever the fold's number.
    let together = |folds: &Folds| -> BTreeSet<BTreeSet<Case>> {
        let of = |fold| dataset.images().iter().filter(move |p| folds.folds[p.file_name()] == fold);
        folds.numbers().into_iter().map(|fold| of(fold).map(|image| image.name.case).collect()).collect()
    };
    assert_ne!(together(&deal(7)), together(&deal(8)));
}

#[test]
fn folds_come_back_from_their_file_and_too_many_are_refused() {
    let (dir, dataset) = like_breakhis();
    let path = dir.path().join("folds.csv");
    let folds = Folds::deal(&dataset, 5, 1).unwrap();
    folds.write(&path).unwrap();
    assert_eq!(Folds::read(&path).unwrap(), folds);
    assert_eq!(Split::from_folds(&path, 2).unwrap(), folds.held_out(2));
    assert!(fs::read_to_string(&path).unwrap().starts_with("filename,fold\nSOB_B_F-14-1-100-001.png,"));

    let (_dir, dataset) = drawn(&[(Subtype::Adenosis, 3), (Subtype::DuctalCarcinoma, 4)]);
    for (count, message) in [(3, "cannot deal 2 cases into 3 folds"), (1, "at least 2 folds"), (0, "at least 2 folds")]
    {
        let refusal = Folds::deal(&dataset, count, 1).unwrap_err().to_string();
        assert!(refusal.contains(message), "{refusal}");
    }
}

#[test]
fn a_fold_of_kaggle_s_table_goes_by_base_name_and_group() {
    let (dir, dataset) = drawn(&[(Subtype::Adenosis, 3), (Subtype::DuctalCarcinoma, 4), (Subtype::DuctalCarcinoma, 5)]);
    let names: Vec<&str> = dataset.images().iter().map(|image| image.file_name()).collect();
    let path = dir.path().join("Folds.csv");
    // In fold 1 the first image is held out, in fold 2 the last one; paths as on either system.
    let rows = |of_last: &str| {
        let mut text = String::from("fold,mag,grp,filename\n");
        for (fold, folder) in [(1, "BreaKHis_v1/histology_slides/breast/benign/SOB/adenosis/"), (2, "BreaKHis_v1\\x\\")]
        {
            for (at, name) in names.iter().enumerate() {
                let held_out = at == if fold == 1 { 0 } else { names.len() - 1 };
                text += &format!("{fold},100,{},{folder}{name}\n", if held_out { of_last } else { "train" });
            }
        }
        text
    };
    fs::write(&path, rows("test")).unwrap();
    for (fold, held_out) in [(1, names[0]), (2, names[names.len() - 1])] {
        let split = Split::from_folds(&path, fold).unwrap();
        let images = split.images(&dataset, Part::Validation).unwrap();
        assert_eq!(images.iter().map(|image| image.file_name()).collect::<Vec<_>>(), [held_out]);
        assert_eq!(split.count(Part::Train), names.len() - 1);
    }
    let refusal = |error: BreakhisError| error.to_string();
    assert!(refusal(Split::from_folds(&path, 3).unwrap_err()).contains("there is no fold 3; its folds are 1, 2"));
    assert!(refusal(Split::read(&path).unwrap_err()).contains("--fold"));
    assert!(refusal(Folds::read(&path).unwrap_err()).contains("overlap"));
    fs::write(&path, rows("both")).unwrap();
    assert!(refusal(Split::from_folds(&path, 1).unwrap_err()).contains("line 2: \"both\" is not a group"));
    fs::write(&path, format!("{}1,100,train,{}\n", rows("test"), names[0])).unwrap();
    assert!(refusal(Split::from_folds(&path, 1).unwrap_err()).contains("is listed a second time in fold 1"));
}

#[test]
fn an_official_fold_names_no_columns() {
    let (dir, dataset) = drawn(&[(Subtype::Adenosis, 3), (Subtype::DuctalCarcinoma, 4), (Subtype::DuctalCarcinoma, 5)]);
    let path = dir.path().join("dsfold2.txt");
    let group = |at: usize| if at == 1 { "test" } else { "train" };
    let row = |(at, image): (usize, &ImageFile)| format!("{}|40|2|{}\r\n", image.file_name(), group(at));
    fs::write(&path, dataset.images().iter().enumerate().map(row).collect::<String>()).unwrap();
    let split = Split::from_folds(&path, 2).unwrap();
    assert_eq!(split.images(&dataset, Part::Validation).unwrap()[0].file_name(), dataset.images()[1].file_name());
    assert_eq!((split.count(Part::Train), split.count(Part::Validation)), (dataset.images().len() - 1, 1));
    let refusal = |error: BreakhisError| error.to_string();
    assert!(refusal(Split::from_folds(&path, 1).unwrap_err()).contains("there is no fold 1; its folds are 2"));
    assert!(refusal(Split::read(&path).unwrap_err()).contains("--fold"));
    fs::write(&path, "a.png|40|2|train\na.png|40|2\n").unwrap();
    assert!(refusal(Split::from_folds(&path, 2).unwrap_err()).contains("3 fields"));
}
