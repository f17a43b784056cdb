//! A comparison as text or Markdown.

use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::Confusion;
use crate::evaluate::comparison::{
    Comparison, Difference, Group, Measure, Pooled, PooledControl, Run, SplitKind, Spread,
};
use crate::report::text::evaluation::row_of;
use crate::report::text::{Table, interval, number};

/// Columns of text: the runs, their confusion matrices, what a split by image adds, and notes.
pub(crate) fn text(comparison: &Comparison) -> String {
    let tables = tables(comparison).into_iter().map(|table| format!("{}\n{}", table.title, table.aligned()));
    sections(tables, comparison, "")
}

/// The same as Markdown.
pub(crate) fn markdown(comparison: &Comparison) -> String {
    let tables = tables(comparison).into_iter().map(|table| format!("**{}**\n\n{}", table.title, table.markdown()));
    sections(tables, comparison, "- ")
}

fn sections(tables: impl Iterator<Item = String>, comparison: &Comparison, bullet: &str) -> String {
    let notes: String = comparison.notes.iter().map(|note| format!("{bullet}Note: {note}.\n")).collect();
    let notes = Some(notes).filter(|notes| !notes.is_empty());
    let sections: Vec<String> = tables.chain(notes).chain([format!("{RESEARCH_USE}\n")]).collect();
    sections.join("\n")
}

fn tables(comparison: &Comparison) -> Vec<Table> {
    let report = "Decisions at a probability of one half; malignant is positive";
    let mut tables =
        vec![figures(comparison, report, &Measure::OF_REPORT), figures(comparison, TISSUE, &Measure::OF_TISSUE)];
    tables.extend(controls(comparison));
    tables.push(matrices(comparison));
    tables.extend(effects(comparison));
    tables.extend(comparison.pooled.iter().flat_map(pooled));
    tables
}

/// What the measures beside the report's are.
const TISSUE: &str = "What is not tissue: areas under the ROC curve over pairs of one magnification and source width (within \
                      strata), with the colours of other images (exchanged) and both; choice is the mean of the two within \
                      strata; the share of decisions that change; the loss where the mean colour errs";

fn figures(comparison: &Comparison, title: &str, measures: &[Measure]) -> Table {
    let mut header: Vec<String> = ["run", "recipe", "split", "part", "seed", "n"].map(str::to_owned).to_vec();
    header.extend(measures.iter().map(|measure| measure.name().to_owned()));
    let mut rows = Vec::new();
    for group in &comparison.groups {
        rows.extend(group.runs.iter().map(|run| figures_of_run(run, measures)));
    }
    for group in &comparison.groups {
        rows.extend(figures_of_mean(group, measures).into_iter().flatten());
    }
    Table { title: title.to_owned(), words: 4, header, rows }
}

fn figures_of_run(run: &Run, measures: &[Measure]) -> Vec<String> {
    let mut row = vec![
        run.name.clone(),
        run.recipe.clone(),
        split_of(run),
        run.part.to_string(),
        run.seed.to_string(),
        run.figures.metrics.n.to_string(),
    ];
    row.extend(measures.iter().map(|measure| number(measure.of(&run.figures))));
    row
}

/// The mean and, below it, the standard deviation.
fn figures_of_mean(group: &Group, measures: &[Measure]) -> Option<[Vec<String>; 2]> {
    let (mean, run) = (group.mean.as_ref()?, group.runs.first()?);
    let row = |what: &str, figure: fn(Spread) -> f64| {
        let words =
            [what, &run.recipe, &run.split().to_string(), &run.part.to_string(), &format!("{} seeds", mean.seeds), ""];
        let mut row = words.map(str::to_owned).to_vec();
        let spreads = Measure::ALL.into_iter().zip(mean.spreads).filter(|(measure, _)| measures.contains(measure));
        let spread =
            |measure: &Measure| spreads.clone().find(|(other, _)| other == measure).and_then(|(_, spread)| spread);
        row.extend(measures.iter().map(|measure| number(spread(measure).map(figure))));
        row
    };
    Some([row("mean", |spread| spread.mean), row("standard deviation", |spread| spread.standard_deviation)])
}

/// The controls on the images of each run, as far as its predictions hold them.
fn controls(comparison: &Comparison) -> Option<Table> {
    let rows = comparison.runs().flat_map(|run| {
        run.controls.iter().map(|(control, figures)| {
            std::iter::once(run.name.clone()).chain(row_of(&control.to_string(), Some(figures))).collect()
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let header = ["run", "control", "ROC AUC", "within strata", "exchanged", "exch. in strata", "changed", "NLL"];
    (!rows.is_empty())
        .then(|| Table::new("Controls that know no tissue or go by colour, on the same images", 2, &header, rows))
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
        let Confusion { tp, fn_, fp, tn } = run.figures.metrics.confusion;
        let counts = [tn, fp, fn_, tp].map(|count| count.to_string());
        std::iter::once(run.name.clone()).chain(counts).collect()
    };
    let title = "Confusion matrices, in images".to_owned();
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

fn pooled(pooled: &Pooled) -> Vec<Table> {
    let Pooled { runs, cases, figures, intervals, means, mean_intervals, controls } = pooled;
    let row = |(measure, ends): (Measure, _)| {
        let mut row = vec![measure.name().to_owned(), number(measure.of(figures)), interval_or_undefined(ends)];
        match Measure::AREAS.iter().position(|area| *area == measure) {
            Some(area) => row.extend([number(means[area]), interval(mean_intervals[area])]),
            None => row.extend([String::new(), String::new()]),
        }
        row
    };
    let title = format!(
        "All {} predictions of the {runs} runs together, {cases} cases (bootstrap of whole cases); beside each area the \
         mean of the runs' own, which does not depend on how sure of itself each network is",
        figures.metrics.n
    );
    let header = ["figure", "value", "95 % interval over cases", "mean of the runs", "95 % over cases"];
    let rows = Measure::ALL.into_iter().zip(*intervals).map(row).collect();
    let mut tables = vec![Table::new(title, 1, &header, rows)];
    if !controls.is_empty() {
        let rows = controls.iter().flat_map(|PooledControl { control, figures, means }| {
            [row_of(&control.to_string(), Some(figures)), row_of("  mean of the runs", Some(means))]
        });
        let rows = rows.collect();
        let header = ["control", "ROC AUC", "within strata", "exchanged", "exch. in strata", "changed", "NLL"];
        tables.push(Table::new("Controls that know no tissue or go by colour, on all these images", 1, &header, rows));
    }
    tables
}

fn interval_or_undefined(ends: Option<(f64, f64)>) -> String {
    ends.map_or_else(|| "undefined".to_owned(), |_| interval(ends))
}
