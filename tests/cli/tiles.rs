//! `lobule predict --tile`, and the formats of other programs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use image::{Rgb, RgbImage, imageops};
use lobule::pixels::{DecodeLimits, read};
use serde_json::{Value, json};

use crate::flagging::{knows_only, without_flags};
use crate::support::{complaint, draw, lobule, printed, small_network, text};

const CSV: [&str; 11] = [
    "file",
    "x",
    "y",
    "width",
    "height",
    "label",
    "confidence",
    "probability_malignant",
    "decision",
    "threshold",
    "flags",
];

/// No two fields of it look the same.
fn drawn(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 2) as u8, (y * 3) as u8, (x * y / 9) as u8]))
}

fn lines(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs the program to its failure: what it printed, and what it logged without a word of a panic.
fn failed(arguments: &[&str], code: i32) -> (String, String) {
    let output = lobule(arguments).assert().failure().code(code).get_output().clone();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!stderr.contains("panicked"), "{stderr}");
    (stdout, stderr)
}

#[test]
fn a_field_is_answered_as_its_crop_is_whatever_file_holds_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let weights = small_network(dir.path());
    for name in ["a.png", "a.tif", "a.jpg"] {
        let (file, crops) = (dir.path().join(name), dir.path().join("crops"));
        drawn(100, 70).save(&file).unwrap();
        let tile = ["--tile", "40", "--overlap", "15"];
        let ask = ["predict", "--format", "json", "--weights", text(&weights)];
        let fields = lines(&printed(&[&ask[..], &tile, &[text(&file)]].concat()));
        let places: Vec<_> = fields.iter().map(|field| (field["y"].clone(), field["x"].clone())).collect();
        let expected = [0, 25, 30].into_iter().flat_map(|y| [0, 25, 50, 60].map(|x| (json!(y), json!(x))));
        assert_eq!(places, expected.collect::<Vec<_>>(), "{name}: rows from the top, in each from the left");

        fs::create_dir(&crops).unwrap();
        let whole = read(&file, &DecodeLimits::default()).unwrap().image;
        for (number, field) in fields.iter().enumerate() {
            let [x, y] = ["x", "y"].map(|axis| field[axis].as_u64().unwrap() as u32);
            let crop = imageops::crop_imm(&whole, x, y, 40, 40).to_image();
            crop.save(crops.join(format!("{number:02}.png"))).unwrap();
        }
        let alone = lines(&printed(&[&ask[..], &[text(&crops)]].concat()));
        assert_eq!(alone.len(), fields.len());
        let mut seen = BTreeMap::new();
        for (field, alone) in fields.iter().zip(&alone) {
            for same in ["label", "confidence", "probability_malignant", "decision", "threshold", "flags", "notes"] {
                assert_eq!(field[same], alone[same], "{name}: {field} {alone}");
            }
            assert_eq!((&field["width"], &field["height"]), (&json!(40), &json!(40)));
            seen.insert(field["probability_malignant"].to_string(), ());
        }
        assert!(seen.len() > 6, "the fields differ, so that a wrong crop would be seen");
        fs::remove_dir_all(&crops).unwrap();
    }
}

#[test]
fn every_format_says_where_a_field_lies_and_none_does_without_tiles() {
    let dir = tempfile::tempdir().unwrap();
    let (file, weights) = (dir.path().join("a.png"), small_network(dir.path()));
    drawn(50, 40).save(&file).unwrap();
    let ask = |format: &str, more: &[&str]| {
        printed(&[&["predict", "--format", format, "--weights", text(&weights), text(&file)], more].concat())
    };
    let tile = ["--tile", "30"];
    let fields = lines(&ask("json", &tile));
    let csv = ask("csv", &tile);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap(), CSV.to_vec());
    let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
    let table = ask("table", &tile);
    let table: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table[0], CSV);
    assert_eq!((fields.len(), rows.len()), (4, 4));
    for (number, (field, row)) in fields.iter().zip(&rows).enumerate() {
        let cell = |name: &&str| field[*name].as_str().map_or_else(|| field[*name].to_string(), str::to_owned);
        let expected: Vec<String> = CSV[..10].iter().map(cell).collect();
        assert_eq!(row.iter().take(10).collect::<Vec<_>>(), expected);
        assert_eq!(table[number + 1][..10], expected);
        assert_eq!(field.as_object().unwrap().len(), 12, "the fields of an image, and four more: {field}");
    }
    let whole: Value = serde_json::from_str(&ask("json", &[])).unwrap();
    assert_eq!(whole.as_object().unwrap().len(), 8, "{whole}");
}

