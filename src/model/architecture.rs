//! The few numbers that describe a network; they travel in its weights file.
//!
//! In: nothing, or a weights file's metadata. Out: an [`Architecture`], from which the topology follows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A network, as a weights file names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "network", rename_all = "kebab-case")]
pub enum Architecture {
    /// Three convolution blocks and a hidden layer.
    Baseline(Baseline),
    /// A DenseNet whose last three dense blocks are pooled and fused.
    Fused(Fused),
}

/// The sizes of the baseline CNN: blocks of a 3x3 convolution without padding, bias, ReLU and a 2x2 maximum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Side of the input in pixels.
    pub size: usize,
    /// Filters of each block.
    pub filters: Vec<usize>,
    /// Width of the hidden dense layer; the report does not give it, 128 is chosen here.
    pub hidden: usize,
    /// Share of the hidden layer that is dropped in training.
    pub dropout: f64,
}

/// The sizes of the fused DenseNet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fused {
    /// Filters of the 7x7 convolution at the start.
    pub stem: usize,
    /// Channels that each dense layer adds.
    pub growth: usize,
    /// Filters of a dense layer's 1x1 convolution.
    pub bottleneck: usize,
    /// Dense layers of each block; every block but the first is a tap.
    pub blocks: Vec<usize>,
    /// Width of the dense layer of each tap.
    pub tap: usize,
    /// Width of the dense layer behind the concatenated taps.
    pub hidden: usize,
    /// Share of the hidden layer that is dropped in training.
    pub dropout: f64,
}

impl Architecture {
    /// The report's baseline: 128x128 pixels, 32, 64 and 128 filters, dropout .5.
    pub fn baseline() -> Self {
        Self::Baseline(Baseline { size: 128, filters: vec![32, 64, 128], hidden: 128, dropout: 0.5 })
    }

    /// The report's transfer network: DenseNet121 with conv3_block12, conv4_block24 and conv5_block16 fused.
    pub fn fused_densenet121() -> Self {
        Self::Fused(Fused {
            stem: 64,
            growth: 32,
            bottleneck: 128,
            blocks: vec![6, 12, 24, 16],
            tap: 64,
            hidden: 16,
            dropout: 0.45,
        })
    }

    /// The channels behind each dense block; none where there are no such blocks.
    pub fn channels_of_blocks(&self) -> Vec<usize> {
        let Self::Fused(Fused { stem, growth, blocks, .. }) = self else { return Vec::new() };
        let mut into = *stem;
        let behind = |layers: &usize| {
            let channels = into + layers * growth;
            into = channels / 2;
            channels
        };
        blocks.iter().map(behind).collect()
    }

    /// Checks numbers that come from a file, for images of `size` times `size` pixels.
    ///
    /// # Errors
    /// A sentence that says which number makes no network.
    pub fn check(&self, size: u32) -> Result<(), String> {
        let size = size as usize;
        let (widths, depths, dropout, smallest) = match self {
            Self::Baseline(net) => {
                if net.size != size {
                    return Err(format!("the network takes {0}x{0} pixels, the preprocessing makes {size}", net.size));
                }
                // Each block takes two pixels and halves the rest, and one must be left.
                let smallest = net.filters.iter().fold(1, |side: usize, _| side.saturating_mul(2).saturating_add(2));
                ([&net.filters[..], &[net.hidden]].concat(), vec![net.filters.len()], net.dropout, smallest)
            }
            Self::Fused(net) => {
                if !(2..=6).contains(&net.blocks.len()) {
                    return Err(format!("{} dense blocks; there must be from 2 to 6", net.blocks.len()));
                }
                // The stem and the pool behind it quarter the image, and each block but the last halves it.
                let widths = vec![net.stem, net.growth, net.bottleneck, net.tap, net.hidden];
                (widths, net.blocks.clone(), net.dropout, 4 << (net.blocks.len() - 1))
            }
        };
        if let Some(width) = widths.iter().find(|width| !(1..=4096).contains(*width)) {
            return Err(format!("a layer of {width} channels; there must be from 1 to 4096"));
        }
        if let Some(depth) = depths.iter().find(|depth| !(1..=64).contains(*depth)) {
            return Err(format!("a stack of {depth} layers; there must be from 1 to 64"));
        }
        if !(0.0..1.0).contains(&dropout) {
            return Err(format!("a dropout of {dropout}; it must be from 0 up to, but not, 1"));
        }
        if size < smallest {
            return Err(format!("images of {size}x{size} pixels; there must be at least {smallest}x{smallest}"));
        }
        Ok(())
    }
}

/// In words: `a baseline of 32, 64 and 128 filters` or `a fused DenseNet121`.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[usize]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Baseline(net) => {
                write!(f, "baseline of {} filters and a dense layer of {}", list(&net.filters), net.hidden)
            }
            Self::Fused(net) => {
                let blocks = list(&net.blocks);
                let name = if blocks == "6, 12, 24, 16" { "121" } else { "" };
                write!(
                    f,
                    "fused DenseNet{name} of blocks of {blocks} layers, taps of {} and a dense layer of {}",
                    net.tap, net.hidden
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_make_no_network_are_refused_with_a_reason() {
        let refused = |architecture: Architecture, size| architecture.check(size).unwrap_err();
        assert_eq!(Architecture::baseline().check(128), Ok(()));
        assert_eq!(Architecture::fused_densenet121().check(32), Ok(()));
        assert!(refused(Architecture::baseline(), 64).contains("takes 128x128"));
        assert!(refused(Architecture::fused_densenet121(), 31).contains("at least 32x32"));
        let Architecture::Fused(fused) = Architecture::fused_densenet121() else { return };
        let wide = Fused { growth: 1 << 40, ..fused.clone() };
        assert!(refused(Architecture::Fused(wide), 128).contains("channels"));
        let deep = Fused { blocks: vec![6, 1_000_000_000], ..fused.clone() };
        assert!(refused(Architecture::Fused(deep), 128).contains("layers"));
        assert!(refused(Architecture::Fused(Fused { blocks: vec![6], ..fused.clone() }), 128).contains("dense blocks"));
        assert!(refused(Architecture::Fused(Fused { dropout: f64::NAN, ..fused }), 128).contains("dropout"));
    }

    #[test]
    fn the_channels_of_blocks_are_densenets() {
        assert_eq!(Architecture::fused_densenet121().channels_of_blocks(), [256, 512, 1024, 1024]);
        assert!(Architecture::baseline().channels_of_blocks().is_empty());
    }

    #[test]
    fn an_architecture_survives_its_metadata() -> serde_json::Result<()> {
        for architecture in [Architecture::baseline(), Architecture::fused_densenet121()] {
            let text = serde_json::to_string(&architecture)?;
            assert_eq!(serde_json::from_str::<Architecture>(&text)?, architecture);
        }
        Ok(())
    }
}
