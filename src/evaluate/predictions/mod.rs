//! `predictions.csv`: a row an image, from which every figure can be made again. Numbers are written in the fewest digits
//! that read back as the same f64.
//!
//! | column | what it holds |
//! |---|---|
//! | `filename`, `truth` | the image and what it shows, `benign` or `malignant` |
//! | `magnification`, `source_width` | its stratum; empty where it is not known |
//! | `margin`, `probability_malignant` | the prediction of the network |
//! | `exchanged_1` ... | its margins of copies with the colours of other images |
//! | `mean_colour`, `mean_colour_exchanged_1` ... | the same of a control, and so on for each of them |
//! | `shift_blur_2` ... | the network's margins of images that were shifted, where they were asked for |
//!
//! Files of the columns `filename,truth,margin,probability_malignant` alone are read too; what needs more is undefined.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;
use std::path::Path;

use crate::breakhis::SlideName;
use crate::diagnosis::{Label, Probability};
use crate::evaluate::controls::Control;
use crate::evaluate::{EvaluateError, Stratum, Subject};
use crate::pixels::Shift;
use crate::system::{digits, write_whole};

/// The margins of a network or a control for images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Margins {
    /// Of the images as they are.
    pub plain: Vec<f64>,
    /// Of their copies with the colours of others: a list a draw, in it a margin an image.
    pub exchanged: Vec<Vec<f64>>,
}

/// Images with the margins of a network and of the controls, all in one order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// What is known of the images.
    pub subjects: Vec<Subject>,
    /// What the network says.
    pub network: Margins,
    /// What the controls say, those that could be fitted.
    pub controls: Vec<(Control, Margins)>,
    /// What the network says of shifted images; empty where they were not asked for.
    pub shifted: Vec<(Shift, Vec<f64>)>,
}

impl Predictions {
    /// The margins of a control, where there are any.
    pub fn control(&self, control: Control) -> Option<&Margins> {
        self.controls.iter().find(|(other, _)| *other == control).map(|(_, margins)| margins)
    }

    /// The indices of all images.
    pub fn all(&self) -> Vec<usize> {
        (0..self.subjects.len()).collect()
    }

    /// The indices of each case's images, by the names of the cases.
    pub fn cases(&self) -> Vec<Vec<usize>> {
        self.groups(|subject| subject.case.clone()).into_values().collect()
    }

    /// The indices of the images that have something in common.
    pub fn groups<K: Ord>(&self, key: impl Fn(&Subject) -> K) -> BTreeMap<K, Vec<usize>> {
        let mut groups = BTreeMap::<K, Vec<usize>>::new();
        for (index, subject) in self.subjects.iter().enumerate() {
            groups.entry(key(subject)).or_default().push(index);
        }
        groups
    }

    /// The predictions of several runs, one after the other; draws, controls and shifts that one of them lacks are left out.
    pub fn joined(runs: &[Self]) -> Self {
        let Some(first) = runs.first() else { return Self::default() };
        let join = |margins: &dyn Fn(&Self) -> Option<Margins>| -> Option<Margins> {
            let all = runs.iter().map(margins).collect::<Option<Vec<_>>>()?;
            let draws = all.iter().map(|margins| margins.exchanged.len()).min().unwrap_or(0);
            let draw = |index: usize| all.iter().flat_map(|margins| margins.exchanged[index].clone()).collect();
            Some(Margins {
                plain: all.iter().flat_map(|margins| margins.plain.clone()).collect(),
                exchanged: (0..draws).map(draw).collect(),
            })
        };
        let control = |(control, _): &(Control, _)| Some((*control, join(&|run| run.control(*control).cloned())?));
        let shift = |(shift, _): &(Shift, _)| {
            let of_run =
                |run: &Self| run.shifted.iter().find(|(other, _)| other == shift).map(|(_, margins)| margins.clone());
            Some((*shift, runs.iter().map(of_run).collect::<Option<Vec<_>>>()?.concat()))
        };
        Self {
            subjects: runs.iter().flat_map(|run| run.subjects.clone()).collect(),
            controls: first.controls.iter().filter_map(control).collect(),
            network: join(&|run: &Self| Some(run.network.clone())).unwrap_or_default(),
            shifted: first.shifted.iter().filter_map(shift).collect(),
        }
    }

    /// The predictions of some images, in this order.
    pub(crate) fn at(&self, indices: &[usize]) -> Self {
        let at = |margins: &Vec<f64>| indices.iter().map(|index| margins[*index]).collect();
        let margins = |of: &Margins| Margins { plain: at(&of.plain), exchanged: of.exchanged.iter().map(at).collect() };
        Self {
            subjects: indices.iter().map(|index| self.subjects[*index].clone()).collect(),
            network: margins(&self.network),
            controls: self.controls.iter().map(|(control, of)| (*control, margins(of))).collect(),
            shifted: self.shifted.iter().map(|(shift, of)| (*shift, at(of))).collect(),
        }
    }

