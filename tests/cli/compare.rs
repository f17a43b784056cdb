//! `lobule compare`, on drawn folders of runs.

use std::fs;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use lobule::train::{Recipe, RunConfig};
use tempfile::TempDir;

use crate::support::{complaint, printed, printed_in, text};

/// What a drawn run is like.
struct Drawn<'a> {
    recipe: &'a str,
    changes: &'a [&'a str],
    seed: u64,
    by_case: bool,
    /// Malignant images of the six of a part that are called benign.
    missed: usize,
    parts: &'a [&'a str],
}

const PARTS: [&str; 3] = ["train", "validation", "test"];

/// A run on six benign and six malignant cases of three images each.
fn draw(root: &TempDir, name: &str, drawn: &Drawn<'_>) -> PathBuf {
    let dir = root.path().join(name);
    fs::create_dir_all(&dir).unwrap();
    let Drawn { recipe, changes, seed, by_case, missed, parts } = drawn;
    let config = RunConfig {
        version: "0".into(),
        seed: *seed,
        data: "drawn".into(),
        split: "drawn".into(),
        start: "drawn".into(),
        trained_on: Vec::new(),
        skipped: Vec::new(),
        recipe: Recipe::named(recipe, changes).unwrap(),
    };
    config.write(&dir.join("config.toml")).unwrap();
    let mut split = String::from("filename,part\n");
    let mut predictions = PARTS.map(|_| String::from("filename,truth,margin,probability_malignant\n"));
    let mut seen = [0; 3];
    for case in 0..12 {
        for number in 0..3 {
            let part = if *by_case { case / 2 % 3 } else { number };
            let (prefix, truth) = if case % 2 == 0 { ("SOB_B_F", "benign") } else { ("SOB_M_DC", "malignant") };
            let file = format!("{prefix}-14-{}-100-{number:03}.png", 100 + case);
            split += &format!("{file},{}\n", PARTS[part]);
            seen[part] += case % 2;
            let margin = if case % 2 == 0 || seen[part] <= *missed { -1.0 } else { 1.0 };
            predictions[part] += &format!("{file},{truth},{margin},{}\n", 1.0 / (1.0 + f64::exp(-margin)));
        }
    }
    fs::write(dir.join("split.csv"), split).unwrap();
    for (part, rows) in PARTS.iter().zip(predictions).filter(|(part, _)| parts.contains(part)) {
        fs::write(dir.join(format!("{part}-predictions.csv")), rows).unwrap();
    }
    dir
}

fn best(seed: u64, by_case: bool, missed: usize) -> Drawn<'static> {
    Drawn { recipe: "best", changes: &[], seed, by_case, missed, parts: &["validation", "test"] }
}

/// Adds strata, exchanged copies and a control to a file of predictions.
fn with_all_columns(path: &Path) {
    let mut rows = String::from(
        "filename,truth,magnification,source_width,margin,probability_malignant,exchanged_1,\
         mean_colour,mean_colour_exchanged_1\n",
    );
    for (index, line) in fs::read_to_string(path).unwrap().lines().skip(1).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let [file, truth, margin, probability] = cells[..] else { panic!("{line}") };
        // The copies of every other image are called the opposite; colour calls all images malignant.
        let sign = if index % 2 == 0 { "" } else { "-" };
        let copy = format!("{sign}{margin}").replace("--", "");
        rows += &format!("{file},{truth},100,700,{margin},{probability},{copy},1,-1\n");
    }
    fs::write(path, rows).unwrap();
}

fn header_and_rows(table: &str) -> (StringRecord, Vec<StringRecord>) {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    (reader.headers().unwrap().clone(), reader.records().map(Result::unwrap).collect())
}

/// The line of a text that begins with these words.
fn line<'a>(output: &'a str, beginning: &[&str]) -> Vec<&'a str> {
    let mut lines = output.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.find(|words| words.starts_with(beginning)).unwrap_or_else(|| panic!("no {beginning:?} in\n{output}"))
}

