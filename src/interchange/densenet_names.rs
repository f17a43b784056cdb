//! The names of a DenseNet's tensors, as different programs and years spell them.
//!
//! In: tensors by the names of a file. Out: the same by torchvision's names of today, and whether they are the backbone
//! of a network that is known here.

use std::collections::BTreeMap;

use crate::interchange::InterchangeError;
use crate::model::{Architecture, StoredTensors, in_backbone};

/// The first tensor of every DenseNet, by which it is found.
const FIRST: &str = "conv0.weight";
const FEATURES: &str = "features.";

/// Brings the names to torchvision's: `features.` before them and nothing before that, `norm1` for the `norm.1` of
/// torchvision's old files. Tensors beside the network's are left out.
///
/// # Errors
/// When there is no DenseNet, or there are several.
pub(super) fn torchvision(tensors: StoredTensors, origin: &str) -> Result<StoredTensors, InterchangeError> {
    let prefix = |name: &String| {
        let before = name.strip_suffix(FIRST).filter(|before| before.is_empty() || before.ends_with('.'))?;
        Some(before.strip_suffix(FEATURES).unwrap_or(before).to_owned())
    };
    let prefixes: Vec<String> = tensors.keys().filter_map(prefix).collect();
    let prefix = match &prefixes[..] {
        [prefix] => prefix,
        [] => {
            let found =
                tensors.keys().next().map_or_else(|| "no tensors".to_owned(), |name| format!("tensors such as {name}"));
            return Err(unknown(origin, FIRST, "the first convolution of a DenseNet", &found));
        }
        several => {
            let shown: Vec<String> = several.iter().take(3).map(|prefix| format!("{prefix:?}")).collect();
            let reason =
                format!("it holds several DenseNets, whose names begin with {}; save one alone", shown.join(", "));
            return Err(InterchangeError::Refused { origin: origin.to_owned(), reason });
        }
    };
    let renamed = |(name, tensor): (String, _)| {
        let own = name.strip_prefix(prefix.as_str())?;
        let layer = own.strip_prefix(FEATURES).unwrap_or(own);
        let head = own == layer
            && !["conv0.", "norm0.", "denseblock", "transition", "norm5."].iter().any(|start| own.starts_with(start));
        Some((if head { own.to_owned() } else { format!("{FEATURES}{}", today(layer)) }, tensor))
    };
    Ok(tensors.into_iter().filter_map(renamed).collect())
}

/// A layer's name in the spelling of today.
fn today(layer: &str) -> String {
    let mut name = layer.to_owned();
    if layer.contains(".denselayer") {
        for part in ["norm", "conv"] {
            for number in ["1", "2"] {
                name = name.replace(&format!(".{part}.{number}."), &format!(".{part}{number}."));
            }
        }
    }
    name
}

/// Holds a backbone to that of a network: first the layers of each dense block, then each tensor.
///
/// # Errors
/// The first difference.
pub(super) fn check(
    architecture: &Architecture,
    tensors: &StoredTensors,
    origin: &str,
) -> Result<(), InterchangeError> {
    let specs = architecture.tensors();
    let (wanted, found) =
        (layers(specs.iter().map(|spec| spec.name.as_str())), layers(tensors.keys().map(String::as_str)));
    for block in wanted.keys().chain(found.keys()) {
        let count = |of: &BTreeMap<&str, usize>| of.get(block).copied().unwrap_or(0);
        if count(&wanted) != count(&found) {
            let [expected, found] = [&wanted, &found].map(|of| format!("{} layers", count(of)));
            return Err(unknown(origin, block, &expected, &found));
        }
    }
    for spec in specs.iter().filter(|spec| in_backbone(&spec.name)) {
        let found = tensors.get(&spec.name).map(|tensor| &tensor.shape);
        if found != Some(&spec.shape) {
            let found = found.map_or_else(|| "no such tensor".to_owned(), |shape| format!("{shape:?}"));
            return Err(unknown(origin, &spec.name, &format!("{:?}", spec.shape), &found));
        }
    }
    Ok(())
}

/// How many layers each dense block has, by its name.
fn layers<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut layers = BTreeMap::new();
    for name in names {
        let Some((block, layer)) = name.split_once(".denselayer") else { continue };
        let number: String = layer.chars().take_while(char::is_ascii_digit).collect();
        let most: &mut usize = layers.entry(block).or_default();
        *most = (*most).max(number.parse().unwrap_or(0));
    }
    layers
}