    /// The columns of margins with their names.
    fn columns(&self) -> Vec<(String, &[f64])> {
        let mut columns = exchanged("", &self.network);
        for (control, margins) in &self.controls {
            columns.push((control.key().to_owned(), &margins.plain));
            columns.extend(exchanged(&format!("{}_", control.key()), margins));
        }
        columns.extend(self.shifted.iter().map(|(shift, margins)| (column_of(*shift), margins.as_slice())));
        columns
    }
}

fn exchanged<'a>(prefix: &str, margins: &'a Margins) -> Vec<(String, &'a [f64])> {
    let draw = |(draw, column): (usize, &'a Vec<f64>)| (format!("{prefix}exchanged_{draw}"), column.as_slice());
    (1..).zip(&margins.exchanged).map(draw).collect()
}

/// The name of a shift's column.
fn column_of(shift: Shift) -> String {
    format!("shift_{}_{}", shift.name(), shift.severity())
}

/// The first columns, whatever the others are.
const FIXED: [&str; 6] = ["filename", "truth", "magnification", "source_width", "margin", "probability_malignant"];

/// What a probability may be off by where a file was rounded by another program.
const ROUNDED: f64 = 1e-3;

/// Writes the predictions in their order; the file is there whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, predictions: &Predictions) -> Result<(), EvaluateError> {
    let failed = |source| EvaluateError::File { action: "write", path: path.to_owned(), source };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = predictions.columns();
    let header = FIXED.into_iter().chain(columns.iter().map(|(name, _)| name.as_str()));
    writer.write_record(header).map_err(|error| failed(error.into()))?;
    for (index, subject) in predictions.subjects.iter().enumerate() {
        let stratum = subject.stratum;
        let cell = |of: fn(Stratum) -> u32| stratum.map_or_else(String::new, |stratum| of(stratum).to_string());
        let margin = predictions.network.plain[index];
        let mut row = vec![subject.filename.clone(), subject.truth.lower().to_owned()];
        row.extend([cell(|s| s.magnification), cell(|s| s.width)]);
        row.extend([digits(margin), digits(Probability::from_margin(margin).get())]);
        row.extend(columns.iter().map(|(_, margins)| digits(margins[index])));
        writer.write_record(row).map_err(|error| failed(error.into()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    write_whole(path, &bytes).map_err(failed)
}

/// Reads what [`write()`] wrote; rows must say what their file names say.
///
/// # Errors
/// When the file cannot be read, or a row is not a prediction; the error names the line.
pub fn read(path: &Path) -> Result<Predictions, EvaluateError> {
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
    let missing = |reason| EvaluateError::Table { path: path.to_owned(), line: 1, reason };
    let columns = Columns::of(&header).map_err(missing)?;
    let mut predictions = columns.empty();
    let mut seen = HashSet::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(1, csv::Position::line);
        let unfit = |reason| EvaluateError::Table { path: path.to_owned(), line, reason };
        let filename = record.get(columns.filename).unwrap_or_default();
        if !seen.insert(filename.to_owned()) {
            return Err(unfit(format!("{filename} is listed a second time")));
        }
        columns.add(&record, &mut predictions).map_err(unfit)?;
    }
    Ok(predictions)
}

/// Where a file has its columns.
struct Columns<'a> {
    header: &'a csv::StringRecord,
    filename: usize,
    truth: usize,
    stratum: Option<[usize; 2]>,
    probability: usize,
    network: MarginColumns,
    controls: Vec<(Control, MarginColumns)>,
    shifted: Vec<(Shift, usize)>,
}

/// The columns of a network or a control: of images as they are, and of each draw.
struct MarginColumns {
    plain: usize,
    exchanged: Vec<usize>,
}

impl<'a> Columns<'a> {
    fn of(header: &'a csv::StringRecord) -> Result<Self, String> {
        let find = |name: &str| header.iter().position(|column| column == name);
        let require = |name: &str| find(name).ok_or_else(|| format!("there is no column {name:?}"));
        let columns = |plain: usize, prefix: &str| MarginColumns {
            plain,
            exchanged: (1..).map_while(|draw| find(&format!("{prefix}exchanged_{draw}"))).collect(),
        };
        let stratum = find("magnification").zip(find("source_width"));
        let control = |control: Control| Some((control, columns(find(control.key())?, &format!("{}_", control.key()))));
        Ok(Self {
            header,
            filename: require("filename")?,
            truth: require("truth")?,
            stratum: stratum.map(|(magnification, width)| [magnification, width]),
            probability: require("probability_malignant")?,
            network: columns(require("margin")?, ""),
            controls: Control::ALL.into_iter().filter_map(control).collect(),
            shifted: Shift::ALL.into_iter().filter_map(|shift| Some((shift, find(&column_of(shift))?))).collect(),
        })
    }

    fn empty(&self) -> Predictions {
        let draws = |columns: &MarginColumns| vec![Vec::new(); columns.exchanged.len()];
        let margins = |columns: &MarginColumns| Margins { plain: Vec::new(), exchanged: draws(columns) };
        Predictions {
            subjects: Vec::new(),
            network: margins(&self.network),
            controls: self.controls.iter().map(|(control, columns)| (*control, margins(columns))).collect(),
            shifted: self.shifted.iter().map(|(shift, _)| (*shift, Vec::new())).collect(),
        }
    }

    fn add(&self, record: &csv::StringRecord, predictions: &mut Predictions) -> Result<(), String> {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let truth = Label::ALL.into_iter().find(|label| label.lower() == cell(self.truth));
        let truth = truth.ok_or_else(|| format!("{:?} is neither benign nor malignant", cell(self.truth)))?;
        let probability = self.number::<Probability>(record, self.probability, |value| {
            Probability::new(value).map_err(|error| error.to_string())
        })?;
        self.add_margins(record, &self.network, &mut predictions.network)?;
        let margin = predictions.network.plain.last().copied().unwrap_or_default();
        if (Probability::from_margin(margin).get() - probability.get()).abs() > ROUNDED {
            return Err(format!("a margin of {margin} is not a probability of {}", probability.get()));
        }
        for ((_, columns), (_, margins)) in self.controls.iter().zip(&mut predictions.controls) {
            self.add_margins(record, columns, margins)?;
        }
        for ((_, column), (_, margins)) in self.shifted.iter().zip(&mut predictions.shifted) {
            margins.push(self.number(record, *column, finite)?);
        }
        let filename = cell(self.filename).to_owned();
        let name: SlideName = filename.parse().map_err(|error| format!("{filename}: {error}"))?;
        if name.label() != truth {
            let by_name = name.label().lower();
            return Err(format!("{filename} is called {}, and by its name it is {by_name}", truth.lower()));
        }
        let stratum = self.stratum(record)?;
        let times = name.magnification.times();
        if let Some(Stratum { magnification, .. }) = stratum.filter(|stratum| stratum.magnification != times) {
            return Err(format!("{filename} is listed at {magnification}X, and by its name it is at {times}X"));
        }
        let (case, subtype) = (name.case.to_string(), name.subtype.to_string());
        predictions.subjects.push(Subject { filename, truth, case, subtype, stratum });
        Ok(())
    }

    /// The magnification and the width of a row; none where both cells are empty.
    fn stratum(&self, record: &csv::StringRecord) -> Result<Option<Stratum>, String> {
        let Some(columns) = self.stratum else { return Ok(None) };
        if columns.iter().all(|column| record.get(*column).unwrap_or_default().is_empty()) {
            return Ok(None);
        }
        let [magnification, width] = columns.map(|column| {
            let pixels = record.get(column).unwrap_or_default().parse::<NonZeroU32>();
            pixels.map(NonZeroU32::get).map_err(|error| self.unfit(column, &error.to_string()))
        });
        Ok(Some(Stratum { magnification: magnification?, width: width? }))
    }

    fn add_margins(
        &self,
        record: &csv::StringRecord,
        columns: &MarginColumns,
        margins: &mut Margins,
    ) -> Result<(), String> {
        margins.plain.push(self.number(record, columns.plain, finite)?);
        for (column, draw) in columns.exchanged.iter().zip(&mut margins.exchanged) {
            draw.push(self.number(record, *column, finite)?);
        }
        Ok(())
    }

    fn number<T>(
        &self,
        record: &csv::StringRecord,
        column: usize,
        check: impl FnOnce(f64) -> Result<T, String>,
    ) -> Result<T, String> {
        let number = record.get(column).unwrap_or_default().parse::<f64>();
        number.map_err(|error| error.to_string()).and_then(check).map_err(|reason| self.unfit(column, &reason))
    }

    fn unfit(&self, column: usize, reason: &str) -> String {
        format!("the column {} does not fit: {reason}", self.header.get(column).unwrap_or_default())
    }
}

fn finite(value: f64) -> Result<f64, String> {
    value.is_finite().then_some(value).ok_or_else(|| format!("{value} is not finite"))
}

#[cfg(test)]
mod tests;
