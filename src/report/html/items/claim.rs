//! CLAIM 2024 (Tejani et al., Radiology: Artificial Intelligence 2024), items 1 to 44.

use super::Answer::{In, Open};
use super::Item;

pub(super) const ITEMS: &[Item] = &[
    Item(
        "1",
        "Named as a study of artificial intelligence, with its kind",
        In("network", "A convolutional network, deep learning."),
    ),
    Item("2", "Summary of design, methods, results", In("summary", "The summary stands for it.")),
    Item("3", "Background, use and role", In("use", "Research alone; no role in care.")),
    Item(
        "4",
        "Aims and hypotheses",
        In("use", "How well it ranks, decides and is calibrated, and how much of that is colour."),
    ),
    Item("5", "Prospective or retrospective", In("data", "Retrospective: published images.")),
    Item("6", "Goal of the study", In("use", "Evaluation of a network that exists.")),
    Item("7", "Sources of data", In("data", "BreakHis.")),
    Item("8", "Inclusion and exclusion", In("data", "All images of the measured part; none was left out.")),
    Item("9", "Preprocessing", In("network", "The network's input, which travels in the weights file.")),
    Item("10", "Selection of subsets of data", In("network", "The whole image, made smaller; no regions were chosen.")),
    Item(
        "11",
        "De-identification",
        In("data", "By the authors of BreakHis; file names hold a case's number and no name."),
    ),
    Item("12", "Missing data", In("measuring", "None is allowed.")),
    Item(
        "13",
        "How images were acquired",
        In("data", "Microscope photographs at four magnifications, stained with haematoxylin and eosin."),
    ),
    Item(
        "14",
        "How the reference standard was obtained",
        In("data", "The laboratory's diagnosis of the slide; every image of it has that label."),
    ),
    Item("15", "Why this reference standard", Open("It is the one that the data set has; no second reading was made.")),
    Item(
        "16",
        "Source of annotations",
        Open("Pathologists of the laboratory; their qualifications are not given with the images."),
    ),
    Item("17", "Annotation of the test set", In("data", "The same diagnoses as elsewhere in the data set.")),
    Item("18", "Variability between and within annotators", Open("It is not known.")),
    Item(
        "19",
        "How data were assigned to parts",
        In("data", "The measured part is named there; the split file decides."),
    ),
    Item(
        "20",
        "Level at which parts are disjoint",
        In("summary", "The first lines say whether the network was trained on any of these cases."),
    ),
    Item("21", "Intended sample size", Open("None was calculated.")),
    Item("22", "The model in detail", In("network", "Architecture, input and output.")),
    Item("23", "Software", In("network", "Lobule, in the version given there.")),
    Item("24", "Start of the parameters", In("network", "The start that the weights file names.")),
    Item(
        "25",
        "Training",
        In("network", "Recipe, seed and epoch; a recipe is a file of readable numbers in the program."),
    ),
    Item(
        "26",
        "How the final model was chosen",
        Open("The weights file does not say; the program's guide has it for the shipped one."),
    ),
    Item("27", "Ensembles", In("network", "None: one network.")),
    Item("28", "Metrics of performance", In("measuring", "Each is defined there.")),
    Item("29", "Significance and uncertainty", In("measuring", "95 % intervals over cases; no tests of hypotheses.")),
    Item("30", "Robustness and sensitivity", In("shifts", "Mild shifts, and colours exchanged.")),
    Item(
        "31",
        "Explanation and interpretation",
        In(
            "colour",
            "Controls show what colour alone explains; beside the worst mistakes stands where the network looked.",
        ),
    ),
    Item("32", "Evaluation on internal data", In("figures", "The measured part of BreakHis.")),
    Item("33", "Testing on external data", Open("No other laboratory's images were measured.")),
    Item("34", "Registration of a trial", In("sharing", "None: no trial.")),
    Item(
        "35",
        "Numbers of patients or examinations included and excluded",
        In("data", "Cases and images by class; none excluded."),
    ),
    Item(
        "36",
        "Demographic and clinical characteristics of each partition",
        Open("Subtypes are given; age, sex and history are not known."),
    ),
    Item("37", "Performance with its uncertainty", In("figures", "All figures, with intervals.")),
    Item(
        "38",
        "Diagnostic accuracy with its precision",
        In("figures", "Sensitivity, specificity and precision, with intervals."),
    ),
    Item(
        "39",
        "Analysis of failures",
        In("mistakes", "The worst mistakes as images; cases that are mostly wrong in the table by case."),
    ),
    Item("40", "Limitations", In("limits", "Few persons, one laboratory, tumours only, and colour.")),
    Item("41", "Implications for practice, intended use and role", In("use", "None: for research use only.")),
    Item("42", "Protocol or further technical details", In("sharing", "The program's guide; no protocol.")),
    Item(
        "43",
        "Availability of software, model and data",
        In(
            "sharing",
            "The program is under the MIT and the Apache licence, the weights file is named, BreakHis is published.",
        ),
    ),
    Item("44", "Funding, other support and the role of funders", Open("To be stated by whoever publishes this.")),
];
