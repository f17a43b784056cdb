//! `lobule import`: networks of Keras become weights files that serve; what cannot be one is refused in a sentence.

use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::support::{lobule, printed};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keras");
const TISSUE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tissue.png");

/// An entry of a .keras file: its name and its bytes.
type Entry = (String, Vec<u8>);
type Entries = Vec<Entry>;

/// The entries of a .keras file.
fn entries(name: &str) -> Entries {
    let mut zip = ZipArchive::new(Cursor::new(fs::read(Path::new(FOLDER).join(name)).unwrap())).unwrap();
    let read = |index| {
        let mut entry = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.name().unwrap().into_owned(), bytes)
    };
    (0..3).map(read).collect()
}

/// A .keras file with these entries, uncompressed as Keras writes them.
fn keras(entries: &[Entry], folder: &Path) -> PathBuf {
    let path = folder.join("model.keras");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    for (name, bytes) in entries {
        zip.start_file(name.as_str(), SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored))
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

/// A fixture whose graph was changed.
fn edited(name: &str, folder: &Path, edit: impl Fn(&mut Vec<Value>)) -> PathBuf {
    let mut entries = entries(name);
    for (name, bytes) in &mut entries {
        if name == "config.json" {
            let mut config: Value = serde_json::from_slice(bytes).unwrap();
            edit(config["config"]["layers"].as_array_mut().unwrap());
            *bytes = serde_json::to_vec(&config).unwrap();
        }
    }
    keras(&entries, folder)
}

fn layer<'a>(layers: &'a mut [Value], name: &str) -> &'a mut Value {
    layers.iter_mut().find(|layer| layer["config"]["name"] == name).unwrap()
}

/// What a refused import says; it leaves no file behind.
fn refusal(source: &Path, folder: &Path) -> String {
    let out = folder.join("out.safetensors");
    let output = lobule(&["import".as_ref(), source.as_os_str(), "-o".as_ref(), out.as_os_str()]).assert().code(1);
    assert!(!out.exists());
    let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(text.starts_with("ERROR") && text.lines().count() == 1, "{text}");
    text
}

#[test]
fn an_imported_network_classifies_and_says_what_was_taken_for_granted() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (Path::new(FOLDER).join("flat3.keras"), folder.path().join("out.safetensors"));
    let text = printed(&["import".as_ref(), source.as_os_str(), "-o".as_ref(), out.as_os_str()]);
    for part in ["flat3: fused DenseNet", "divided by 255", "--preprocess", "--classes", "lobule calibrate"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let line = printed(&[
        "predict".as_ref(),
        "--weights".as_ref(),
        out.as_os_str(),
        "--format".as_ref(),
        "json".as_ref(),
        TISSUE.as_ref(),
    ]);
    let answer: Value = serde_json::from_str(&line).unwrap();
    let apart = answer["probability_malignant"].as_f64().unwrap() - 0.645_834_4;
    assert!(apart.abs() < 1e-5, "{line}");
    assert_eq!(answer["flags"], Value::Null);
}

#[test]
fn code_and_classes_of_others_are_refused_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let lambda = |layers: &mut Vec<Value>| layer(layers, "dropout")["class_name"] = json!("Lambda");
    let text = refusal(&edited("flat3.keras", folder, lambda), folder);
    assert!(text.contains("the layer dropout is a Lambda, which holds code; nothing of a file is executed"), "{text}");
    let hidden = |layers: &mut Vec<Value>| {
        layer(layers, "dense")["config"]["activation"] =
            json!({"class_name": "__lambda__", "config": {"value": "4wEA"}});
    };
    assert!(refusal(&edited("flat3.keras", folder, hidden), folder).contains("__lambda__"));
    let module = |layers: &mut Vec<Value>| {
        layer(layers, "dropout")["module"] = json!("os");
        layer(layers, "dropout")["class_name"] = json!("system");
    };
    assert!(refusal(&edited("flat3.keras", folder, module), folder).contains("os.system"));
    let custom = |layers: &mut Vec<Value>| layer(layers, "dropout")["registered_name"] = json!("Mine>Attention");
    assert!(refusal(&edited("flat3.keras", folder, custom), folder).contains("Mine>Attention"));
}

