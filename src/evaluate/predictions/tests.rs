use super::*;
use crate::diagnosis::Threshold;
use crate::evaluate::{Figures, Metric};

const MARGINS: [f64; 5] = [0.1 + 0.2, -1e-300, 1.0 / 3.0, 37.123456789012345, -800.5];

fn predictions() -> Predictions {
    let margins = |factor: f64| MARGINS.map(|margin| margin * factor).to_vec();
    let subjects = (0..5).map(|i| Subject {
        filename: format!("SOB_{}-14-{i}-40-001.png", ["B_F", "M_DC"][i % 2]),
        truth: Label::ALL[i % 2],
        case: i.to_string(),
        subtype: ["F", "DC"][i % 2].to_owned(),
        stratum: (i > 0).then_some(Stratum { magnification: 40, width: 700 }),
    });
    let of = |factor| Margins { plain: margins(factor), exchanged: vec![margins(-factor), margins(factor / 3.0)] };
    Predictions {
        subjects: subjects.collect(),
        network: of(1.0),
        controls: vec![(Control::MeanColour, of(0.7)), (Control::Strata, of(0.3))],
        shifted: vec![(Shift::Red(0.8), margins(1.1)), (Shift::Blur(2.0), margins(0.9))],
    }
}

#[test]
fn figures_can_be_recomputed_from_the_file_to_the_last_digit() {
    let predictions = predictions();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("predictions.csv");
    write(&path, &predictions).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let header = "filename,truth,magnification,source_width,margin,probability_malignant,exchanged_1,\
                  exchanged_2,mean_colour,mean_colour_exchanged_1,mean_colour_exchanged_2,strata,";
    assert!(text.starts_with(header), "{text}");

    let again = read(&path).unwrap();
    assert_eq!(again, predictions);
    let figures = |predictions: &Predictions| Figures::of(predictions, &predictions.all(), Threshold::HALF);
    assert_eq!(figures(&again), figures(&predictions));
}

fn of_text(text: &str) -> Result<Predictions, EvaluateError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("predictions.csv");
    std::fs::write(&path, text).unwrap();
    read(&path)
}

#[test]
fn a_file_of_four_columns_is_read_and_what_needs_more_is_undefined() {
    let rows = "SOB_B_F-14-1-40-001.png,benign,-1,0.269\nSOB_M_DC-14-2-40-001.png,malignant,1,0.731\n\
                SOB_B_F-14-3-40-001.png,benign,0.5,0.622\n";
    let predictions = of_text(&format!("filename,truth,margin,probability_malignant\n{rows}")).unwrap();
    let figures = Figures::of(&predictions, &predictions.all(), Threshold::HALF);
    for metric in Metric::ALL {
        let needs_no_more = metric as usize <= Metric::PatientRecognitionRate as usize;
        assert_eq!(figures.get(metric).is_some(), needs_no_more, "{metric:?}");
    }
    assert_eq!(
        (figures.get(Metric::RocAuc), figures.get(Metric::PatientRecognitionRate)),
        (Some(1.0), Some(2.0 / 3.0))
    );
}

#[test]
fn columns_that_nobody_knows_are_passed_over() {
    let text = "filename,truth,magnification,source_width,source_height,margin,probability_malignant\n\
                SOB_B_F-14-1-40-001.png,benign,40,700,460,-1,0.2689\nSOB_M_DC-14-2-40-001.png,malignant,,,,1,0.7311\n";
    let strata: Vec<_> = of_text(text).unwrap().subjects.into_iter().map(|subject| subject.stratum).collect();
    assert_eq!(strata, [Some(Stratum { magnification: 40, width: 700 }), None]);
}

#[test]
fn rows_that_are_no_predictions_are_refused_by_line() {
    let plain = "filename,truth,margin,probability_malignant";
    let with_stratum = "filename,truth,margin,probability_malignant,magnification,source_width";
    for (header, row, message) in [
        (plain, "SOB_B_F-14-1-40-001.png,cancer,1,0.7", "\"cancer\" is neither benign nor malignant"),
        (plain, "SOB_B_F-14-1-40-001.png,benign,one,0.7", "the column margin does not fit: invalid float"),
        (plain, "SOB_B_F-14-1-40-001.png,benign,1,1.7", "1.7 is not between 0 and 1"),
        (plain, "SOB_B_F-14-1-40-001.png,benign,NaN,0.7", "the column margin does not fit: NaN is not finite"),
        (plain, "SOB_B_F-14-1-40-001.png,benign,1,0.7297", "a margin of 1 is not a probability of 0.7297"),
        (
            plain,
            "SOB_M_DC-14-2-40-001.png,benign,1,0.731",
            "SOB_M_DC-14-2-40-001.png is called benign, and by its name it is malignant",
        ),
        (plain, "SOB_B_F-14-1-40-001.png,benign", "fields"),
        (
            with_stratum,
            "SOB_B_F-14-1-40-001.png,benign,1,0.7317,40,0",
            "the column source_width does not fit: number would be zero",
        ),
        (
            with_stratum,
            "SOB_B_F-14-1-40-001.png,benign,1,0.7317,40,",
            "the column source_width does not fit: cannot parse integer from empty string",
        ),
        (
            with_stratum,
            "SOB_B_F-14-1-40-001.png,benign,1,0.7317,100,700",
            "SOB_B_F-14-1-40-001.png is listed at 100X, and by its name it is at 40X",
        ),
    ] {
        let refusal = of_text(&format!("{header}\n{row}\n")).unwrap_err().to_string();
        assert!(refusal.contains("predictions.csv, line 2") && refusal.contains(message), "{refusal}");
    }
    let refusal = of_text("filename,truth\n").unwrap_err().to_string();
    assert!(refusal.contains("no column \"probability_malignant\""), "{refusal}");
    assert!(read("no/such/folder/none.csv".as_ref()).unwrap_err().to_string().contains("cannot read"));
}

#[test]
fn runs_are_joined_with_the_draws_and_controls_that_all_of_them_have() {
    let mut fewer = predictions();
    fewer.network.exchanged.pop();
    fewer.controls.pop();
    let joined = Predictions::joined(&[predictions(), fewer]);
    assert_eq!((joined.subjects.len(), joined.network.plain.len(), joined.network.exchanged.len()), (10, 10, 1));
    assert_eq!(joined.controls.len(), 1);
    assert_eq!(joined.controls[0].1.exchanged[1].len(), 10);
}
