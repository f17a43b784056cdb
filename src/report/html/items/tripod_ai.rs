//! TRIPOD+AI (Collins et al., BMJ 2024), items 1 to 27.

use super::Answer::{In, Open};
use super::Item;

pub(super) const ITEMS: &[Item] = &[
    Item(
        "1",
        "Title: evaluation of a model, for whom, of what",
        In("summary", "The title and the summary name the network, the images and the outcome."),
    ),
    Item("2", "Abstract", In("summary", "The summary stands for it.")),
    Item(
        "3a",
        "Context of care and why a model",
        In("use", "Research on networks for breast histology; there is no clinical rationale."),
    ),
    Item("3b", "Target population, purpose and users", In("use", "Images in the manner of BreakHis, for researchers.")),
    Item("3c", "Known health inequalities", Open("Nothing is known of the persons beside their diagnosis.")),
    Item(
        "4",
        "Objectives",
        In("use", "Evaluation alone: ranking, decisions, calibration, and how much of it is colour."),
    ),
    Item(
        "5a",
        "Sources of data and how representative they are",
        In("data", "BreakHis, from one laboratory; its class shares are those of no clinic."),
    ),
    Item("5b", "Dates of collection", In("data", "2014, by the authors of BreakHis; single dates are not given.")),
    Item("6a", "Setting, number and place of centres", In("data", "One laboratory in Parana, Brazil.")),
    Item(
        "6b",
        "Eligibility of participants",
        In("data", "Persons with a biopsy of a breast tumour; further criteria are not given with the images."),
    ),
    Item("6c", "Treatments", Open("They are not given with the images.")),
    Item(
        "7",
        "Preparation and quality checks of the data, alike in all groups",
        In(
            "network",
            "The network's input says how images are prepared; all are prepared alike, and one unreadable image ends the evaluation.",
        ),
    ),
    Item(
        "8a",
        "Definition of the outcome, how and when it was assessed",
        In("data", "Benign or malignant tumour, by the laboratory's diagnosis; no time horizon."),
    ),
    Item(
        "8b",
        "Who assessed the outcome, where that takes interpretation",
        Open("Pathologists of the laboratory; their number and training are not given with the images."),
    ),
    Item(
        "8c",
        "Blinding of the outcome's assessment",
        Open("The diagnoses are older than the network; more is not known."),
    ),
    Item("9a", "Choice of predictors", In("network", "The pixels of one image and nothing else; none was selected.")),
    Item(
        "9b",
        "Definition of predictors and when they were measured",
        In("data", "Photographs of stained slides at four magnifications."),
    ),
    Item(
        "9c",
        "Who assessed predictors",
        In("data", "Nobody: pixels need no assessor; the pathologist chose the fields that were photographed."),
    ),
    Item(
        "10",
        "Sample size",
        Open("All images of the measured part; no size was calculated. The intervals show what it is worth."),
    ),
    Item(
        "11",
        "Missing data",
        In("measuring", "None is allowed: one image that cannot be read, and no figure is given."),
    ),
    Item(
        "12a",
        "How data were used and divided",
        In("data", "The summary says which part was measured and whether the network was trained on its cases."),
    ),
    Item(
        "12b",
        "How predictors were handled",
        In("network", "The network's input: size, resampling, colour, mean and deviation."),
    ),
    Item(
        "12c",
        "Type of model, building, tuning, validation",
        In("network", "The architecture, the recipe and the seed; the program's guide tells how recipes were chosen."),
    ),
    Item(
        "12d",
        "Heterogeneity across clusters",
        In("groups", "Each case is a row; other laboratories were not measured."),
    ),
    Item(
        "12e",
        "Measures and plots of performance, clinical utility too",
        In(
            "measuring",
            "Discrimination, decisions, calibration, abstention, controls; clinical utility was not measured.",
        ),
    ),
    Item("12f", "Updating of the model", In("network", "None by this evaluation; the temperature is the file's own.")),
    Item(
        "12g",
        "How predictions were calculated",
        In("sharing", "By the program from the weights file named here; predictions.csv holds each."),
    ),
    Item(
        "13",
        "Class imbalance",
        In("figures", "No image is weighted; balanced accuracy, MCC and figures by class stand beside the accuracy."),
    ),
    Item(
        "14",
        "Fairness and how it was approached",
        Open("Groups of persons are not known; subtypes and magnifications are."),
    ),
    Item(
        "15",
        "Output of the model, its threshold and why",
        In(
            "measuring",
            "A probability of malignancy, and a decision at the threshold given there; one half unless the file was made with another.",
        ),
    ),
    Item(
        "16",
        "Differences between training and evaluation data",
        In("data", "Same laboratory, stain and microscope; mild shifts are measured apart."),
    ),
    Item(
        "17",
        "Ethical approval and consent",
        In("data", "Of BreakHis, by its authors; this evaluation uses published images."),
    ),
    Item("18a", "Funding", Open("To be stated by whoever publishes this.")),
    Item("18b", "Conflicts of interest", Open("To be stated by whoever publishes this.")),
    Item("18c", "Protocol", In("sharing", "None was prepared for this run.")),
    Item("18d", "Registration", In("sharing", "None.")),
    Item(
        "18e",
        "Availability of data",
        In("sharing", "BreakHis is published by its authors; predictions.csv lies beside this page."),
    ),
    Item("18f", "Availability of code", In("sharing", "The program is under the MIT and the Apache licence.")),
    Item("19", "Patient and public involvement", Open("There was none in this evaluation.")),
    Item(
        "20a",
        "Flow of participants",
        In("data", "Cases and images with either outcome; none was left out of the measured part."),
    ),
    Item(
        "20b",
        "Characteristics of participants",
        Open("Classes, subtypes and magnifications are given; age, sex and history are not known."),
    ),
    Item(
        "20c",
        "Comparison with the training data",
        Open("The weights file names the cases that it was trained on, not their images."),
    ),
    Item(
        "21",
        "Participants and events in each analysis",
        In("data", "Counted by magnification and subtype; each table has its own n."),
    ),
    Item("22", "The full model", In("network", "The weights file, by its SHA-256; the program reads it.")),
    Item(
        "23a",
        "Performance with intervals, also of subgroups",
        In("figures", "Overall with intervals; groups without, for they rest on few cases."),
    ),
    Item("23b", "Heterogeneity of performance across clusters", In("groups", "By case, subtype and magnification.")),
    Item("24", "Results of updating", In("network", "Nothing was updated.")),
    Item(
        "25",
        "Interpretation, fairness and earlier studies",
        Open("The figures stand beside their controls; what they mean for a question has to be said with it."),
    ),
    Item("26", "Limitations", In("limits", "Few persons, one laboratory, tumours only, and colour.")),
    Item(
        "27a",
        "Poor or missing input",
        Open(
            "Files that are damaged or no images are refused. The flags of the weights file were not applied here: every \
             image is decided on.",
        ),
    ),
    Item(
        "27b",
        "Interaction and expertise of users",
        In("use", "A user chooses the image and needs to know histology."),
    ),
    Item("27c", "Next steps for research", Open("Other laboratories, scanners and stains come first.")),
];
