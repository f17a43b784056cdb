//! `lobule inspect`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::output::print;
use crate::interchange::{InspectedTensor, Inspection};
use crate::system::printable;

/// Arguments of `lobule inspect`.
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// A weights file of this program, safetensors, .pth, .keras or .h5 of another, or an ONNX file.
    file: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) fn inspect(arguments: &InspectArguments) -> anyhow::Result<()> {
    let inspection = Inspection::of(&arguments.file)?;
    let text = if arguments.json { serde_json::to_string(&inspection)? + "\n" } else { text(&inspection) };
    print(&text).map(drop)
}

/// What is known of the file, a line each, then its tensors.
fn text(inspection: &Inspection) -> String {
    let Inspection { format, bytes, sha256, facts, tensors, not_a_start, import } = inspection;
    let start = not_a_start.as_deref().unwrap_or("it starts a DenseNet121");
    let mut lines = vec![("format", (*format).to_owned()), ("bytes", bytes.to_string()), ("SHA-256", sha256.clone())];
    lines.extend(facts.iter().map(|(name, value)| (name.as_str(), value.clone())));
    if !tensors.is_empty() {
        lines.push(("tensors", format!("{}, of {} numbers", tensors.len(), inspection.numbers())));
    }
    lines.extend([("--init", start.to_owned()), ("import", (*import).to_owned())]);
    let mut text: String =
        lines.iter().map(|(name, value)| format!("{:<16}  {}\n", printable(name), printable(value))).collect();
    if !tensors.is_empty() {
        text += "\n";
    }
    let width = tensors.iter().map(|tensor| tensor.name.chars().count()).max().unwrap_or(0);
    for InspectedTensor { name, shape, numbers } in tensors {
        let shape = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
        text += &format!("{:<width$}  {numbers:<5}  {shape}\n", printable(name));
    }
    text
}
