//! Exported networks in tract against the classifier.

use image::RgbImage;
use lobule::diagnosis::{Label, Threshold};
use lobule::interchange::{OnnxParts, onnx};
use lobule::model::{
    Architecture, Baseline, Classifier, FORMAT, Fused, Metadata, ModelId, Origin, Precision, Prediction, Provenance,
    WeightsFile,
};
use lobule::pixels::{DecorrelationStretch, Preprocess};
use tract_onnx::prelude::{Framework, InferenceModelExt, IntoRunnable, Tensor, tvec};

use crate::draw;
use crate::formula::{filled, image};

/// How far a probability may be from the classifier's.
const TOLERANCE: f32 = 1e-4;
const EVERYTHING: OnnxParts = OnnxParts { preprocess: true, softmax: true };

/// The bytes of a weights file of a network by formula.
fn weights(architecture: Architecture, preprocess: Preprocess) -> Vec<u8> {
    let tensors = filled(architecture.clone()).unwrap().parameters().stored().unwrap();
    let metadata = Metadata {
        format: FORMAT,
        name: "by formula".into(),
        version: "1".into(),
        architecture,
        classes: Label::ALL,
        preprocess,
        temperature: 1.7,
        threshold: Threshold::HALF,
        operating_points: Vec::new(),
        calibration: None,
        flags: None,
        quantisation: None,
        provenance: Provenance::default(),
        origin: None,
        trained_on: Vec::new(),
        figures: Default::default(),
    };
    WeightsFile { metadata, tensors, novelty: None, quantised: None }.bytes().unwrap()
}

fn small_fused(size: u32) -> Vec<u8> {
    let blocks = vec![2, 3, 2];
    let small = Fused { stem: 8, growth: 6, bottleneck: 12, blocks, tap: 8, hidden: 6, dropout: 0.2 };
    let stretch = DecorrelationStretch { deviation: [0.235, 0.052, 0.014], noise: 1e-4 };
    let preprocess = Preprocess { size, decorrelation_stretch: Some(stretch), ..Preprocess::imagenet() };
    weights(Architecture::Fused(small), preprocess)
}

fn small_baseline(size: u32) -> Vec<u8> {
    let small = Baseline { size: size as usize, filters: vec![4, 6], hidden: 10, dropout: 0.5 };
    weights(Architecture::Baseline(small), Preprocess { size, ..Preprocess::report() })
}

/// Eight images: tissue, other tissue, and noise.
fn eight() -> Vec<RgbImage> {
    let tissue = |seed| draw::tissue(draw::SEED + seed);
    let noise = |width| image(width, 60);
    vec![tissue(0), noise(40), tissue(1), noise(70), tissue(2), noise(90), tissue(3), noise(33)]
}

/// What tract says of numbers (batch, 3, size, size), which are given with the channels last, in batches of one and all
/// together; both by one graph, whose batch is dynamic.
fn tract(bytes: &[u8], size: usize, images: &[Vec<f32>]) -> [Vec<f32>; 2] {
    let model = tract_onnx::onnx().model_for_read(&mut &*bytes).unwrap().into_optimized().unwrap();
    let model = model.into_runnable().unwrap();
    [1, images.len()].map(|batch| {
        let run = |images: &[Vec<f32>]| {
            let channel = |image: &[f32], channel: usize| image.iter().skip(channel).step_by(3).copied().collect();
            let planes = images.iter().flat_map(|image| (0..3).flat_map(|c| -> Vec<f32> { channel(image, c) }));
            let planes: Vec<f32> = planes.collect();
            let input = Tensor::from_shape(&[images.len(), 3, size, size], &planes).unwrap();
            let output = model.run(tvec!(input.into())).unwrap();
            output[0].to_plain_array_view::<f32>().unwrap().iter().copied().collect::<Vec<f32>>()
        };
        images.chunks(batch).flat_map(run).collect()
    })
}

