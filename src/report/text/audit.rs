//! An audit as text for people.

use std::fmt::Write as _;

use crate::breakhis::{Audit, Count, Finding, Identical, SplitAudit};

/// How many findings of a kind are printed; `--json` has them all.
const SHOWN: usize = 20;

/// The whole audit, a section for each kind of finding.
pub(crate) fn render(audit: &Audit) -> String {
    let mut text = format!("{} images, {} slides, {} cases\n", audit.images, audit.slides, audit.cases);
    if audit.ignored > 0 {
        text += &format!("{} other files are ignored\n", audit.ignored);
    }
    text += &format!("\n{:<18}{:>9}{:>11}\n", "images", "here", "published");
    audit.labels.iter().for_each(|count| text += &count_line(count));
    text += &format!("\n{:<18}{:>9}{:>11}{:>9}{:>11}\n", "subtype", "here", "published", "slides", "published");
    audit.subtypes.iter().for_each(|count| text += &count_line(count));
    let sizes: Vec<String> = audit.sizes.iter().map(|(size, count)| format!("{size} ({count})")).collect();
    text += &format!("\nsizes: {}\n", sizes.join(", "));

    text += &section("unreadable images", &audit.unreadable, finding_line);
    text += &section("names that cannot be read (left out)", &audit.misnamed, finding_line);
    text += &section("doubtful names", &audit.doubtful, finding_line);
    text += &section("identical files", &audit.identical, identical_line);
    if let Some(split) = &audit.split {
        text += &format!("\n{}", render_parts(split));
        text += &section("cases in more than one part", &split.shared_cases, |shared| {
            let parts: Vec<String> = shared.images.iter().map(|(part, count)| format!("{part} {count}")).collect();
            format!("{}: {}", shared.case, parts.join(", "))
        });
    }
    text
}

/// The parts of a split as a table.
pub(crate) fn render_parts(split: &SplitAudit) -> String {
    let mut text = format!("{:<12}{:>9}{:>9}{:>11}{:>7}\n", "part", "images", "benign", "malignant", "cases");
    for (part, count) in &split.parts {
        let (benign, malignant) = (count.benign, count.malignant);
        let _ = writeln!(text, "{part:<12}{:>9}{benign:>9}{malignant:>11}{:>7}", benign + malignant, count.cases);
    }
    text
}

fn count_line(count: &Count) -> String {
    let slides = count.slides.map(|[here, published]| format!("{here:>9}{published:>11}")).unwrap_or_default();
    format!("{:<18}{:>9}{:>11}{slides}\n", count.kind, count.found, count.published)
}

fn finding_line(finding: &Finding) -> String {
    format!("{}: {}", finding.file, finding.reason)
}

fn identical_line(identical: &Identical) -> String {
    let differences = [
        (identical.labels_differ, "labels"),
        (identical.subtypes_differ, "subtypes"),
        (identical.cases_differ, "cases"),
        (identical.parts_differ, "parts of the split"),
    ];
    let differences: Vec<&str> = differences.into_iter().filter_map(|(differ, what)| differ.then_some(what)).collect();
    let across =
        if differences.is_empty() { String::new() } else { format!(" (different {})", differences.join(", ")) };
    identical.files.join(" = ") + &across
}

fn section<T>(title: &str, findings: &[T], line: impl Fn(&T) -> String) -> String {
    if findings.is_empty() {
        return format!("\n{title}: none\n");
    }
    let mut text = format!("\n{title}: {}\n", findings.len());
    findings.iter().take(SHOWN).for_each(|finding| text += &format!("  {}\n", line(finding)));
    if findings.len() > SHOWN {
        text += &format!("  and {} more; --json lists them all\n", findings.len() - SHOWN);
    }
    text
}
