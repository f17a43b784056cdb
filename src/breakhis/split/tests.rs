use std::fs;
use std::path::Path;

use super::*;
use crate::breakhis::{Magnification, Subtype};

/// Empty files with these names; `case` numbers start at 1 and each holds so many images.
pub(in crate::breakhis) fn drawn(cases: &[(Subtype, usize)]) -> (tempfile::TempDir, Dataset) {
    let dir = tempfile::tempdir().unwrap();
    for (case, &(subtype, images)) in cases.iter().enumerate() {
        for image in 0..images {
            let letter = if subtype.label() == Label::Benign { 'B' } else { 'M' };
            let times = Magnification::ALL[image % 4].times();
            let name = format!("SOB_{letter}_{subtype}-14-{}-{times}-{image:03}.png", case + 1);
            fs::write(dir.path().join(name), "").unwrap();
        }
    }
    let dataset = Dataset::open(dir.path()).unwrap();
    (dir, dataset)
}

/// Unequal cases, a few large ones among the benign, as in BreakHis.
pub(in crate::breakhis) fn like_breakhis() -> (tempfile::TempDir, Dataset) {
    let benign = [100, 80, 30, 30, 25, 20, 12, 10, 8, 6, 5, 3].map(|n| (Subtype::Fibroadenoma, n));
    let malignant = (0..30).map(|i| (Subtype::DuctalCarcinoma, 10 + i % 25));
    drawn(&benign.into_iter().chain(malignant).collect::<Vec<_>>())
}

fn cases_of(split: &Split, dataset: &Dataset, part: Part) -> BTreeSet<crate::breakhis::Case> {
    split.images(dataset, part).unwrap().iter().map(|image| image.name.case).collect()
}

/// Benign and malignant images of a part.
fn labels_of(split: &Split, dataset: &Dataset, part: Part) -> [usize; 2] {
    let images = split.images(dataset, part).unwrap();
    Label::ALL.map(|label| images.iter().filter(|image| image.label() == label).count())
}

#[test]
fn by_image_has_the_sizes_of_the_report_on_the_whole_of_breakhis() {
    // from sklearn.model_selection import train_test_split
    // y = [0] * 2480 + [1] * 5429
    // rest, test = train_test_split(y, test_size=.2, stratify=y)
    // train, validation = train_test_split(rest, test_size=.25, stratify=rest)
    // [(len(part) - sum(part), sum(part)) for part in (train, validation, test)]
    let (_dir, dataset) = drawn(&[(Subtype::Fibroadenoma, 2480), (Subtype::DuctalCarcinoma, 5429)]);
    let split = Split::by_image(&dataset, 1).unwrap();
    let sizes = Part::ALL.map(|part| labels_of(&split, &dataset, part));
    assert_eq!(sizes, [[1488, 3257], [496, 1086], [496, 1086]]);
}

#[test]
fn by_case_shares_no_case_and_comes_near_to_its_shares() {
    let (_dir, dataset) = like_breakhis();
    let total = Label::ALL.map(|label| dataset.images().iter().filter(|p| p.label() == label).count());
    for seed in 0..20 {
        let split = Split::by_case(&dataset, seed).unwrap();
        let [train, validation, test] = Part::ALL.map(|part| cases_of(&split, &dataset, part));
        assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
        for part in Part::ALL {
            for (count, total) in labels_of(&split, &dataset, part).into_iter().zip(total) {
                let off = (count as f64 / total as f64 - part.share()).abs();
                assert!(off < 0.05, "seed {seed}, {part}: {count} of {total}");
            }
        }
    }
}

#[test]
fn by_case_never_leaves_a_part_with_one_label_where_it_can_be_avoided() {
    use Subtype::{Adenosis, MucinousCarcinoma};
    let (_dir, dataset) = drawn(&[
        (Adenosis, 90),
        (Adenosis, 1),
        (Adenosis, 1),
        (MucinousCarcinoma, 2),
        (MucinousCarcinoma, 200),
        (MucinousCarcinoma, 1),
    ]);
    for seed in 0..20 {
        let split = Split::by_case(&dataset, seed).unwrap();
        for part in Part::ALL {
            assert!(!labels_of(&split, &dataset, part).contains(&0), "seed {seed}, {part}");
        }
    }
    let (_dir, dataset) = drawn(&[(Adenosis, 3), (MucinousCarcinoma, 50), (MucinousCarcinoma, 1)]);
    let split = Split::by_case(&dataset, 3).unwrap();
    assert!(Part::ALL.iter().all(|&part| !split.images(&dataset, part).unwrap().is_empty()));
}

#[test]
fn the_seed_decides_the_split() {
    let (_dir, dataset) = like_breakhis();
    for make in [Split::by_image, Split::by_case] {
        assert_eq!(make(&dataset, 7).unwrap(), make(&dataset, 7).unwrap());
        assert_ne!(make(&dataset, 7).unwrap(), make(&dataset, 8).unwrap());
    }
}

