//! The metrics: what each is called, how it is computed and where it is shown, a row each in one table.
//!
//! In: what was predicted for some images. Out: a number for each [`Metric`], `None` where it is not defined.
//!
//! **A new metric goes here**: add a row to the table below, and the function that computes it where its siblings are
//! (`decisions.rs`, `ranking.rs`, or `figures.rs` for what needs more than margins). Its names stand in that row alone;
//! text, Markdown, CSV, JSON, figures and weights files take them from it.

pub(crate) mod calibration;
pub(crate) mod classification;
pub(crate) mod decisions;
pub(crate) mod intervals;
pub(crate) mod ranking;
pub(crate) mod selective;

use std::ops::Index;

use crate::evaluate::figures::Subset;
use crate::evaluate::metrics::calibration::{ece, ece_debiased};
use crate::evaluate::metrics::decisions::{Confusion, Scored, balanced_accuracy, brier, matthews, nll, ratio};
use crate::evaluate::metrics::ranking::{average_precision, roc_auc};

/// What the table says of a metric.
struct Row {
    key: &'static str,
    name: &'static str,
    title: Option<&'static str>,
    /// Its place in a JSON object, where that is not its key: `hard.nll` is `nll` in the object `hard`, and a metric
    /// with an empty place is left out.
    json: Option<&'static str>,
    /// Its name in weights files that carry it. Another name here gives weights files other bytes.
    weights_file: Option<&'static str>,
    compared: bool,
    cost: bool,
    count: bool,
    source: Source,
}