/// Holds an exported network to the classifier.
fn compare(weights: &[u8], images: &[RgbImage]) {
    let classifier = Classifier::from_bytes(weights, "a test", 1).unwrap();
    let file = WeightsFile::parse(weights, "a test").unwrap();
    let preprocess = classifier.preprocess();
    let resized: Vec<Vec<f32>> = images.iter().map(|image| preprocess.resized(image).unwrap()).collect();
    let pixels: Vec<Vec<f32>> = resized.iter().map(|image| image.iter().map(|value| value * 255.0).collect()).collect();
    let want: Vec<Prediction> = images.iter().map(|image| classifier.classify(image).unwrap()).collect();
    let check = |what: &str, outputs: [Vec<f32>; 2], margin_or_probability: fn(&[f32]) -> f32, want: Vec<f64>| {
        for output in outputs {
            for (got, want) in output.chunks(2).map(margin_or_probability).zip(&want) {
                assert!((got - *want as f32).abs() < TOLERANCE, "{what}: {got} instead of {want}");
            }
        }
    };
    let size = preprocess.size as usize;
    let whole = tract(&onnx(&file, classifier.id(), EVERYTHING).unwrap(), size, &pixels);
    let probabilities: Vec<f64> = want.iter().map(|prediction| prediction.probability_malignant.get()).collect();
    let differ = probabilities.iter().any(|value| (value - probabilities[0]).abs() > 1e-3);
    assert!(differ || images.len() == 1, "all images alike would show no mistake: {probabilities:?}");
    check("all inside", whole, |pair| pair[1], probabilities);

    let bare = OnnxParts { preprocess: false, softmax: false };
    let finished: Vec<Vec<f32>> = images.iter().map(|image| preprocess.pixels(image).unwrap()).collect();
    let logits = tract(&onnx(&file, classifier.id(), bare).unwrap(), size, &finished);
    let temperature = file.metadata.temperature;
    let margins = want.iter().map(|prediction| prediction.margin * temperature).collect();
    check("nothing inside", logits, |pair| pair[1] - pair[0], margins);
}

#[test]
fn small_networks_answer_in_tract_as_here_in_any_batch() {
    compare(&small_fused(40), &eight());
    compare(&small_baseline(26), &eight());
}

#[test]
fn the_built_in_network_answers_in_tract_as_here_in_any_batch() {
    compare(include_bytes!("../../weights/lobule.safetensors"), &eight());
}

#[test]
fn an_exported_file_says_what_it_is_and_keeps_the_names() {
    let mut file = WeightsFile::parse(&small_fused(40), "a test").unwrap();
    file.metadata.trained_on = vec!["14-22549AB".into()];
    file.metadata.figures = [("accuracy".to_owned(), 0.5)].into();
    file.metadata.calibration = None;
    file.metadata.origin =
        Some(Origin { file: "a.keras".into(), sha256: "11".into(), program: "Keras".into(), assumptions: vec![] });
    let id =
        ModelId { name: "by formula".into(), version: "1".into(), sha256: "00ff".into(), precision: Precision::F32 };
    let bytes = onnx(&file, &id, EVERYTHING).unwrap();
    let model = tract_onnx::onnx().proto_model_for_read(&mut &*bytes).unwrap();
    let property = |key: &str| {
        let found = model.metadata_props.iter().find(|property| property.key == key);
        found.map(|property| property.value.as_str()).unwrap_or_default()
    };
    assert_eq!([property("name"), property("version"), property("sha256")], ["by formula", "1", "00ff"]);
    assert_eq!([property("classes"), property("temperature")], [r#"["Benign","Malignant"]"#, "1.7"]);
    assert_eq!(property("preprocess"), serde_json::to_string(&file.metadata.preprocess).unwrap());
    assert_eq!(property("architecture"), serde_json::to_string(&file.metadata.architecture).unwrap());
    assert_eq!([property("figures"), property("trained_on")], [r#"{"accuracy":0.5}"#, r#"["14-22549AB"]"#]);
    assert_eq!(property("origin"), serde_json::to_string(&file.metadata.origin).unwrap());
    assert!(!model.metadata_props.iter().any(|property| property.key == "calibration"), "nobody calibrated it");
    assert!(property("intended_use").contains("For research use only"));
    let graph = model.graph.unwrap();
    let of_the_file = |name: &str| file.tensors.contains_key(name);
    assert_eq!(graph.initializer.iter().filter(|tensor| of_the_file(&tensor.name)).count(), file.tensors.len());
    assert!(graph.node.iter().any(|node| node.name == "features.denseblock1.denselayer1.conv2"));
    assert_eq!([&graph.input[0].name, &graph.output[0].name], ["pixels", "probabilities"]);
}