fn unknown(origin: &str, place: &str, expected: &str, found: &str) -> InterchangeError {
    let [origin, place, expected, found] = [origin, place, expected, found].map(str::to_owned);
    InterchangeError::Unknown { origin, place, expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fused, StoredTensor};

    fn small(blocks: Vec<usize>) -> Architecture {
        Architecture::Fused(Fused { stem: 4, growth: 2, bottleneck: 4, blocks, tap: 2, hidden: 2, dropout: 0.0 })
    }

    /// The backbone of a small network with a classifier, by names that `rename` makes of torchvision's.
    fn named(blocks: &[usize], rename: impl Fn(&str) -> String) -> StoredTensors {
        let specs = small(blocks.to_vec()).tensors();
        let tensor = |shape: &[usize]| StoredTensor { shape: shape.to_vec(), data: vec![0.5; shape.iter().product()] };
        let backbone = specs.iter().filter(|spec| in_backbone(&spec.name));
        let named = backbone.map(|spec| (rename(&spec.name), tensor(&spec.shape)));
        named
            .chain([(rename("features.norm5.weight"), tensor(&[3])), (rename("classifier.weight"), tensor(&[2, 3]))])
            .collect()
    }

    #[test]
    fn every_spelling_comes_to_torchvisions_names() {
        let today = named(&[2, 1], str::to_owned);
        let old = |name: &str| {
            ["norm", "conv"].iter().fold(name.to_owned(), |name, part| {
                if !name.contains("denselayer") {
                    return name;
                }
                name.replace(&format!("{part}1"), &format!("{part}.1"))
                    .replace(&format!("{part}2"), &format!("{part}.2"))
            })
        };
        let bare = |name: &str| name.trim_start_matches("features.").to_owned();
        for (what, spelt) in [
            ("today", today.clone()),
            ("old", named(&[2, 1], old)),
            ("bare", named(&[2, 1], bare)),
            ("parallel", named(&[2, 1], |name| format!("module.{name}"))),
            ("nested", named(&[2, 1], |name| format!("model.backbone.{}", old(&bare(name))))),
        ] {
            let found = torchvision(spelt, "x").unwrap();
            assert!(found.keys().eq(today.keys()), "{what}: {:?}", found.keys());
            check(&small(vec![2, 1]), &found, "x").unwrap();
        }
        let mut beside = today.clone();
        beside.insert("optimizer.lr".into(), StoredTensor { shape: vec![1], data: vec![0.1] });
        assert!(check(&small(vec![2, 1]), &torchvision(beside, "x").unwrap(), "x").is_ok());
    }

    #[test]
    fn another_network_is_refused_with_the_first_difference() {
        let refused =
            |tensors: StoredTensors| match torchvision(tensors, "x").and_then(|t| check(&small(vec![2, 1]), &t, "x")) {
                Err(error) => error.to_string(),
                Ok(()) => String::new(),
            };
        let deeper = refused(named(&[2, 3], str::to_owned));
        assert!(deeper.contains("features.denseblock2: expected 1 layers, found 3 layers"), "{deeper}");
        let more = refused(named(&[2, 1, 1], str::to_owned));
        assert!(more.contains("features.denseblock3: expected 0 layers, found 1 layers"), "{more}");
        let mut missing = named(&[2, 1], str::to_owned);
        missing.remove("features.transition1.norm.weight");
        assert!(refused(missing).contains("features.transition1.norm.weight: expected [8], found no such tensor"));
        let mut wide = named(&[2, 1], str::to_owned);
        wide.insert("features.conv0.weight".into(), StoredTensor { shape: vec![4, 3, 3, 3], data: vec![0.0; 108] });
        assert!(refused(wide).contains("features.conv0.weight: expected [4, 3, 7, 7], found [4, 3, 3, 3]"));
        let other = named(&[2, 1], |name| name.replace("conv0", "conv1"));
        assert!(refused(other).contains("the first convolution of a DenseNet, found tensors such as"));
        let mut two = named(&[2, 1], str::to_owned);
        two.extend(named(&[2, 1], |name| format!("ema.{name}")));
        assert!(refused(two).contains("several DenseNets"));
    }
}