#[test]
fn a_class_with_a_name_of_keras_and_quantised_layers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let namesake = |layers: &mut Vec<Value>| {
        layer(layers, "dropout")["module"] = Value::Null;
        layer(layers, "dropout")["registered_name"] = json!("Dropout");
    };
    assert!(refusal(&edited("flat3.keras", folder, namesake), folder).contains("which is not Keras's own"));
    let quantised = |layers: &mut Vec<Value>| {
        layer(layers, "dense")["config"]["dtype"] = json!({"config": {"mode": "float8", "source_name": "float32"}});
    };
    assert!(refusal(&edited("flat3.keras", folder, quantised), folder).contains("were quantised (float8)"));
}

#[test]
fn the_file_that_is_imported_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let source = keras(&entries("flat3.keras"), folder.path());
    let before = fs::read(&source).unwrap();
    let output = lobule(&["import".as_ref(), source.as_os_str(), "-o".as_ref(), source.as_os_str()]).assert().code(1);
    assert!(String::from_utf8_lossy(&output.get_output().stderr).contains("it is the file that is read"));
    assert_eq!(fs::read(&source).unwrap(), before);
}

#[test]
fn other_networks_are_refused_with_their_first_difference() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    type Edit = fn(&mut Vec<Value>);
    let cases: [(&str, Edit, &str); 9] = [
        (
            "flat3.keras",
            |l| layer(l, "dense_4")["config"]["units"] = json!(24),
            "dense_4: expected two units with a softmax, or one with a sigmoid, found 24 units with a softmax",
        ),
        ("flat3.keras", |l| layer(l, "dense_3")["config"]["activation"] = json!("gelu"), "dense_3: expected"),
        (
            "flat3.keras",
            |l| layer(l, "conv3_block1_2_conv")["config"]["strides"] = json!([2, 2]),
            "conv3_block1_2_conv: expected a Conv2D of 3x3, strides 1x1, padding same, no bias, found a Conv2D of 4 filters of 3x3, strides 2x2",
        ),
        ("flat3.keras", |l| layer(l, "conv4_block1_1_bn")["config"]["axis"] = json!(1), "over the axis 1"),
        ("flat3.keras", |l| layer(l, "pool1")["class_name"] = json!("AveragePooling2D"), "pool1: expected"),
        ("flat3.keras", |l| layer(l, "conv2_block1_0_relu")["class_name"] = json!("LeakyReLU"), "found a LeakyReLU"),
        (
            "baseline3.keras",
            |l| layer(l, "conv2d")["config"]["padding"] = json!("same"),
            "conv2d: expected a Conv2D of 3x3, strides 1x1, padding valid",
        ),
        (
            "baseline3.keras",
            |l| layer(l, "flatten")["class_name"] = json!("GlobalAveragePooling2D"),
            "flatten: expected a Flatten, found a GlobalAveragePooling2D",
        ),
        (
            "baseline3.keras",
            |l| layer(l, "conv2d")["config"]["data_format"] = json!("channels_first"),
            "channels_first",
        ),
    ];
    for (name, edit, expected) in cases {
        let text = refusal(&edited(name, folder, edit), folder);
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn models_without_layers_and_layers_that_go_on_training_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = refusal(&edited("baseline3.keras", folder, Vec::clear), folder);
    assert!(text.contains("its model has no layers"), "{text}");
    let monte_carlo = |layers: &mut Vec<Value>| {
        layer(layers, "dropout")["inbound_nodes"][0]["kwargs"] = json!({"training": true});
    };
    let text = refusal(&edited("flat3.keras", folder, monte_carlo), folder);
    assert!(text.contains("the layer dropout is called with training=True"), "{text}");
}

#[test]
fn densenet169_is_refused_by_its_blocks() {
    // Two more dense layers than DenseNet121 has room for, in the fourth block of a network of four.
    let folder = tempfile::tempdir().unwrap();
    let grown = |layers: &mut Vec<Value>| {
        let (mut end, template) = ("conv5_block1_concat".to_owned(), layers.clone());
        for number in 2..=17 {
            let copies =
                template.iter().filter(|layer| layer["config"]["name"].as_str().unwrap().starts_with("conv5_block1_"));
            let text = serde_json::to_string(&copies.collect::<Vec<_>>()).unwrap();
            let text = text.replace("conv5_block1_", &format!("conv5_block{number}_")).replace("pool4_pool", &end);
            layers.extend(serde_json::from_str::<Vec<Value>>(&text).unwrap());
            end = format!("conv5_block{number}_concat");
        }
        let average = "global_average_pooling2d_2";
        let text = serde_json::to_string(layer(layers, average)).unwrap();
        *layer(layers, average) = serde_json::from_str(&text.replace("conv5_block1_concat", &end)).unwrap();
    };
    let text = refusal(&edited("flat3.keras", folder.path(), grown), folder.path());
    assert!(text.contains("found dense blocks of [1, 2, 1, 17] layers"), "{text}");
}