#[test]
fn runs_stand_side_by_side_with_means_over_seeds_and_differences_between_splits() {
    let root = tempfile::tempdir().unwrap();
    draw(&root, "case-1", &best(1, true, 2));
    draw(&root, "case-2", &best(2, true, 3));
    draw(&root, "image-1", &best(1, false, 0));
    draw(&root, "image-2", &best(2, false, 2));
    let runs = ["compare", "case-1", "case-2", "image-1", "image-2", "--format"];
    // Differences of 1/6 and 1/12: 0.125 ± 12.706 * 0.0589 * sqrt(1/2 + 12/12), as each part has 12 images.
    insta::assert_snapshot!("text", printed_in(root.path(), &[&runs[..], &["text"]].concat()));
    insta::assert_snapshot!("markdown", printed_in(root.path(), &[&runs[..], &["markdown"]].concat()));
    with_all_columns(&root.path().join("case-1/test-predictions.csv"));
    insta::assert_snapshot!("pooled", printed_in(root.path(), &["compare", "--pool", "case-1"]));
}

#[test]
fn the_same_figures_come_as_markdown_csv_json_and_svg() {
    let root = tempfile::tempdir().unwrap();
    let runs = [draw(&root, "a|b", &best(1, true, 1)), draw(&root, "c", &best(1, false, 0))];
    let figure = root.path().join("figure.svg");
    let paths: Vec<&str> = runs.iter().map(|run| text(run)).collect();
    let as_format = |format: &str| printed(&[&["compare", "--format", format], &paths[..]].concat());

    let markdown = as_format("markdown");
    assert!(markdown.contains("a\\|b | best | by case | test | 1 | 12 | 0.9167 |"), "{markdown}");
    assert!(markdown.contains("none: one seed") && markdown.contains("For research use only."), "{markdown}");

    let (header, rows) = header_and_rows(&as_format("csv"));
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(kinds, ["run", "run", "difference", "interval_low", "interval_high"]);
    assert_eq!(rows[0][column("accuracy")].parse::<f64>().unwrap(), 11.0 / 12.0);
    assert_eq!((&rows[0][column("tp")], &rows[0][column("fn")], &rows[3][column("accuracy")]), ("5", "1", ""));

    let objects: serde_json::Value = serde_json::from_str(&as_format("json")).unwrap();
    let objects = objects.as_array().unwrap();
    assert_eq!(objects.len(), rows.len());
    assert_eq!((&objects[0]["kind"], &objects[0]["tp"], &objects[0]["fn"]), (&"run".into(), &5.into(), &1.into()));
    assert!(objects[0]["accuracy"] == 11.0 / 12.0 && objects[3]["accuracy"].is_null(), "{objects:?}");

    let silent = printed(&[&["compare", "--figure", text(&figure)], &paths[..]].concat());
    assert!(!silent.contains("<svg"));
    let svg = fs::read_to_string(&figure).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("For research use only."), "{svg}");
}

#[test]
fn runs_with_other_settings_of_a_recipe_are_not_averaged() {
    let root = tempfile::tempdir().unwrap();
    let longer = Drawn { changes: &["epochs=9"], ..best(2, true, 1) };
    let runs = [draw(&root, "a", &best(1, true, 1)), draw(&root, "b", &longer)];
    let output = printed(&["compare", text(&runs[0]), text(&runs[1])]);
    assert!(output.contains("are both of the recipe best, in other settings, and are not averaged."), "{output}");
    assert!(!output.lines().any(|line| line.starts_with("mean ")), "{output}");
}

#[test]
fn figures_of_a_validation_part_are_called_so_and_never_averaged_with_others() {
    let root = tempfile::tempdir().unwrap();
    let only = Drawn { parts: &["validation"], ..best(2, true, 1) };
    let runs = [draw(&root, "a", &best(1, true, 1)), draw(&root, "b", &only)];
    let output = printed(&["compare", text(&runs[0]), text(&runs[1])]);
    assert!(line(&output, &[text(&runs[1]), "best"]).contains(&"validation"), "{output}");
    assert!(!output.lines().any(|line| line.starts_with("mean ")), "{output}");
}