/// Published figures name a seed, so a seed must give the same split with every version of this program.
#[test]
fn a_seed_gives_what_it_always_gave() {
    let (_dir, dataset) = like_breakhis();
    let by_case = Split::by_case(&dataset, 7).unwrap();
    let cases: Vec<String> = cases_of(&by_case, &dataset, Part::Test).iter().map(ToString::to_string).collect();
    assert_eq!(cases.join(" "), "5 6 7 9 14 15 35 36 37");
    let by_image = Split::by_image(&dataset, 7).unwrap();
    let first: Vec<&str> =
        by_image.images(&dataset, Part::Test).unwrap().iter().take(4).map(|p| p.file_name()).collect();
    let numbers: Vec<&str> = first.iter().filter_map(|name| name.strip_prefix("SOB_B_F-14-1-100-")).collect();
    assert_eq!(numbers, ["001.png", "005.png", "033.png", "093.png"]);
}

#[test]
fn too_few_images_or_cases_are_refused() {
    let (_dir, dataset) = drawn(&[(Subtype::Adenosis, 1), (Subtype::DuctalCarcinoma, 1)]);
    assert!(Split::by_image(&dataset, 0).unwrap_err().to_string().contains("cannot split 2 images"));
    assert!(Split::by_case(&dataset, 0).unwrap_err().to_string().contains("cannot split 2 cases"));
}

#[test]
fn a_split_comes_back_from_its_file_as_it_was() {
    let (dir, dataset) = like_breakhis();
    let path = dir.path().join("split.csv");
    let split = Split::by_case(&dataset, 1).unwrap();
    split.write(&path).unwrap();
    assert_eq!(Split::read(&path).unwrap(), split);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("filename,part\nSOB_B_F-14-1-100-001.png,"), "{}", &text[..80]);
}

#[test]
fn cases_in_two_parts_are_found_by_the_names_alone() {
    let (_dir, dataset) = like_breakhis();
    assert!(Split::by_case(&dataset, 1).unwrap().shared_cases().unwrap().is_empty());
    assert!(!Split::by_image(&dataset, 1).unwrap().shared_cases().unwrap().is_empty());

    let split = |rows: &[(&str, Part)]| Split { parts: rows.iter().map(|(n, part)| ((*n).into(), *part)).collect() };
    // Three slides of one person, in three parts.
    let slides = [("22549AB", Part::Train), ("22549CD", Part::Validation), ("22549G", Part::Test)];
    let rows = slides.map(|(slide, part)| (format!("SOB_B_A-14-{slide}-40-001.png"), part));
    let rows = rows.each_ref().map(|(name, part)| (name.as_str(), *part));
    assert_eq!(split(&rows).shared_cases().unwrap().len(), 1);
    assert!(split(&rows[..1]).shared_cases().unwrap().is_empty());
    let refusal = split(&[("scan.png", Part::Test)]).shared_cases().unwrap_err().to_string();
    assert!(refusal.contains("scan.png"), "{refusal}");
}

#[test]
fn a_fold_that_is_held_out_is_for_validation() {
    let (dir, dataset) = drawn(&[(Subtype::Adenosis, 2), (Subtype::DuctalCarcinoma, 2)]);
    let path = dir.path().join("folds.csv");
    let row = |(i, image): (usize, &ImageFile)| format!("{},{}\n", image.file_name(), i % 2);
    let rows: String = dataset.images().iter().enumerate().map(row).collect();
    fs::write(&path, format!("filename,fold\n{rows}")).unwrap();

    let split = Split::from_folds(&path, 1).unwrap();
    assert_eq!(Part::ALL.map(|part| split.images(&dataset, part).unwrap().len()), [2, 2, 0]);
    assert_eq!(split.part_of(dataset.images()[1].file_name()), Some(Part::Validation));
    assert!(Split::from_folds(&path, 5).unwrap_err().to_string().contains("there is no fold 5; its folds are 0, 1"));
    assert!(Split::read(&path).unwrap_err().to_string().contains("--fold"));
}

#[test]
fn broken_split_files_are_refused_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("split.csv");
    for (text, message) in [
        ("filename,part\na.png,train\na.png,test\n", "line 3: a.png is listed a second time"),
        ("filename,part\na.png,tests\n", "line 2: \"tests\" is not a part; parts are train, validation and test"),
        ("name,part\na.png,test\n", "there is no column \"filename\""),
        ("filename,part\n", "it holds no images"),
        ("", "there is no column \"part\""),
    ] {
        fs::write(&path, text).unwrap();
        let refusal = Split::read(&path).unwrap_err().to_string();
        assert!(refusal.contains("split.csv") && refusal.contains(message), "{refusal}\nlacks {message}");
    }
    assert!(Split::read(Path::new("nowhere.csv")).unwrap_err().to_string().contains("cannot read nowhere.csv"));
}

#[test]
fn a_split_of_other_data_is_refused_with_examples() {
    let (_dir, dataset) = drawn(&[(Subtype::Adenosis, 3), (Subtype::DuctalCarcinoma, 3)]);
    let mut split = Split::by_image(&dataset, 1).unwrap();
    split.parts.remove("SOB_B_A-14-1-100-001.png");
    split.parts.insert("other.png".into(), Part::Test);
    let refusal = split.images(&dataset, Part::Train).unwrap_err().to_string();
    assert!(refusal.contains("1 image (other.png) of the split not there"), "{refusal}");
    assert!(refusal.contains("1 image (SOB_B_A-14-1-100-001.png) not in the split"), "{refusal}");
}
