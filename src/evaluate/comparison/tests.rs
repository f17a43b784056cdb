use super::*;

fn figures(accuracy: f64) -> Figures {
    let metric = |metric| match metric {
        Metric::Accuracy => Some(accuracy),
        Metric::F1 => Some(accuracy - 0.01),
        Metric::Nll => Some(1.0 - accuracy),
        Metric::RocAuc => Some(accuracy + 0.01),
        _ => None,
    };
    Figures { n: 100, metrics: PerMetric::of(metric), ..Figures::of_decisions(&[], Threshold::HALF) }
}

pub(crate) fn run(name: &str, seed: u64, shared_cases: usize, accuracy: f64) -> ComparedRun {
    ComparedRun {
        name: name.into(),
        recipe: "best".into(),
        settings: "epochs = 6".into(),
        seed,
        shared_cases,
        trained_on: 300,
        part: Part::Test,
        figures: figures(accuracy),
        controls: Vec::new(),
    }
}

fn near(found: f64, golden: f64) {
    assert!((found - golden).abs() < 1e-9, "{found} is not {golden}");
}

// import numpy as np
// from scipy import stats
// for by_image, by_case in [
//     ([.96, .97, .95], [.86, .90, .84]),
//     ([.96, .97, .95, .99, .98], [.88, .86, .885, .87, .89]),
// ]:
//     difference = np.array(by_image) - np.array(by_case)
//     # 100 images measured, 300 trained on
//     half = stats.t.ppf(.975, len(difference) - 1) * difference.std(ddof=1) * np.sqrt(1 / len(difference) + 100 / 300)
//     mean = difference.mean()
//     print([np.mean(by_case), np.std(by_case, ddof=1), mean, mean - half, mean + half])
const GOLDEN: [[f64; 5]; 2] = [
    [0.8666666666666667, 0.03055050463303896, 0.09333333333333331, 0.02020229923688696, 0.16646436742977966],
    [0.877, 0.012041594578792307, 0.09299999999999997, 0.04788810667401904, 0.1381118933259809],
];

#[test]
fn means_and_corrected_intervals_are_those_of_scipy() {
    for (by_image, by_case, golden) in [
        (&[0.96, 0.97, 0.95][..], &[0.86, 0.90, 0.84][..], GOLDEN[0]),
        (&[0.96, 0.97, 0.95, 0.99, 0.98], &[0.88, 0.86, 0.885, 0.87, 0.89], GOLDEN[1]),
    ] {
        // The runs by image come in another order: pairs go by seed.
        let by_image = by_image.iter().enumerate().rev().map(|(seed, a)| run("image", seed as u64, 3, *a));
        let by_case = by_case.iter().enumerate().map(|(seed, a)| run("case", seed as u64, 0, *a));
        let comparison = Comparison::of(by_case.chain(by_image).collect(), None);
        let [mean, standard_deviation, difference, low, high] = golden;

        assert_eq!(comparison.groups.len(), 2);
        let accuracy = comparison.groups[0].spreads.unwrap()[Metric::Accuracy].unwrap();
        near(accuracy.mean, mean);
        near(accuracy.standard_deviation, standard_deviation);

        let [effect] = &comparison.effects[..] else { panic!("{:?}", comparison.effects) };
        let accuracy = effect.differences[0].unwrap();
        near(accuracy.mean, difference);
        near(accuracy.interval.unwrap().0, low);
        near(accuracy.interval.unwrap().1, high);
        let nll = effect.differences[3].unwrap();
        near(nll.mean, -difference);
        near(nll.interval.unwrap().0, -high);
        assert!(comparison.notes.is_empty(), "{:?}", comparison.notes);
    }
}

#[test]
fn one_pair_has_a_difference_and_no_interval() {
    let comparison = Comparison::of(vec![run("a", 1, 4, 0.96), run("b", 1, 0, 0.86), run("c", 2, 0, 0.8)], None);
    assert_eq!(comparison.effects[0].seeds, 1);
    let accuracy = comparison.effects[0].differences[0].unwrap();
    near(accuracy.mean, 0.1);
    assert_eq!(accuracy.interval, None);
    let no_seed_in_both = Comparison::of(vec![run("a", 1, 4, 0.96), run("b", 2, 0, 0.86)], None);
    assert!(no_seed_in_both.effects.is_empty());
}

#[test]
fn what_is_not_alike_is_never_averaged() {
    let validation = ComparedRun { part: Part::Validation, ..run("validation", 2, 0, 0.9) };
    let longer = ComparedRun { settings: "epochs = 9".into(), ..run("longer", 3, 0, 0.9) };
    let baseline = ComparedRun { recipe: "baseline".into(), ..run("baseline", 4, 0, 0.9) };
    let image = run("image", 5, 1, 0.9);
    let comparison = Comparison::of(vec![run("first", 1, 0, 0.8), validation, longer, baseline, image], None);
    assert_eq!(comparison.groups.len(), 5);
    assert!(comparison.groups.iter().all(|group| group.spreads.is_none()));
    assert!(comparison.effects.is_empty());
    let [note] = &comparison.notes[..] else { panic!("{:?}", comparison.notes) };
    assert!(note.contains("first and longer are both of the recipe best, in other settings"), "{note}");
}

#[test]
fn a_seed_that_is_there_twice_leaves_the_mean_out_and_says_why() {
    let comparison =
        Comparison::of(vec![run("a", 1, 0, 0.8), run("b", 2, 0, 0.9), run("c", 1, 0, 0.8), run("d", 1, 2, 0.9)], None);
    assert!(comparison.groups[0].spreads.is_none() && comparison.effects.is_empty());
    let note = &comparison.notes[0];
    assert!(note.contains("a and c have the same recipe, kind of split and seed"), "{note}");
}

#[test]
fn folds_have_no_mean_over_seeds_and_need_not_leave_one_out() {
    for seed in [1, 2] {
        let folds = vec![run("a", 1, 0, 0.8), run("b", seed, 0, 0.9)];
        let comparison = Comparison::of(folds, Some(Pooled::of(&[], &[], Threshold::HALF)));
        assert!(comparison.notes.is_empty() && comparison.groups[0].spreads.is_none(), "{:?}", comparison.notes);
    }
}

#[test]
fn a_figure_that_a_run_lacks_has_no_mean() {
    let mut lacking = run("b", 2, 0, 0.9);
    let full = figures(0.9);
    lacking.figures.metrics = PerMetric::of(|metric| full.get(metric).filter(|_| metric != Metric::RocAuc));
    let comparison = Comparison::of(vec![run("a", 1, 0, 0.8), lacking], None);
    let spreads = comparison.groups[0].spreads.unwrap();
    assert!(spreads[Metric::Accuracy].is_some() && spreads[Metric::RocAuc].is_none());
}