#[test]
fn a_folder_that_cannot_be_compared_is_refused_with_a_reason() {
    let root = tempfile::tempdir().unwrap();
    let compare = |dir: &Path| complaint(&["compare", text(dir)]);
    assert!(compare(&root.path().join("none")).contains("none is not the folder of a run"));
    assert!(compare(root.path()).contains("there is no config.toml in it"));

    let unended = draw(&root, "unended", &Drawn { parts: &[], ..best(1, true, 1) });
    let message = compare(&unended);
    assert!(message.contains("training has not ended") && message.contains("--resume"), "{message}");

    let broken = |file: &str, content: &str| {
        let dir = draw(&root, "broken", &best(1, true, 1));
        fs::write(dir.join(file), content).unwrap();
        let message = compare(&dir);
        assert!(message.contains(file), "{message}");
        message
    };
    assert!(broken("config.toml", "seed = one").contains("line 1"));
    assert!(broken("config.toml", "seed = 1\n").contains("missing field"));
    assert!(broken("split.csv", "filename,part\nSOB_B_F-14-100-100-000.png,tests\n").contains("line 2"));
    assert!(broken("split.csv", "filename,part\nscan.png,test\n").contains("scan.png"));
    assert!(broken("test-predictions.csv", "filename,truth,margin,probability_malignant\n").contains("no predictions"));
    let header = "filename,truth,margin,probability_malignant\n";
    assert!(broken("test-predictions.csv", &format!("{header}a.png,benign,x,0.5\n")).contains("line 2"));
    let row = |truth: &str, rest: &str| format!("{header}SOB_B_F-14-100-100-000.png,{truth},{rest}\n");
    assert!(broken("test-predictions.csv", &row("benign", "-1,0.2689")).contains("in its train part"));
    let message = broken("test-predictions.csv", &row("malignant", "-1,0.2689"));
    assert!(
        message.contains("SOB_B_F-14-100-100-000.png is called malignant, and by its name it is benign"),
        "{message}"
    );
}

#[test]
fn runs_that_hold_out_different_images_are_pooled_and_others_are_not() {
    let root = tempfile::tempdir().unwrap();
    let runs = [draw(&root, "a", &best(1, true, 2)), draw(&root, "b", &best(2, true, 3))];
    let output = printed(&["compare", "--pool", text(&runs[0])]);
    assert!(output.contains("All 12 predictions of the 1 runs together, 4 cases"), "{output}");
    let row = line(&output, &["accuracy", "0.8333"]);
    let (low, high): (f64, f64) = (row[2].parse().unwrap(), row[4].parse().unwrap());
    assert!(low < 0.8 && high == 1.0 && row[3] == "to", "{output}");
    let message = complaint(&["compare", "--pool", text(&runs[0]), text(&runs[1])]);
    assert!(message.contains("both predict") && message.contains("different images can be pooled"), "{message}");
    let longer = draw(&root, "c", &Drawn { changes: &["epochs=9"], ..best(1, true, 2) });
    let message = complaint(&["compare", "--pool", text(&runs[0]), text(&longer)]);
    assert!(message.contains("were not trained alike; only runs of one recipe can be pooled"), "{message}");
}

#[test]
fn runs_on_the_same_images_are_subtracted_in_pairs() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c, d] = [("a", 1, true, 1), ("b", 2, true, 3), ("c", 3, false, 0), ("d", 4, true, 1)]
        .map(|(name, seed, by_case, missed)| draw(&root, name, &best(seed, by_case, missed)));
    let output = printed(&["compare", text(&a), "--against", text(&b)]);
    assert!(output.contains(&format!("{} minus {} on the same 12 images of 4 cases", text(&a), text(&b))), "{output}");
    let row = line(&output, &["accuracy", "+0.1667"]);
    assert!(row[2].parse::<f64>().unwrap() <= 0.1667 && row[4].parse::<f64>().unwrap() >= 0.1666, "{output}");
    assert!(!output.contains("ECE"), "calibration errors have no interval: {output}");

    let table = printed(&["compare", "--format", "csv", text(&a), "--against", text(&b)]);
    let (header, rows) = header_and_rows(&table);
    let column = header.iter().position(|name| name == "accuracy").unwrap();
    let of = |kind: &str| rows.iter().find(|row| &row[0] == kind).unwrap()[column].parse::<f64>().unwrap();
    assert!((of("paired_difference") - 2.0 / 12.0).abs() < 1e-9, "{table}");
    assert!(of("paired_low") <= of("paired_difference") && of("paired_difference") <= of("paired_high"), "{table}");
    assert_eq!(rows.iter().filter(|row| &row[0] == "run").count(), 2, "both sides are in the table");

    let message = complaint(&["compare", text(&a), "--against", text(&c)]);
    assert!(message.contains("they must predict the same images, and SOB_"), "{message}");
    let message = complaint(&["compare", text(&a), "--against", text(&b), text(&d)]);
    assert!(message.contains("both predict"), "each side is one network's predictions: {message}");
}

