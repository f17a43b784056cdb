//! `lobule import`: a file of Keras in, a weights file of this program out.

use std::path::PathBuf;

use clap::Args;

use crate::cli::output;
use crate::diagnosis::Label;
use crate::interchange::{self, ImportOptions, KerasPreprocess};
use crate::report::Section;
use crate::report::text::text;

/// Arguments of `lobule import`.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// What Keras saved: a .keras file, or an HDF5 file of a whole model or of its weights.
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// Where the weights file is written.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The classes in the order of the network's outputs; of a single output, the second one is what it is the
    /// probability of [default: benign,malignant].
    #[arg(long, value_name = "A,B", value_parser = classes)]
    classes: Option<[Label; 2]>,
    /// How images were prepared for the network: keras-unit (tf.image.resize, divided by 255), keras-torch (then
    /// ImageNet's mean and standard deviation) or imagenet (the same, resized with antialiasing) [default: keras-unit,
    /// or what layers of the model say].
    #[arg(long, value_name = "NAME")]
    preprocess: Option<KerasPreprocess>,
    /// Side of the images in pixels, where the file does not fix it [default: 128].
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: Option<u32>,
}

pub(in crate::cli) fn import(arguments: &ImportArguments) -> anyhow::Result<()> {
    let ImportArguments { source, output: path, classes, preprocess, size } = arguments;
    output::check_other_file(source, path)?;
    output::check_writable(path)?;
    let options = ImportOptions { classes: *classes, preprocess: *preprocess, size: *size };
    let file = interchange::import(source, &options)?;
    file.write_exact(path)?;
    let metadata = &file.metadata;
    let parameters: usize = file.tensors.values().map(|tensor| tensor.data.len()).sum();
    let size = metadata.preprocess.size;
    let mut lines = vec![
        format!("{}: {}, {parameters} parameters", metadata.name, metadata.architecture),
        format!("images: {size}x{size} pixels, mean {:?}, standard deviation {:?}", metadata.preprocess.mean, metadata.preprocess.std),
        "temperature, operating points and flags: none, since the file has nothing to fit them by; `lobule calibrate` does".to_owned(),
    ];
    let origin = metadata.origin.iter();
    lines
        .extend(origin.flat_map(|origin| &origin.assumptions).map(|sentence| format!("taken for granted: {sentence}")));
    output::print(&text(&[Section::Lines(lines)])).map(drop)
}

fn classes(text: &str) -> Result<[Label; 2], String> {
    let label = |name: &str| Label::ALL.into_iter().find(|label| label.lower() == name.trim().to_lowercase());
    match text.split(',').map(label).collect::<Vec<_>>()[..] {
        [Some(first), Some(second)] if first != second => Ok([first, second]),
        _ => Err("it is benign,malignant or malignant,benign".to_owned()),
    }
}
