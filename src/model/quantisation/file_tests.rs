//! Whole numbers in a weights file, and when a classifier takes them.

use candle_core::{Device, Tensor};

use super::{Quantisation, fit};
use crate::kernels::Level;
use crate::model::classifier::BUILT_IN;
use crate::model::{
    Architecture, Classifier, Fused, ModelError, Network, Parameters, Precision, PrecisionChoice, WeightsFile,
};

/// A small network with whole numbers whose gate was passed.
fn file() -> WeightsFile {
    let mut file = WeightsFile::parse(BUILT_IN, "the built-in weights").unwrap();
    let blocks = vec![1, 2, 1];
    let small = Fused { stem: 8, growth: 8, bottleneck: 16, blocks, tap: 8, hidden: 8, dropout: 0.2 };
    file.metadata.architecture = Architecture::Fused(small);
    (file.metadata.flags, file.novelty) = (None, None);
    let parameters = Parameters::initial(&file.metadata.architecture, 5).unwrap();
    file.tensors = parameters.stored().unwrap();
    let size = file.metadata.preprocess.size as usize;
    let pixels = (0..size * size * 3).map(|index| (index * 7919 % 2003) as f32 / 1001.0 - 1.0).collect();
    let image = Tensor::from_vec(pixels, (1, size, size, 3), &Device::Cpu).unwrap();
    file.quantised = fit(&Network::new(file.metadata.architecture.clone(), parameters), &image).unwrap();
    file.metadata.quantisation = Some(Quantisation { fitted_to: 1, images: 100, ..Quantisation::default() });
    file
}

fn load(file: &WeightsFile, choice: PrecisionChoice) -> Result<Precision, ModelError> {
    let classifier = Classifier::with_precision(&file.exact_bytes().unwrap(), "a test", 1, choice);
    classifier.map(|classifier| classifier.id().precision)
}

#[test]
fn whole_numbers_survive_the_way_to_a_file_and_back() {
    let file = file();
    let read = WeightsFile::parse(&file.exact_bytes().unwrap(), "a test").unwrap();
    assert_eq!((&read.quantised, &read.metadata), (&file.quantised, &file.metadata));
}

#[test]
fn broken_whole_numbers_are_refused_by_name() {
    let refusal = |damage: fn(&mut WeightsFile)| {
        let mut damaged = file();
        damage(&mut damaged);
        WeightsFile::parse(&damaged.exact_bytes().unwrap(), "a test").unwrap_err().to_string()
    };
    const CONV: &str = "features.denseblock2.denselayer1.conv1";
    let said = refusal(|file| drop(file.quantised.as_mut().unwrap().remove(CONV)));
    assert!(said.contains(&format!("quantised.{CONV}.weight is missing")), "{said}");
    let said = refusal(|file| file.quantised.as_mut().unwrap().get_mut(CONV).unwrap().weights[3] = -128);
    assert!(said.contains("holds -128"), "{said}");
    let said = refusal(|file| file.quantised.as_mut().unwrap().get_mut(CONV).unwrap().steps[0] = 0.0);
    assert!(said.contains(&format!("quantised.{CONV}.steps holds what is no number above 0")), "{said}");
    let said = refusal(|file| file.quantised.as_mut().unwrap().get_mut(CONV).unwrap().shifts.push(1.0));
    assert!(said.contains("has the shape [17] and not [16]"), "{said}");
    let said = refusal(|file| {
        let conv = file.quantised.as_ref().unwrap()[CONV].clone();
        file.quantised.as_mut().unwrap().insert("features.conv9".into(), conv);
    });
    assert!(said.contains("features.conv9") && said.contains("belongs to nothing"), "{said}");
    let said = refusal(|file| file.metadata.quantisation = None);
    assert!(said.contains("does not say how they were fitted"), "{said}");
    let said = refusal(|file| file.quantised = None);
    assert!(said.contains("has none"), "{said}");
    let said = refusal(|file| file.metadata.quantisation.as_mut().unwrap().changed = 101);
    assert!(said.contains("impossible"), "{said}");
}

#[test]
fn a_classifier_takes_whole_numbers_where_they_are_asked_for_or_pay_and_have_passed() {
    let mut file = file();
    let faster = if Level::default().gains_by_whole_numbers() { Precision::Int8 } else { Precision::F32 };
    assert_eq!(load(&file, PrecisionChoice::Auto).unwrap(), faster);
    for precision in [Precision::F32, Precision::Int8] {
        assert_eq!(load(&file, PrecisionChoice::Always(precision)).unwrap(), precision);
    }
    let damages: [fn(&mut Quantisation); 5] = [
        |found| found.images = 99,
        |found| found.largest = 0.0301,
        |found| (found.largest, found.percentile_99) = (0.02, 0.0101),
        |found| (found.changed, found.changed_far) = (1, 1),
        |found| found.heatmap_error = 0.01,
    ];
    for damage in damages {
        let mut failed = file.clone();
        damage(failed.metadata.quantisation.as_mut().unwrap());
        assert_eq!(load(&failed, PrecisionChoice::Auto).unwrap(), Precision::F32);
        assert_eq!(load(&failed, PrecisionChoice::Always(Precision::Int8)).unwrap(), Precision::Int8);
    }
    (file.quantised, file.metadata.quantisation) = (None, None);
    assert_eq!(load(&file, PrecisionChoice::Auto).unwrap(), Precision::F32);
    let refused = load(&file, PrecisionChoice::Always(Precision::Int8)).unwrap_err();
    assert!(refused.to_string().contains("lobule quantise"), "{refused}");
}
