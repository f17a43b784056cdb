//! A comparison as text or Markdown.

use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::Confusion;
use crate::evaluate::comparison::{Comparison, Difference, Group, Measure, Pooled, Run, SplitKind, Spread};

/// Columns of text: the runs, their confusion matrices, what a split by image adds, and notes.
pub(super) fn text(comparison: &Comparison) -> String {
    let tables = tables(comparison).into_iter().map(|table| format!("{}\n{}", table.title, table.aligned()));
    sections(tables, comparison, "")
}

/// The same as Markdown.
pub(super) fn markdown(comparison: &Comparison) -> String {
    let tables = tables(comparison).into_iter().map(|table| format!("**{}**\n\n{}", table.title, table.markdown()));
    sections(tables, comparison, "- ")
}

fn sections(tables: impl Iterator<Item = String>, comparison: &Comparison, bullet: &str) -> String {
    let notes: String = comparison.notes.iter().map(|note| format!("{bullet}Note: {note}.\n")).collect();
    let notes = Some(notes).filter(|notes| !notes.is_empty());
    let sections: Vec<String> = tables.chain(notes).chain([format!("{RESEARCH_USE}\n")]).collect();
    sections.join("\n")
}

/// A table of cells; the first columns are words, the others numbers.
struct Table {
    title: String,
    words: usize,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

fn tables(comparison: &Comparison) -> Vec<Table> {
    let mut tables = vec![figures(comparison), matrices(comparison)];
    tables.extend(effects(comparison));
    tables.extend(comparison.pooled.as_ref().map(pooled));
    tables
}

fn figures(comparison: &Comparison) -> Table {
    let mut header: Vec<String> = ["run", "recipe", "split", "part", "seed", "n"].map(str::to_owned).to_vec();
    header.extend(Measure::ALL.map(|measure| measure.name().to_owned()));
    let mut rows = Vec::new();
    for group in &comparison.groups {
        rows.extend(group.runs.iter().map(figures_of_run));
    }
    for group in &comparison.groups {
        rows.extend(figures_of_mean(group).into_iter().flatten());
    }
    let title = "Decisions at a probability of one half; malignant is positive".to_owned();
    Table { title, words: 4, header, rows }
}

fn figures_of_run(run: &Run) -> Vec<String> {
    let mut row = vec![
        run.name.clone(),
        run.recipe.clone(),
        split_of(run),
        run.part.to_string(),
        run.seed.to_string(),
        run.metrics.n.to_string(),
    ];
    row.extend(Measure::ALL.map(|measure| number(measure.of(&run.metrics))));
    row
}

/// The mean and, below it, the standard deviation.
fn figures_of_mean(group: &Group) -> Option<[Vec<String>; 2]> {
    let (mean, run) = (group.mean.as_ref()?, group.runs.first()?);
    let row = |what: &str, figure: fn(Spread) -> f64| {
        let words =
            [what, &run.recipe, &run.split().to_string(), &run.part.to_string(), &format!("{} seeds", mean.seeds), ""];
        let mut row = words.map(str::to_owned).to_vec();
        row.extend(mean.spreads.map(|spread| number(spread.map(figure))));
        row
    };
    Some([row("mean", |spread| spread.mean), row("standard deviation", |spread| spread.standard_deviation)])
}

/// The kind of split; by image, with how many cases it tears apart.
fn split_of(run: &Run) -> String {
    match run.split() {
        SplitKind::ByCase => run.split().to_string(),
        SplitKind::ByImage => format!("{} ({} shared cases)", run.split(), run.shared_cases),
    }
}

fn matrices(comparison: &Comparison) -> Table {
    let header = ["run", "benign: called benign", "called malignant", "malignant: called benign", "called malignant"];
    let row = |run: &Run| {
        let Confusion { tp, fn_, fp, tn } = run.metrics.confusion;
        let counts = [tn, fp, fn_, tp].map(|count| count.to_string());
        std::iter::once(run.name.clone()).chain(counts).collect()
    };
    let title = "Confusion matrices, in pictures".to_owned();
    let rows = comparison.runs().map(row).collect();
    Table { title, words: 1, header: header.map(str::to_owned).to_vec(), rows }
}

fn effects(comparison: &Comparison) -> Option<Table> {
    let header = ["recipe", "part", "figure", "seeds", "difference", "95 % interval"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for effect in &comparison.effects {
        for (measure, difference) in Measure::OF_SPLITS.into_iter().zip(effect.differences) {
            let interval = match difference {
                Some(Difference { interval: Some((low, high)), .. }) => format!("{low:+.4} to {high:+.4}"),
                Some(_) => "none: one seed".to_owned(),
                None => String::new(),
            };
            let mean =
                difference.map_or_else(|| "undefined".to_owned(), |difference| format!("{:+.4}", difference.mean));
            let words = [effect.recipe.clone(), effect.part.to_string(), measure.name().to_owned()];
            rows.push(words.into_iter().chain([effect.seeds.to_string(), mean, interval]).collect());
        }
    }
    let title = "Split by image minus split by case, paired by seed (Student's interval of the mean)".to_owned();
    (!rows.is_empty()).then_some(Table { title, words: 3, header, rows })
}

fn pooled(pooled: &Pooled) -> Table {
    let header = ["figure", "value", "95 % interval over cases"].map(str::to_owned).to_vec();
    let row = |(measure, interval): (Measure, Option<(f64, f64)>)| {
        let interval = interval.map_or_else(|| "undefined".to_owned(), |(low, high)| format!("{low:.4} to {high:.4}"));
        vec![measure.name().to_owned(), number(measure.of(&pooled.metrics)), interval]
    };
    let Pooled { runs, cases, metrics, .. } = pooled;
    let title =
        format!("All {} predictions of the {runs} runs together, {cases} cases (bootstrap of whole cases)", metrics.n);
    Table { title, words: 1, header, rows: Measure::ALL.into_iter().zip(pooled.intervals).map(row).collect() }
}

fn number(figure: Option<f64>) -> String {
    figure.map_or_else(|| "undefined".to_owned(), |figure| format!("{figure:.4}"))
}

impl Table {
    /// Words to the left and numbers to the right of columns that are as wide as they must be.
    fn aligned(&self) -> String {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let length = |cell: &String| cell.chars().count();
        let widths: Vec<usize> =
            (0..self.header.len()).map(|column| lines().map(|line| length(&line[column])).max().unwrap_or(0)).collect();
        let cell = |(column, cell): (usize, &String)| match column < self.words {
            true => format!("{cell:<width$}", width = widths[column]),
            false => format!("{cell:>width$}", width = widths[column]),
        };
        let line = |line: &Vec<String>| line.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
        lines().map(|cells| line(cells).trim_end().to_owned() + "\n").collect()
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            // A folder's name may hold what would end the cell.
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule: Vec<String> =
            (0..self.header.len()).map(|column| if column < self.words { "---" } else { "---:" }.to_owned()).collect();
        [&self.header, &rule].into_iter().chain(&self.rows).map(|cells| line(cells)).collect()
    }
}