/// What a metric is computed from.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// Labels, margins and decisions.
    Decisions(fn(&[Scored], Confusion) -> Option<f64>),
    /// What else is known of the images: their cases and strata, their copies, the controls.
    Images(fn(&Subset<'_>) -> Option<f64>),
    /// Metrics that stand above it in the table.
    Metrics(fn(&PerMetric<Option<f64>>) -> Option<f64>),
}

const fn row(key: &'static str, name: &'static str, source: Source) -> Row {
    let (title, json, weights_file) = (None, None, None);
    Row { key, name, title, json, weights_file, compared: false, cost: false, count: false, source }
}

macro_rules! table {
    ($($(#[doc = $doc:literal])+ $metric:ident = $row:expr;)+) => {
        /// A metric; malignant is positive.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric { $($(#[doc = $doc])+ $metric,)+ }

        impl Metric {
            /// All of them, in the order of the table.
            pub const ALL: [Self; [$(stringify!($metric)),+].len()] = [$(Self::$metric),+];

            const fn row(self) -> Row {
                match self { $(Self::$metric => $row,)+ }
            }
        }
    };
}

use Source::{Decisions, Images, Metrics};

table! {
    /// Right decisions among all.
    Accuracy = Row { weights_file: Some("accuracy"), compared: true,
        ..row("accuracy", "accuracy", Decisions(|scored, c| ratio(c.tp + c.tn, scored.len()))) };
    /// Malignant images among those called malignant.
    Precision = Row { weights_file: Some("precision"), compared: true,
        ..row("precision", "precision", Decisions(|_, c| ratio(c.tp, c.tp + c.fp))) };
    /// Images called malignant among the malignant: the sensitivity.
    Recall = Row { title: Some("recall (sensitivity)"), weights_file: Some("recall"), compared: true,
        ..row("recall", "recall", Decisions(|_, c| c.sensitivity())) };
    /// Images called benign among the benign.
    Specificity = Row { weights_file: Some("specificity"),
        ..row("specificity", "specificity", Decisions(|_, c| c.specificity())) };
    /// The harmonic mean of precision and recall.
    F1 = Row { weights_file: Some("f1"), compared: true,
        ..row("f1", "F1", Decisions(|_, c| ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn_))) };
    /// The mean of recall and specificity.
    BalancedAccuracy = row("balanced_accuracy", "balanced accuracy", Decisions(|_, c| balanced_accuracy(c)));
    /// Matthews's correlation coefficient, from -1 to 1.
    Mcc = Row { title: Some("Matthews correlation (MCC)"), ..row("mcc", "MCC", Decisions(|_, c| matthews(c))) };
    /// The mean negative log-likelihood in nats, whatever the threshold.
    Nll = Row { title: Some("log loss (NLL)"), weights_file: Some("nll"), compared: true, cost: true,
        ..row("nll", "loss (NLL)", Decisions(|scored, _| nll(scored))) };
    /// The mean squared distance of the probability of malignancy from 0 or 1, whatever the threshold.
    Brier = Row { cost: true, ..row("brier", "Brier score", Decisions(|scored, _| brier(scored))) };
    /// The expected calibration error in 15 bins of as many images each, whatever the threshold.
    Ece = Row { title: Some("calibration error (ECE)"), cost: true,
        ..row("ece", "ECE", Decisions(|scored, _| ece(scored))) };
    /// The same without what chance alone adds to it.
    EceDebiased = Row { title: Some("calibration error, debiased"), cost: true,
        ..row("ece_debiased", "ECE debiased", Decisions(|scored, _| ece_debiased(scored))) };
    /// The area under the ROC curve, ties counted half, whatever the threshold.
    RocAuc = Row { weights_file: Some("roc_auc"), compared: true,
        ..row("roc_auc", "ROC AUC", Decisions(|scored, _| roc_auc(scored))) };
    /// The area under the curve of precision over recall (average precision), whatever the threshold.
    PrAuc = row("pr_auc", "PR AUC", Decisions(|scored, _| average_precision(scored)));
    /// The mean share of wrong decisions among the images that are answered, over all coverages from the surest on.
    Aurc = Row { title: Some("area under risk-coverage (AURC)"), cost: true,
        ..row("aurc", "AURC", Images(|images| images.aurc())) };
    /// The mean share of all images that are answered and wrong, over all coverages from the surest on.
    Augrc = Row { title: Some("generalised AURC (AUGRC)"), cost: true,
        ..row("augrc", "AUGRC", Images(|images| images.augrc())) };
    /// The share of wrong decisions once the fifth of the images that are least sure is not answered, over that share
    /// before.
    ErrorLeft = Row { title: Some("error left, least sure 20 % not answered"), cost: true,
        ..row("error_left", "error left", Images(|images| images.error_left())) };
    /// Right decisions among all, as papers on BreakHis call it beside the rate of patients (Spanhol et al., IEEE TBME
    /// 63(7), 2016).
    ImageRecognitionRate =
        row("image_recognition_rate", "image recognition rate", Metrics(|of| of[Metric::Accuracy]));
    /// The mean over cases of the share of a case's images that are called what they are (the same).
    PatientRecognitionRate =
        row("patient_recognition_rate", "patient recognition rate", Images(|images| images.recognition()));
    /// The area under the ROC curve over pairs of one stratum only; none where no stratum holds both classes, or the
    /// strata are not known.
    WithinStrata = Row { title: Some("ROC AUC within strata"), json: Some("within_strata.roc_auc"),
        weights_file: Some("roc_auc_within_strata"), compared: true,
        ..row("within_strata", "within strata", Images(|images| images.within_strata())) };
    /// The area under the ROC curve over copies that got the colours of other images; none without copies.
    Exchanged = Row { title: Some("ROC AUC exchanged"), json: Some("exchanged.roc_auc"),
        weights_file: Some("roc_auc_exchanged"), compared: true,
        ..row("exchanged", "exchanged", Images(|images| images.exchanged())) };
    /// The same over pairs of one stratum only.
    ExchangedWithinStrata = Row { title: Some("ROC AUC exchanged, within strata"),
        json: Some("exchanged.within_strata"), weights_file: Some("roc_auc_exchanged_within_strata"), compared: true,
        ..row("exchanged_within_strata", "exch. in strata", Images(|images| images.exchanged_within_strata())) };
    /// The share of copies about which the decision differs from that about the image as it is.
    Changed = Row { title: Some("decisions that change, exchanged"), json: Some("exchanged.changed"),
        weights_file: Some("changed"), compared: true, cost: true,
        ..row("changed", "changed", Images(|images| images.changed())) };
    /// Images that a regression on their mean colour calls wrongly; none where nobody asked the mean colour.
    HardImages = Row { title: Some("images where mean colour errs"), json: Some("hard.n"), count: true,
        ..row("hard_n", "hard n", Images(|images| images.hard_images())) };
    /// The mean negative log-likelihood on these, in nats.
    HardNll = Row { title: Some("NLL where mean colour errs"), json: Some("hard.nll"), weights_file: Some("hard_nll"),
        compared: true, cost: true, ..row("hard_nll", "hard NLL", Images(|images| images.hard_nll())) };
    /// What networks are chosen by: the mean of the areas within strata, as the images are and exchanged.
    Choice = Row { title: Some("choice: mean of both within strata"), json: Some(""), compared: true,
        ..row("choice", "choice", Metrics(|of| Some((of[Metric::WithinStrata]? + of[Metric::ExchangedWithinStrata]?) / 2.0))) };
}

impl Metric {
    /// Those of the report's table, in its order.
    pub const OF_REPORT: [Self; 6] = [Self::Accuracy, Self::Nll, Self::Precision, Self::Recall, Self::F1, Self::RocAuc];

    /// The areas, which can be pooled over runs and averaged over them.
    pub const AREAS: [Self; 5] =
        [Self::RocAuc, Self::WithinStrata, Self::Exchanged, Self::ExchangedWithinStrata, Self::Choice];

    /// Those that the two kinds of split are compared by.
    pub const OF_SPLITS: [Self; 4] = [Self::Accuracy, Self::F1, Self::RocAuc, Self::Nll];

    /// Those that controls have, in the order of the tables.
    pub const OF_CONTROLS: [Self; 6] =
        [Self::RocAuc, Self::WithinStrata, Self::Exchanged, Self::ExchangedWithinStrata, Self::Changed, Self::Nll];

    /// Those of shifted images.
    pub const OF_SHIFTS: [Self; 4] = [Self::RocAuc, Self::WithinStrata, Self::Nll, Self::Changed];

    /// Those that runs are compared by: the report's, then the others.
    pub fn compared() -> impl Iterator<Item = Self> + Clone {
        Self::OF_REPORT.into_iter().chain(Self::beside_the_report())
    }

    /// Those that runs are compared by and the report has not; most show what is not tissue.
    pub fn beside_the_report() -> impl Iterator<Item = Self> + Clone {
        Self::ALL.into_iter().filter(|metric| metric.is_compared() && !Self::OF_REPORT.contains(metric))
    }

    /// The same with the areas first, which belong together in a table.
    pub fn beside_the_report_areas_first() -> Vec<Self> {
        let (areas, others): (Vec<Self>, Vec<Self>) = Self::beside_the_report().partition(|m| Self::AREAS.contains(m));
        [areas, others].concat()
    }

    /// Its name in CSV, and in JSON where it is the key of an interval.
    pub fn key(self) -> &'static str {
        self.row().key
    }

    /// Its name for people, in the head of a column.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Its name for people, where there is room.
    pub fn title(self) -> &'static str {
        self.row().title.unwrap_or(self.name())
    }

    /// The object that holds it in JSON, empty for the one that holds the others, and its name there; none where it is
    /// left out.
    pub(crate) fn json(self) -> Option<(&'static str, &'static str)> {
        let place = self.row().json.unwrap_or(self.key());
        (!place.is_empty()).then(|| place.split_once('.').unwrap_or(("", place)))
    }

    /// Its name in weights files, where they carry it.
    pub(crate) fn in_weights_files(self) -> Option<&'static str> {
        self.row().weights_file
    }

    /// Whether runs are compared by it.
    pub fn is_compared(self) -> bool {
        self.row().compared
    }

    /// Whether it has an interval over cases. Drawing cases again moves calibration errors up, for each draw has fewer
    /// images that differ; their percentiles say little.
    pub fn has_interval(self) -> bool {
        !matches!(self, Self::Ece | Self::EceDebiased) && !self.is_a_count()
    }

    /// Whether less of it is better.
    pub fn is_a_cost(self) -> bool {
        self.row().cost
    }

    /// Whether it is a number of images.
    pub fn is_a_count(self) -> bool {
        self.row().count
    }

    pub(crate) fn source(self) -> Source {
        self.row().source
    }
}

/// Something for each metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerMetric<T>([T; Metric::ALL.len()]);

impl<T> PerMetric<T> {
    /// What is given for each.
    pub fn of(value: impl FnMut(Metric) -> T) -> Self {
        Self(Metric::ALL.map(value))
    }
}

impl PerMetric<Option<f64>> {
    /// With the metrics that are computed from others.
    pub(crate) fn derived(self) -> Self {
        Self::of(|metric| match metric.source() {
            Metrics(of) => of(&self),
            Decisions(_) | Images(_) => self[metric],
        })
    }
}

impl<T> Index<Metric> for PerMetric<T> {
    type Output = T;

    fn index(&self, metric: Metric) -> &T {
        &self.0[metric as usize]
    }
}