#[test]
fn full_predictions_give_the_figures_that_show_what_is_not_tissue() {
    let root = tempfile::tempdir().unwrap();
    let runs =
        [draw(&root, "a", &best(1, true, 1)), draw(&root, "b", &Drawn { parts: &["validation"], ..best(1, true, 0) })];
    for (run, part) in runs.iter().zip(["test", "validation"]) {
        with_all_columns(&run.join(format!("{part}-predictions.csv")));
    }
    let paths: Vec<&str> = runs.iter().map(|run| text(run)).collect();
    let output = printed(&["compare", "--pool", paths[0], paths[1]]);
    let tissue: Vec<&str> = output.lines().skip_while(|line| !line.starts_with("What is not tissue")).collect();
    let row: Vec<&str> = tissue.iter().find(|line| line.starts_with(paths[0])).unwrap().split_whitespace().collect();
    // One of six malignant images is missed; six images are benign, and colour errs on all of them.
    assert_eq!((row[7], row[11], row[12]), ("0.9167", "0.5000", "0.3133"), "{output}");
    assert_eq!(line(&output, &[paths[0], "mean", "colour"])[3], "0.5000", "{output}");
    let pooled = line(&output, &["within", "strata"]);
    // The value and its interval, then the mean of .9167 and 1 and its own.
    assert!(pooled.len() == 10 && pooled[6] == "0.9583", "{output}");
    let mean = output.lines().skip_while(|line| !line.starts_with("mean colour")).nth(1).unwrap();
    assert_eq!(mean.split_whitespace().collect::<Vec<_>>()[..5], ["mean", "of", "the", "runs", "0.5000"], "{output}");

    let table = printed(&["compare", "--format", "csv", paths[0], paths[1]]);
    let (header, rows) = header_and_rows(&table);
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    assert_eq!(&rows[0][column("changed")], "0.5");
    let control = rows.iter().find(|row| &row[0] == "control").unwrap();
    assert_eq!((&control[column("control")], &control[column("roc_auc")]), ("mean_colour", "0.5"));
    assert!(rows.iter().all(|row| !row[0].starts_with("pooled")));

    let table = printed(&["compare", "--pool", "--format", "csv", paths[0], paths[1]]);
    let (_, rows) = header_and_rows(&table);
    let cell = |kind: &str, name: &str| -> f64 {
        let row = rows.iter().find(|row| &row[0] == kind).unwrap_or_else(|| panic!("no row {kind} in {table}"));
        row[column(name)].parse().unwrap()
    };
    assert_eq!(cell("pooled", "n"), 24.0);
    assert!(cell("pooled_low", "nll") < cell("pooled", "nll") && cell("pooled", "nll") < cell("pooled_high", "nll"));
    assert!((cell("mean_of_runs", "within_strata") - (0.9167 + 1.0) / 2.0).abs() < 1e-3, "{table}");
    assert!((cell("uncalibrated", "nll") - cell("pooled", "nll")).abs() < 1e-9, "{table}");
    assert!(cell("calibrated", "ece") != cell("uncalibrated", "ece") && cell("sensitive", "specificity") <= 1.0);
    assert!(output.contains("Calibration: each run's images") && output.contains("\ntemperatures: "), "{output}");
    let figure = root.path().join("reliability.svg");
    printed(&["compare", "--pool", "--reliability", text(&figure), paths[0], paths[1]]);
    let figure = std::fs::read_to_string(figure).unwrap();
    assert!(
        figure.contains("2 runs, each calibrated by the others") && figure.contains(">calibrated: ECE "),
        "{figure}"
    );
    assert!(complaint(&["compare", "--reliability", "f.svg", paths[0]]).contains("--pool"));
    let alone = complaint(&["compare", "--pool", "--reliability", "f.svg", paths[0]]);
    assert!(alone.contains("nothing to calibrate by"), "{alone}");
    assert_eq!((cell("pooled_control", "roc_auc"), cell("mean_of_runs_control", "changed")), (0.5, 1.0));
}
