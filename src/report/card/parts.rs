//! The parts of a card that are made from files, each by its name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::diagnosis::Flag;
use crate::evaluate::{Control, Metric};
use crate::report::card::CardSources;
use crate::report::markdown;
use crate::report::sections::{Section, row};
use crate::system::thousands;

/// Makes a part.
type Make = fn(&CardSources<'_>) -> String;

/// All parts, in the order of a card that has nothing else.
pub(super) const PARTS: [(&str, Make); 13] = [
    ("summary", summary),
    ("network", network),
    ("areas", areas),
    ("decisions", decisions),
    ("calibration", calibration),
    ("coverage", coverage),
    ("flags", flags),
    ("folds", folds),
    ("repeats", repeats),
    ("magnifications", magnifications),
    ("subtypes", subtypes),
    ("cases", cases),
    ("recipe", recipe),
];

/// The columns of the tables of areas.
const AREAS: [Metric; 6] = [
    Metric::RocAuc,
    Metric::WithinStrata,
    Metric::Exchanged,
    Metric::ExchangedWithinStrata,
    Metric::Changed,
    Metric::Nll,
];

/// The figures of one repeat.
pub(super) struct Figured<'a> {
    repeat: &'a Value,
    of: &'a Value,
}

impl<'a> Figured<'a> {
    /// Those of the first repeat, which stand for the others.
    pub(super) fn first(sources: &CardSources<'a>) -> Self {
        Self::of(&sources.metrics["repeats"][0])
    }

    fn all(sources: &CardSources<'a>) -> Vec<Self> {
        sources.metrics["repeats"].as_array().into_iter().flatten().map(Self::of).collect()
    }

    fn of(repeat: &'a Value) -> Self {
        Self { repeat, of: &repeat["evaluation"] }
    }

    /// Of all images.
    pub(super) fn metric(&self, metric: Metric) -> Option<f64> {
        within(self.of, metric)
    }

    fn interval(&self, metric: Metric) -> Option<(f64, f64)> {
        let ends = &self.of["intervals"][metric.key()];
        Some((ends[0].as_f64()?, ends[1].as_f64()?))
    }

    fn control(&self, control: Control, metric: Metric) -> Option<f64> {
        within(&self.of["controls"][control.key()], metric)
    }

    pub(super) fn count(&self, pointer: &str) -> usize {
        self.of.pointer(pointer).and_then(Value::as_u64).unwrap_or(0) as usize
    }

    /// The cases by their names.
    pub(super) fn cases(&self) -> BTreeMap<&'a str, &'a Value> {
        self.of["cases"].as_object().into_iter().flatten().map(|(name, case)| (name.as_str(), case)).collect()
    }