#[test]
fn wsinfer_s_columns_are_those_of_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let (file, weights) = (dir.path().join("images/a.png"), small_network(dir.path()));
    fs::create_dir(dir.path().join("images")).unwrap();
    drawn(50, 40).save(&file).unwrap();
    let ask = ["predict", "--weights", text(&weights), text(&file), "--format"];
    let csv = printed(&[&ask[..], &["wsinfer", "--tile", "30"]].concat());
    let fields = lines(&printed(&[&ask[..], &["json", "--tile", "30"]].concat()));
    let mut rows = csv.lines();
    assert_eq!(rows.next(), Some("minx,miny,width,height,prob_Benign,prob_Malignant"));
    for (row, field) in rows.by_ref().zip(&fields) {
        let numbers: Vec<f64> = row.split(',').map(|cell| cell.parse().unwrap()).collect();
        let names = ["x", "y", "width", "height"];
        assert_eq!(numbers[..4], names.map(|name| field[name].as_f64().unwrap()));
        assert_eq!(numbers[5], field["probability_malignant"].as_f64().unwrap());
        assert!((numbers[4] + numbers[5] - 1.0).abs() < 2e-6, "{row}");
    }
    assert_eq!((rows.next(), fields.len()), (None, 4));
    let whole = printed(&[&ask[..], &["wsinfer"]].concat());
    assert!(whole.contains("\n0,0,50,40,"), "{whole}");

    drawn(40, 40).save(dir.path().join("images/b.png")).unwrap();
    let (stdout, message) = failed(&["predict", "--format", "wsinfer", text(&dir.path().join("images"))], 2);
    assert!(stdout.is_empty() && message.contains("one image at a time, and there are 2"), "{message}");
}

#[test]
fn geojson_is_a_collection_of_what_qupath_reads() {
    let dir = tempfile::tempdir().unwrap();
    let (known, foreign) = (dir.path().join("images/a.png"), dir.path().join("images/b.png"));
    draw(&known, 100);
    draw(&foreign, 20);
    let weights = dir.path().join("w.safetensors");
    knows_only(&image::open(&known).unwrap().into_rgb8()).write(&weights).unwrap();
    let images = dir.path().join("images");
    let ask = |more: &[&str]| -> Value {
        let ask = ["predict", "--format", "geojson", "--threshold", "0.999", "--weights", text(&weights)];
        serde_json::from_str(&printed(&[&ask[..], more].concat())).unwrap()
    };
    let collection = ask(&[text(&images)]);
    assert_eq!((&collection["type"], &collection["complete"]), (&json!("FeatureCollection"), &json!(true)));
    assert_eq!(collection["research_use"], "For research use only. Not for use in diagnostic procedures.");
    assert_eq!(collection["threshold"], 0.999);
    assert!(collection["model"]["sha256"].is_string());
    let [benign, abstain] = &collection["features"].as_array().unwrap()[..] else { panic!("{collection}") };
    let corners = |[left, top, right, bottom]: [u32; 4]| json!({"type": "Polygon", "coordinates": [[[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]]});
    assert_eq!((&benign["type"], &benign["geometry"]), (&json!("Feature"), &corners([0, 0, 24, 16])));
    let properties = &benign["properties"];
    assert_eq!(properties["objectType"], "annotation");
    assert_eq!(properties["classification"], json!({"name": "Benign", "color": [33, 102, 172]}));
    assert_eq!(abstain["properties"]["classification"]["name"], "Abstain");
    assert_eq!(abstain["properties"]["metadata"]["flags"], "foreign;stain");
    assert_eq!(properties["metadata"]["file"], text(&known));
    // QuPath keeps numbers as measurements and text as metadata, and fails on anything else there.
    for feature in [benign, abstain] {
        let [measurements, metadata] =
            ["measurements", "metadata"].map(|name| feature["properties"][name].as_object().unwrap());
        assert!(measurements.values().all(Value::is_number) && metadata.values().all(Value::is_string), "{feature}");
        assert!(measurements["probability_malignant"].is_f64() && measurements["confidence"].is_f64());
    }

    let fields = ask(&[text(&known), "--tile", "10", "--overlap", "2"]);
    let features = fields["features"].as_array().unwrap();
    assert_eq!(features.len(), 3 * 2);
    assert_eq!(features[5]["geometry"], corners([14, 6, 24, 16]));
    assert!(features.iter().all(|feature| feature["properties"]["objectType"] == "tile"));

    without_flags().write(&weights).unwrap();
    assert_eq!(ask(&[text(&known)])["features"][0]["properties"]["metadata"]["flags"], "unknown");
}

#[test]
fn a_collection_of_which_inputs_are_missing_says_so_and_is_whole_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, broken) = (dir.path().join("a.png"), dir.path().join("b.png"));
    drawn(50, 40).save(&whole).unwrap();
    fs::write(&broken, "no image").unwrap();
    let weights = small_network(dir.path());
    for (inputs, features) in [(&[text(&whole), text(&broken)][..], 4), (&[text(&broken)], 0)] {
        let ask = ["predict", "--format", "geojson", "--tile", "30", "--weights", text(&weights)];
        let (collection, log) = failed(&[&ask[..], inputs].concat(), 1);
        let collection: Value = serde_json::from_str(&collection).unwrap();
        assert_eq!(collection["features"].as_array().unwrap().len(), features);
        assert_eq!(collection["complete"], false);
        assert!(log.contains("no prediction for 1 of "), "{log}");
    }
}

