//! `predictions.csv`: `filename,truth,margin,probability_malignant`, a row a picture, from which every figure can be
//! recomputed. Numbers are written in the fewest digits that read back as the same f64.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{EvaluateError, Scored};
use crate::diagnosis::{Label, Probability};
use crate::files::write_whole;
use crate::model::Prediction;

/// A row of the file, as it is spelled there.
#[derive(Serialize, Deserialize)]
struct Row {
    filename: String,
    truth: String,
    margin: f64,
    probability_malignant: Probability,
}

/// Writes the predictions in their order; the file is there whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, predictions: &[(String, Scored)]) -> Result<(), EvaluateError> {
    let failed = |source| EvaluateError::File { action: "write", path: path.to_owned(), source };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (filename, Scored { truth, prediction }) in predictions {
        let row = Row {
            filename: filename.clone(),
            truth: truth.lower().to_owned(),
            margin: prediction.margin,
            probability_malignant: prediction.probability_malignant,
        };
        writer.serialize(row).map_err(|error| failed(error.into()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    write_whole(path, &bytes).map_err(failed)
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// When the file cannot be read, or a row is not a prediction; the error names the line.
pub fn read(path: &Path) -> Result<Vec<(String, Scored)>, EvaluateError> {
    let broken = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        let reason = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(source) => EvaluateError::File { action: "read", path: path.to_owned(), source },
            _ => EvaluateError::Table { path: path.to_owned(), line, reason },
        }
    };
    let mut reader = csv::Reader::from_path(path).map_err(broken)?;
    let header = reader.headers().map_err(broken)?.clone();
    let mut predictions = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(1, csv::Position::line);
        let unfit = |reason| EvaluateError::Table { path: path.to_owned(), line, reason };
        let row: Row = record.deserialize(Some(&header)).map_err(|error| unfit(unlike_a_row(&error, &header)))?;
        let truth = Label::ALL.into_iter().find(|label| label.lower() == row.truth);
        let truth = truth.ok_or_else(|| unfit(format!("{:?} is neither benign nor malignant", row.truth)))?;
        let prediction = Prediction { margin: row.margin, probability_malignant: row.probability_malignant };
        predictions.push((row.filename, Scored { truth, prediction }));
    }
    Ok(predictions)
}

/// Why a record is not a row, with the name of the column.
fn unlike_a_row(error: &csv::Error, header: &csv::StringRecord) -> String {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else { return error.to_string() };
    match err.field().and_then(|field| header.get(usize::try_from(field).ok()?)) {
        Some(column) => format!("the column {column} does not fit: {}", err.kind()),
        None => err.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Threshold;
    use crate::evaluate::Metrics;

    #[test]
    fn figures_can_be_recomputed_from_the_file_to_the_last_digit() {
        let margins = [0.1 + 0.2, -1e-300, 1.0 / 3.0, 37.123456789012345, -800.5];
        let predictions: Vec<(String, Scored)> = (margins.into_iter().enumerate())
            .map(|(i, margin)| {
                let prediction = Prediction { margin, probability_malignant: Probability::from_margin(margin) };
                (format!("{i}, \"quoted\".png"), Scored { truth: Label::ALL[i % 2], prediction })
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("predictions.csv");
        write(&path, &predictions).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("filename,truth,margin,probability_malignant\n"), "{text}");

        let again = read(&path).unwrap();
        assert_eq!(again[0].0, "0, \"quoted\".png");
        let metrics = |rows: &[(String, Scored)]| {
            Metrics::at(&rows.iter().map(|(_, scored)| *scored).collect::<Vec<_>>(), Threshold::HALF)
        };
        assert_eq!(metrics(&again), metrics(&predictions));
        assert!(again.iter().zip(margins).all(|((_, scored), margin)| scored.prediction.margin == margin));
    }

    #[test]
    fn rows_that_are_no_predictions_are_refused_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("predictions.csv");
        for (row, message) in [
            ("a.png,cancer,1,0.7", "\"cancer\" is neither benign nor malignant"),
            ("a.png,benign,one,0.7", "the column margin does not fit: invalid float"),
            ("a.png,benign,1,1.7", "1.7 is not between 0 and 1"),
            ("a.png,benign", "fields"),
        ] {
            std::fs::write(&path, format!("filename,truth,margin,probability_malignant\n{row}\n")).unwrap();
            let refusal = read(&path).unwrap_err().to_string();
            assert!(refusal.contains("predictions.csv, line 2") && refusal.contains(message), "{refusal}");
        }
        assert!(read(&dir.path().join("none.csv")).unwrap_err().to_string().contains("cannot read"));
    }
}
