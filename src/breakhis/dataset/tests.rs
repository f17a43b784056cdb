use super::*;

/// A folder with empty files, which is all that finding images needs.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    dir
}

fn names(dataset: &Dataset) -> Vec<&str> {
    dataset.images().iter().map(ImageFile::file_name).collect()
}

fn refusal(dir: &Path) -> String {
    Dataset::open(dir).expect_err("refused").to_string()
}

const A: &str = "SOB_B_A-14-22549AB-40-001.png";
const DC: &str = "SOB_M_DC-14-2523-40-010.png";
const LC: &str = "SOB_M_LC-14-15570C-400-003.png";

#[test]
fn a_tree_a_flat_folder_and_label_folders_hold_the_same_data_set() {
    let tree = "BreaKHis_v1/BreaKHis_v1/histology_slides/breast";
    let layouts = [
        vec![
            format!("{tree}/malignant/SOB/lobular_carcinoma/SOB_M_LC_14-15570C/400X/{LC}"),
            format!("{tree}/malignant/SOB/ductal_carcinoma/SOB_M_DC_14-2523/40X/{DC}"),
            format!("{tree}/benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/{A}"),
        ],
        vec![DC.into(), LC.into(), A.into()],
        vec![format!("test/benign/{A}"), format!("train/malignant/{DC}"), format!("train/malignant/{LC}")],
    ];
    for layout in layouts {
        let dir = folder(&layout.iter().map(String::as_str).collect::<Vec<_>>());
        let dataset = Dataset::open(dir.path()).unwrap();
        assert_eq!(names(&dataset), [A, DC, LC]);
        assert!(dataset.ignored.is_empty());
        assert!(dataset.images().iter().all(|image| image.doubts.is_empty()));
    }
}

#[test]
fn other_files_are_ignored_and_misnamed_ones_are_marked() {
    let dir = folder(&[A, "README.txt", "Folds.csv", "cat.png", "SOB_B_DC-14-2523-40-010.png", ".DS_Store"]);
    let dataset = Dataset::open(dir.path()).unwrap();
    assert_eq!(names(&dataset), [A]);
    let misnamed: Vec<_> = dataset.ignored.iter().filter(|file| file.misnamed).collect();
    assert_eq!(dataset.ignored.len(), 4);
    assert_eq!(misnamed.len(), 1);
    assert!(misnamed[0].reason.contains("contradicts itself"), "{}", misnamed[0].reason);
}

#[test]
fn a_folder_that_says_something_else_than_the_name_is_a_doubt() {
    for path in [format!("benign/{DC}"), format!("400X/{DC}"), format!("lobular_carcinoma/{DC}")] {
        let dir = folder(&[&path]);
        let dataset = Dataset::open(dir.path()).unwrap();
        assert_eq!(dataset.images()[0].doubts.len(), 1, "{path}");
    }
}

#[test]
fn what_is_no_data_set_is_refused_with_its_name_and_a_hint() {
    let dir = folder(&["holiday.jpg", "cat.png"]);
    let message = refusal(dir.path());
    assert!(message.contains("2 other files (cat.png, holiday.jpg)"), "{message}");
    assert!(message.contains("SOB_M_DC-14-2523-40-010.png"), "{message}");

    assert!(refusal(folder(&[]).path()).contains("it is empty"));
    assert!(refusal(&dir.path().join("nowhere")).contains("there is no folder"));
    assert!(refusal(&dir.path().join("cat.png")).contains("is a file; give the folder"));

    let twice = folder(&[&format!("a/{A}"), &format!("b/{A}")]);
    let message = refusal(twice.path());
    assert!(message.contains("is there twice") && message.contains("a/SOB") && message.contains("b/SOB"), "{message}");
}

#[test]
fn a_manifest_decides_what_belongs_to_the_data_set() {
    let dir = folder(&[&format!("images/{A}"), DC, "originals/SOB_B_A-14-22549AB-40-001.jpg"]);
    let manifest = format!(
        "filename,label,subtype,patient,case,magnification,source_width\n{DC},malignant,DC,14-2523,2523,40,224\n{A},benign,A,14-22549AB,22549,40,700\n"
    );
    fs::write(dir.path().join("manifest.csv"), manifest).unwrap();
    let dataset = Dataset::open(dir.path()).unwrap();
    assert_eq!(names(&dataset), [A, DC]);
    assert_eq!(dataset.images()[0].path, dir.path().join("images").join(A));
    assert_eq!(dataset.images().iter().map(|image| image.source_width).collect::<Vec<_>>(), [Some(700), Some(224)]);
    assert_eq!(dataset.ignored.len(), 1);
    assert_eq!(dataset.ignored[0].reason, "not in the manifest");
}

#[test]
fn a_manifest_that_does_not_fit_is_refused_by_line() {
    let dir = folder(&[A, DC]);
    for (manifest, message) in [
        (format!("filename,label\n{A},benign\n{DC},benign\n"), "line 3: the column label says \"benign\""),
        (format!("filename,case\n{A},22\n"), "line 2: the column case says \"22\""),
        (format!("filename,magnification\n{A},400\n"), "line 2: the column magnification says \"400\""),
        (format!("filename\n{LC}\n"), "line 2: SOB_M_LC-14-15570C-400-003.png is neither in"),
        (format!("filename\n{A}\n{A}\n"), "line 3: SOB_B_A-14-22549AB-40-001.png is listed a second time"),
        ("filename\ncat.png\n".into(), "line 2: cat.png: not a BreakHis image"),
        (format!("file,label\n{A},benign\n"), "there is no column \"filename\"; its columns are file, label"),
        (format!("filename,label\n{A}\n"), "line 2: 1 fields where the header has 2"),
        (format!("filename,source_width\n{A},700\n{DC},0\n"), "line 3: \"0\" is not a number of pixels"),
        (format!("filename,source_width\n{A},wide\n"), "line 2: \"wide\" is not a number of pixels"),
    ] {
        fs::write(dir.path().join("manifest.csv"), manifest).unwrap();
        let refusal = refusal(dir.path());
        assert!(refusal.contains("manifest.csv") && refusal.contains(message), "{refusal}\nlacks {message}");
    }
}