#[test]
fn damaged_and_hostile_files_are_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = entries("flat3.keras");
    let with = |change: &dyn Fn(&mut Entries)| {
        let mut entries = whole.clone();
        change(&mut entries);
        refusal(&keras(&entries, folder), folder)
    };
    let weights = |entries: &mut Entries, change: &dyn Fn(&mut Vec<u8>)| {
        change(&mut entries.iter_mut().find(|(name, _)| name == "model.weights.h5").unwrap().1);
    };
    let text = with(&|entries| weights(entries, &|bytes| bytes.truncate(bytes.len() / 2)));
    assert!(text.contains("HDF5 is damaged"), "{text}");
    // Eight bytes of ones are an address that is not there.
    let text = with(&|entries| weights(entries, &|bytes| bytes[64..72].fill(0xfe)));
    assert!(text.contains("HDF5 is damaged"), "{text}");
    let text = with(&|entries| entries.retain(|(name, _)| name != "model.weights.h5"));
    assert!(text.contains("model.weights.h5\" is missing"), "{text}");
    let text = with(&|entries| entries.push(("../../evil.txt".into(), b"x".to_vec())));
    assert!(text.contains("leads out of"), "{text}");
    // Every number of the last layer's bias.
    let nan = edited_bias(&whole, folder);
    let text = refusal(&nan, folder);
    assert!(text.contains("holds NaN or infinity"), "{text}");
    let text = with(&|entries| {
        let config = entries.iter_mut().find(|(name, _)| name == "config.json").unwrap();
        config.1 = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    });
    assert!(text.contains("is no JSON"), "{text}");

    let bomb = folder.join("bomb.keras");
    let mut zip = ZipWriter::new(File::create(&bomb).unwrap());
    zip.start_file("config.json", SimpleFileOptions::default()).unwrap();
    zip.write_all(&vec![b' '; 8 << 20]).unwrap();
    zip.finish().unwrap();
    assert!(fs::metadata(&bomb).unwrap().len() < 100_000);
    let text = refusal(&bomb, folder);
    assert!(text.contains("zip bomb"), "{text}");

    let cut = folder.join("cut.keras");
    let bytes = fs::read(Path::new(FOLDER).join("flat3.keras")).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    refusal(&cut, folder);
    for (name, content) in
        [("empty", &b""[..]), ("text", b"not a network at all, but a text"), ("png", &fs::read(TISSUE).unwrap())]
    {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        refusal(&path, folder);
    }
    assert!(refusal(folder, folder).contains("a folder"));
    assert!(refusal(&folder.join("none.keras"), folder).contains("No such file"));
}

/// The fixture with NaN in a layer: the numbers are found by their values, which the weights file of its import has.
fn edited_bias(whole: &[Entry], folder: &Path) -> PathBuf {
    let source = Path::new(FOLDER).join("flat3.keras");
    let file = lobule::interchange::import(&source, &Default::default()).unwrap();
    let bias: Vec<u8> =
        file.tensors["classifier.output.bias"].data.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut entries = whole.to_vec();
    for (_, bytes) in &mut entries {
        if let Some(place) = bytes.windows(bias.len()).position(|window| window == bias) {
            bytes[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
    }
    keras(&entries, folder)
}

#[test]
fn arguments_that_are_wrong_end_with_code_2() {
    for arguments in [
        &["import", "x.keras"][..],
        &["import", "x.keras", "-o", "y", "--classes", "benign"],
        &["import", "x.keras", "-o", "y", "--classes", "benign,benign"],
        &["import", "x.keras", "-o", "y", "--preprocess", "caffe"],
        &["import", "x.keras", "-o", "y", "--size", "0"],
    ] {
        lobule(arguments).assert().code(2);
    }
}