#[test]
fn wrong_use_of_tiles_is_told_and_nothing_is_read() {
    let image = "no-such-image.png";
    for (arguments, message) in [
        (&["--tile", "0"][..], "a field has at least one pixel"),
        (&["--tile", "64", "--overlap", "64"], "fields of 64 pixels overlap by fewer than 64, and not by 64"),
        (&["--tile", "64", "--overlap", "1000000000"], "overlap by fewer than 64"),
        (&["--overlap", "3"], "--tile"),
        (&["--tile=-5"], "--tile"),
        (&["--tile", "10000000000"], "10000000000"),
        (&["--tile", "64", "--heatmap", "maps"], "cannot be used with"),
    ] {
        let (stdout, stderr) = failed(&[&["predict", image], arguments].concat(), 2);
        assert!(stdout.is_empty() && stderr.contains(message) && !stderr.contains("cannot read"), "{stderr}");
    }
}

#[test]
fn an_image_that_cannot_be_cut_is_named_and_the_others_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join("images").join(name);
    fs::create_dir(dir.path().join("images")).unwrap();
    drawn(50, 40).save(path("a.tif")).unwrap();
    drawn(50, 29).save(path("low.png")).unwrap();
    drawn(60, 60).save(path("cut.png")).unwrap();
    let whole = fs::read(path("cut.png")).unwrap();
    fs::write(path("cut.png"), &whole[..whole.len() / 2]).unwrap();
    let ask = ["predict", "--format", "csv", "--tile", "30", text(dir.path())];
    let (csv, log) = failed(&ask, 1);
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(csv.lines().skip(1).all(|line| line.contains("a.tif")), "no field of what is broken: {csv}");
    assert!(log.contains("low.png: the image is 50x29 pixels, and no field of 30x30 fits into it"), "{log}");
    assert!(log.contains("cut.png: this PNG image cannot be decoded") && log.contains("2 of "), "{log}");
    assert!(log.contains("of 4 fields"), "{log}");
    let huge = complaint(&["predict", "--tile", "1000000000", text(&path("a.tif"))]);
    assert!(huge.contains("no field of 1000000000x1000000000 fits into it"), "{huge}");
}

#[cfg(unix)]
#[test]
fn what_is_piped_is_cut_too() {
    let dir = tempfile::tempdir().unwrap();
    let (file, weights) = (dir.path().join("a.png"), small_network(dir.path()));
    drawn(50, 40).save(&file).unwrap();
    let ask = ["predict", "--format", "csv", "--tile", "30", "--weights", text(&weights)];
    let named = printed(&[&ask[..], &[text(&file)]].concat());
    let piped = lobule(&[&ask[..], &["/dev/stdin"]].concat()).pipe_stdin(&file).unwrap().assert().success();
    let piped = String::from_utf8(piped.get_output().stdout.clone()).unwrap();
    assert_eq!(piped.replace("/dev/stdin", text(&file)), named);
}

/// A program that predicts for fields, with its answers in a pipe.
fn spawn(arguments: &[&str]) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lobule"));
    command.args(["predict"]).args(arguments).env_remove("LOBULE_WEIGHTS");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_whole_lines_and_a_whole_collection() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.png");
    drawn(4000, 4000).save(&file).unwrap();
    for format in ["csv", "geojson"] {
        let mut child = spawn(&["--format", format, "--tile", "64", text(&file)]);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        stdout.read_line(&mut printed).unwrap();
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        stdout.read_to_string(&mut printed).unwrap();
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{log}");
        assert!(log.contains("once more stops at once") && log.contains("are not all"), "{log}");
        assert!(printed.ends_with('\n') && printed.lines().count() < 3900, "it stopped early");
        if format == "csv" {
            assert!(printed.lines().all(|line| line.split(',').count() == CSV.len()), "{printed}");
        } else {
            let collection: Value = serde_json::from_str(&printed).unwrap();
            assert_eq!(collection["complete"], false);
        }
    }
}

/// The most memory that a process has had, in bytes, as the system tells while it runs.
#[cfg(target_os = "linux")]
fn peak_of(child: &mut std::process::Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) << 10);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn a_taller_image_takes_no_more_memory() {
    let dir = tempfile::tempdir().unwrap();
    let weights = small_network(dir.path());
    for name in ["a.png", "a.tif"] {
        let peak = |height: u32| {
            let file = dir.path().join(name);
            tall(height, &file);
            let tile = ["--tile", "2000", "--format", "json", "--weights", text(&weights), text(&file)];
            let mut child = spawn(&tile);
            let peak = peak_of(&mut child);
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count() as u32, height / 2000);
            peak
        };
        let [low, high] = [12_000, 48_000].map(peak); // 72 and 288 MB of pixels
        println!("{name}: {} MB, and {} MB for four times the rows", low >> 20, high >> 20);
        assert!(high < low + (20 << 20), "{name}: {low} {high}");
    }
}

/// An image 2000 pixels wide, of two colours that change with the rows.
#[cfg(target_os = "linux")]
fn tall(height: u32, file: &Path) {
    RgbImage::from_fn(2000, height, |_, y| Rgb(if y / 700 % 2 == 0 { [200, 100, 180] } else { [90, 60, 150] }))
        .save(file)
        .unwrap();
}