    /// The records of a kind among those of the comparison.
    fn records(&self, kind: &'static str) -> impl Iterator<Item = &'a Value> {
        self.repeat["comparison"].as_array().into_iter().flatten().filter(move |record| record["kind"] == kind)
    }

    /// A metric of the only record of a kind.
    fn record(&self, kind: &'static str, metric: Metric) -> Option<f64> {
        self.records(kind).next()?[metric.key()].as_f64()
    }
}

/// A metric at its place in the object of an evaluation.
fn within(object: &Value, metric: Metric) -> Option<f64> {
    match metric.json()? {
        ("", name) => object[name].as_f64(),
        (inner, name) => object[inner][name].as_f64(),
    }
}

/// Three decimals and no zero before them, as figures of this kind are written.
fn short(figure: Option<f64>) -> String {
    figure.map_or_else(|| "undefined".to_owned(), |figure| format!("{figure:.3}").trim_start_matches('0').to_owned())
}

fn with_interval(figure: Option<f64>, interval: Option<(f64, f64)>) -> String {
    let ends = |(low, high)| format!(" ({} to {})", short(Some(low)), short(Some(high)));
    short(figure) + &interval.map(ends).unwrap_or_default()
}

/// As hundredths in whole numbers.
fn hundredths(share: Option<f64>) -> String {
    share.map_or_else(|| "undefined".to_owned(), |share| format!("{:.0}", 100.0 * share))
}

fn share(part: usize, others: usize) -> String {
    hundredths((part + others > 0).then(|| part as f64 / (part + others) as f64)) + " %"
}

fn table(header: impl IntoIterator<Item = String>, words: usize, rows: Vec<Vec<String>>) -> String {
    let Section::Table(table) = Section::table("", words, header, rows) else { return String::new() };
    markdown::table(&table).trim_end().to_owned()
}

fn header(words: &[&str], metrics: &[Metric]) -> Vec<String> {
    row(words.iter().copied(), metrics.iter().map(|metric| metric.name().to_owned()))
}

fn summary(sources: &CardSources<'_>) -> String {
    let of = Figured::first(sources);
    let ends = |metric| {
        let ends = of.interval(metric).map(|(low, high)| [low, high].map(|end| hundredths(Some(end))));
        ends.map_or_else(|| "no interval".to_owned(), |[low, high]| format!("{low} to {high}"))
    };
    let pairs = |metric| hundredths(of.metric(metric));
    let colour = |metric| hundredths(of.control(Control::MeanColour, metric));
    let [tp, fn_, fp, tn] = ["tp", "fn", "fp", "tn"].map(|key| of.count(&format!("/confusion/{key}")));
    let (cases, benign) = (of.cases(), |case: &&&Value| case["truth"] == "benign");
    let wrong: Vec<&&Value> = cases.values().filter(|case| case["recall"].as_f64() < Some(0.5)).collect();
    let (plain, exchanged) = (Metric::WithinStrata, Metric::ExchangedWithinStrata);
    format!(
        "*What it has learned:* shown one benign and one malignant image of the same magnification and original width, from \
         persons that it has never seen, such a network gives the malignant one the higher probability in {} of 100 pairs \
         (95 % interval {}; chance is 50), and in {} ({}) when each image is given the colours of another one, where the mean \
         colour alone, three numbers and no tissue, gets {} and {}.\n\n\
         *What it has not learned:* to be right about every person, for at one half it calls {} of the benign images \
         malignant and {} of the malignant ones benign, and is wrong about most images of {} persons, {} of them among the {} \
         with a benign tumour.\n\n\
         *From how many persons:* {}, of whom {} had a benign tumour, in {} images.",
        pairs(plain),
        ends(plain),
        pairs(exchanged),
        ends(exchanged),
        colour(plain),
        colour(exchanged),
        share(fp, tn),
        share(fn_, tp),
        wrong.len(),
        wrong.iter().copied().filter(benign).count(),
        cases.values().filter(benign).count(),
        cases.len(),
        cases.values().filter(benign).count(),
        thousands(of.count("/n")),
    )
}

fn network(sources: &CardSources<'_>) -> String {
    let fact = |(name, text): &(&str, String)| vec![(*name).to_owned(), text.clone()];
    let points = sources.metadata["operating_points"].as_array().into_iter().flatten().map(|point| {
        let name = point["name"].as_str().unwrap_or_default();
        let [threshold, sensitivity, specificity] =
            ["threshold", "sensitivity", "specificity"].map(|key| point[key].as_f64());
        let text = format!(
            "{}; out of fold, sensitivity {} and specificity {}",
            short(threshold),
            short(sensitivity),
            short(specificity)
        );
        vec![format!("operating point {name}"), text]
    });
    table(["", ""].map(str::to_owned), 2, sources.facts.iter().map(fact).chain(points).collect())
}

fn areas(sources: &CardSources<'_>) -> String {
    let of = Figured::first(sources);
    let network = AREAS.map(|metric| with_interval(of.metric(metric), of.interval(metric)));
    let mut rows = vec![row(["**network**"], network)];
    let control =
        |control: Control| row([&*control.to_string()], AREAS.map(|metric| short(of.control(control, metric))));
    rows.extend(Control::ALL.map(control));
    let mean = AREAS.map(|metric| {
        let ends = of.record("mean_of_runs_low", metric).zip(of.record("mean_of_runs_high", metric));
        let mean = of.record("mean_of_runs", metric);
        if mean.is_some() { with_interval(mean, ends) } else { String::new() }
    });
    rows.push(row(["*means of the folds:* **network**"], mean));
    rows.extend(Control::ALL.into_iter().filter_map(|control| {
        let record = of.records("mean_of_runs_control").find(|record| record["control"] == control.key())?;
        Some(row([&*control.to_string()], AREAS.map(|metric| short(record[metric.key()].as_f64()))))
    }));
    table(header(&[""], &AREAS), 1, rows)
}

fn decisions(sources: &CardSources<'_>) -> String {
    const SHOWN: [Metric; 10] = [
        Metric::Accuracy,
        Metric::BalancedAccuracy,
        Metric::Mcc,
        Metric::Precision,
        Metric::Recall,
        Metric::Specificity,
        Metric::F1,
        Metric::PrAuc,
        Metric::HardNll,
        Metric::PatientRecognitionRate,
    ];
    let of = Figured::first(sources);
    let rows = SHOWN.map(|metric| row([metric.title()], [with_interval(of.metric(metric), of.interval(metric))]));
    let [tp, fn_, fp, tn] = ["tp", "fn", "fp", "tn"].map(|key| of.count(&format!("/confusion/{key}")).to_string());
    let counts = vec![row(["benign"], [tn, fp]), row(["malignant"], [fn_, tp])];
    let [figures, matrix] = [["", "value (95 % over cases)", ""], ["", "called benign", "called malignant"]];
    table(figures[..2].iter().map(|name| (*name).to_owned()), 1, rows.into())
        + "\n\n"
        + &table(matrix.map(str::to_owned), 1, counts)
}

fn calibration(sources: &CardSources<'_>) -> String {
    let rows = Figured::all(sources).into_iter().map(|of| {
        let name = of.repeat["name"].as_str().unwrap_or_default();
        let both = |metric| ["uncalibrated", "calibrated"].map(|kind| short(of.record(kind, metric)));
        let [ece, nll, brier] = [Metric::Ece, Metric::Nll, Metric::Brier].map(|metric| both(metric).join(" → "));
        let sensitive = [Metric::Recall, Metric::Specificity].map(|metric| short(of.record("sensitive", metric)));
        row([name], [ece, nll, brier].into_iter().chain(sensitive))
    });
    let names = ["", "ECE", "NLL", "Brier score", "sensitivity, `sensitive`", "specificity, `sensitive`"];
    let temperature = sources.metadata["temperature"].as_f64().unwrap_or(1.0);
    let file = match sources.metadata["calibration"]["method"].as_str() {
        Some(method) => format!("The file's temperature is {temperature}. {method}"),
        None => format!("The file's temperature is {temperature}; none was fitted for it."),
    };
    table(names.map(str::to_owned), 1, rows.collect()) + "\n\n" + &file
}

fn coverage(sources: &CardSources<'_>) -> String {
    let of = Figured::first(sources);
    let rows = of.of["risk_coverage"].as_array().into_iter().flatten().map(|at| {
        let answered = at["answered"].as_u64().unwrap_or(0) as usize;
        row([], [hundredths(at["coverage"].as_f64()) + " %", thousands(answered), short(at["risk"].as_f64())])
    });
    table(["answered", "images", "wrong"].map(str::to_owned), 0, rows.collect())
}

fn flags(sources: &CardSources<'_>) -> String {
    let flags = &sources.metadata["flags"];
    let found = &flags["found"];
    let Some(method) = found["method"].as_str() else {
        return "The file has no statistics of its training's images, so nothing is flagged.".to_owned();
    };
    let kinds = Flag::ALL.map(Flag::key).into_iter().chain(["abstain"]);
    let rows = kinds.map(|kind| {
        let shares = ["shares", "cross_fitted"]
            .into_iter()
            .flat_map(|of| ["all", "benign", "malignant"].map(|class| short(found[of][kind][class].as_f64())));
        let threshold = flags[kind].as_f64().map_or_else(String::new, |threshold| short(Some(threshold)));
        row([kind, &threshold], shares)
    });
    let names =
        ["", "threshold", "all", "benign", "malignant", "all, crossed", "benign, crossed", "malignant, crossed"];
    let [before, after] = ["before", "after"].map(|which| short(found["error"][which].as_f64()));
    let both = short(found["foreign_and_stain"].as_f64());
    format!(
        "{}\n\nForeign and stain at once: {both}. Wrong labels: {before} of all images, {after} of those on which a decision \
         is made. {method}",
        table(names.map(str::to_owned), 1, rows.collect())
    )
}

fn folds(sources: &CardSources<'_>) -> String {
    let shown = [Metric::RocAuc, Metric::WithinStrata, Metric::Exchanged, Metric::ExchangedWithinStrata, Metric::Nll];
    let of = Figured::first(sources);
    let rows = of.records("run").map(|run| {
        let name = run["run"].as_str().unwrap_or_default();
        let images = run["n"].as_u64().unwrap_or(0).to_string();
        let own = shown.map(|metric| short(run[metric.key()].as_f64()));
        let best = [Metric::Exchanged, Metric::ExchangedWithinStrata].map(|metric| {
            let controls = of.records("control").filter(|record| record["run"] == run["run"]);
            short(controls.filter_map(|record| record[metric.key()].as_f64()).reduce(f64::max))
        });
        row([name.rsplit('/').next().unwrap_or(name), &images], own.into_iter().chain(best))
    });
    let names = header(&["fold", "images"], &shown);
    let controls = ["a control, exchanged", "a control, exch. in strata"].map(str::to_owned);
    table(names.into_iter().chain(controls), 1, rows.collect())
}

fn repeats(sources: &CardSources<'_>) -> String {
    let shown = [
        Metric::RocAuc,
        Metric::WithinStrata,
        Metric::Exchanged,
        Metric::ExchangedWithinStrata,
        Metric::Choice,
        Metric::Nll,
        Metric::HardNll,
    ];
    let all = Figured::all(sources);
    // Evaluations leave the choice out; the comparison beside them has it.
    let value = |of: &Figured<'_>, metric| of.record("pooled", metric);
    let mut rows: Vec<Vec<String>> = all
        .iter()
        .map(|of| {
            let (name, seed) = (of.repeat["name"].as_str().unwrap_or_default(), of.repeat["seed"].to_string());
            let choice = of.record("pooled_low", Metric::Choice).zip(of.record("pooled_high", Metric::Choice));
            let cell = |metric| match metric {
                Metric::Choice => with_interval(value(of, metric), choice),
                _ => short(value(of, metric)),
            };
            row([name, &seed], shown.map(cell))
        })
        .collect();
    let mean = |metric| {
        let values: Option<Vec<f64>> = all.iter().map(|of| value(of, metric)).collect();
        short(values.map(|values| values.iter().sum::<f64>() / values.len().max(1) as f64))
    };
    rows.push(row(["*mean*", ""], shown.map(mean)));
    table(header(&["cross-validation", "seed"], &shown), 1, rows)
}

fn magnifications(sources: &CardSources<'_>) -> String {
    let shown = [Metric::RocAuc, Metric::Exchanged, Metric::Accuracy, Metric::Changed];
    let groups = Figured::first(sources).of["magnifications"].as_object().into_iter().flatten();
    let mut groups: Vec<_> = groups.collect();
    groups.sort_by_key(|(times, _)| times.parse::<u32>().unwrap_or(0));
    let rows = groups.into_iter().map(|(times, of)| {
        row([&*format!("{times}X"), &of["n"].to_string()], shown.map(|metric| short(within(of, metric))))
    });
    table(header(&["", "images"], &shown), 1, rows.collect())
}

fn subtypes(sources: &CardSources<'_>) -> String {
    let groups = Figured::first(sources).of["subtypes"].as_object().into_iter().flatten();
    let rows = groups.map(|(code, of)| {
        let name = crate::breakhis::Subtype::from_code(code).map_or(code.as_str(), |subtype| subtype.full_name());
        let words = [name, of["truth"].as_str().unwrap_or_default(), &of["n"].to_string()];
        row(words, ["recall", "mean_probability", "changed"].map(|key| short(of[key].as_f64())))
    });
    let names = ["", "truth", "images", "called right", "mean probability of malignancy", "changed"];
    table(names.map(str::to_owned), 2, rows.collect())
}

/// The cases of which most images are called wrongly.
fn cases(sources: &CardSources<'_>) -> String {
    let cases = Figured::first(sources).cases();
    let mut wrong: Vec<_> = cases.into_iter().filter(|(_, of)| of["recall"].as_f64() < Some(0.5)).collect();
    wrong.sort_by(|(_, a), (_, b)| {
        a["recall"].as_f64().partial_cmp(&b["recall"].as_f64()).unwrap_or(std::cmp::Ordering::Equal)
    });
    let rows = wrong.into_iter().map(|(name, of)| {
        let words = [name, of["truth"].as_str().unwrap_or_default(), &of["n"].to_string()];
        row(words, ["recall", "mean_probability"].map(|key| short(of[key].as_f64())))
    });
    table(
        ["case", "truth", "images", "called right", "mean probability of malignancy"].map(str::to_owned),
        2,
        rows.collect(),
    )
}

/// The numbers of the recipe, without the network and its input, which the weights file describes.
fn recipe(sources: &CardSources<'_>) -> String {
    let mut rows = Vec::new();
    for (key, value) in sources.metrics["recipe"].as_object().into_iter().flatten() {
        match value.as_object() {
            Some(_) if ["architecture", "preprocess"].contains(&key.as_str()) => {}
            Some(inner) => rows.extend(inner.iter().map(|(name, value)| (format!("{key}: {name}"), value))),
            None => rows.push((key.clone(), value)),
        }
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows = rows.into_iter().map(|(name, value)| vec![name.replace('_', " "), text(value)]);
    table(["", ""].map(str::to_owned), 2, rows.collect())
}
