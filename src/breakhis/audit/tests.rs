use std::fs;

use image::{Rgb, RgbImage};

use super::*;

fn draw(path: &Path, shade: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(8, 6, Rgb([shade; 3])).save(path).unwrap();
}

#[test]
fn an_audit_counts_what_is_sound_and_names_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    draw(&file("SOB_B_A-14-1AB-40-001.png"), 1);
    draw(&file("SOB_B_A-14-1CD-40-001.png"), 2);
    draw(&file("malignant/SOB_B_F-14-2-100-001.png"), 3);
    draw(&file("SOB_M_DC-14-13412-200-001.png"), 4);
    draw(&file("SOB_M_LC-14-13412-200-001.png"), 4);
    draw(&file("SOB_M_PC-14-3-200-001.png"), 1);
    fs::write(file("SOB_M_PC-14-3-200-002.png"), "no image").unwrap();
    fs::write(file("SOB_M_A-14-3-200-003.png"), "").unwrap();
    fs::write(file("notes.txt"), "").unwrap();

    let dataset = Dataset::open(dir.path()).unwrap();
    let audit = audit(&dataset, None).unwrap();
    assert_eq!((audit.images, audit.slides, audit.cases, audit.ignored), (7, 5, 4, 1));
    let kind = |kind: &str| audit.labels.iter().chain(&audit.subtypes).find(|count| count.kind == kind).unwrap();
    assert_eq!((kind("benign").found, kind("benign").published), (3, 2480));
    assert_eq!((kind("malignant 200X").found, kind("malignant 200X").published), (4, 1390));
    assert_eq!(kind("A").slides, Some([2, 4]));
    assert_eq!(audit.sizes, BTreeMap::from([("8x6".to_owned(), 6)]));

    let files = |findings: &[Finding]| findings.iter().map(|finding| finding.file.clone()).collect::<Vec<_>>();
    assert_eq!(files(&audit.unreadable), ["SOB_M_PC-14-3-200-002.png"]);
    assert_eq!(files(&audit.misnamed), ["SOB_M_A-14-3-200-003.png"]);
    assert_eq!(files(&audit.doubtful), ["malignant/SOB_B_F-14-2-100-001.png"]);

    let [across, twin] = audit.identical.as_slice() else { panic!("{:?}", audit.identical) };
    assert_eq!(across.files, ["SOB_B_A-14-1AB-40-001.png", "SOB_M_PC-14-3-200-001.png"]);
    assert!(across.labels_differ && across.subtypes_differ && across.cases_differ && !across.parts_differ);
    assert!(!twin.labels_differ && twin.subtypes_differ && !twin.cases_differ);
    assert_eq!(
        audit.faults(),
        [
            "unreadable images: 1",
            "files with names that cannot be read: 1",
            "groups of identical files under both labels: 1",
            "groups of identical files under different cases: 1"
        ]
    );
}

#[test]
fn an_audit_finds_the_cases_on_both_sides_of_a_split() {
    let dir = tempfile::tempdir().unwrap();
    for (i, name) in ["A-14-1AB", "A-14-1CD", "F-14-2", "F-14-3"].into_iter().enumerate() {
        draw(&dir.path().join(format!("SOB_B_{name}-40-001.png")), i as u8);
    }
    draw(&dir.path().join("SOB_M_DC-14-4-40-001.png"), 0);
    let dataset = Dataset::open(dir.path()).unwrap();
    let path = dir.path().join("split.csv");
    let rows = "SOB_B_A-14-1AB-40-001.png,train\nSOB_B_A-14-1CD-40-001.png,test\nSOB_B_F-14-2-40-001.png,train\n\
                SOB_B_F-14-3-40-001.png,validation\nSOB_M_DC-14-4-40-001.png,test\n";
    fs::write(&path, format!("filename,part\n{rows}")).unwrap();
    let split = Split::read(&path).unwrap();

    let audit = audit(&dataset, Some(&split)).unwrap();
    let found = audit.split.as_ref().unwrap();
    assert_eq!(found.parts[&Part::Test], PartCount { benign: 1, malignant: 1, cases: 2 });
    assert_eq!(found.shared_cases.len(), 1);
    assert_eq!(found.shared_cases[0].case.to_string(), "1");
    assert_eq!(found.shared_cases[0].images, BTreeMap::from([(Part::Train, 1), (Part::Test, 1)]));
    assert!(audit.identical[0].parts_differ);
    assert!(audit.faults().contains(&"cases in more than one part of the split: 1".to_owned()));
}
