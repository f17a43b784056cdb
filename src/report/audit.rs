//! What an audit found, for people.

use crate::breakhis::{Audit, Count, Finding, Identical, SplitAudit};
use crate::report::sections::{Section, row};

/// How many findings of a kind are shown; JSON has them all.
const SHOWN: usize = 20;

/// The whole audit, a section for each kind of finding.
pub(crate) fn audit(audit: &Audit) -> Vec<Section> {
    let mut head = vec![format!("{} images, {} slides, {} cases", audit.images, audit.slides, audit.cases)];
    if audit.ignored > 0 {
        head.push(format!("{} other files are ignored", audit.ignored));
    }
    let sizes: Vec<String> = audit.sizes.iter().map(|(size, count)| format!("{size} ({count})")).collect();
    let mut sections = vec![
        Section::Lines(head),
        Section::table("", 1, ["images", "here", "published"], audit.labels.iter().map(counts)),
        Section::table(
            "",
            1,
            ["subtype", "here", "published", "slides", "published"],
            audit.subtypes.iter().map(counts),
        ),
        Section::Lines(vec![format!("sizes: {}", sizes.join(", "))]),
        findings("unreadable images", &audit.unreadable, finding),
        findings("names that cannot be read (left out)", &audit.misnamed, finding),
        findings("doubtful names", &audit.doubtful, finding),
        findings("identical files", &audit.identical, identical),
    ];
    if !audit.unreachable.is_empty() {
        sections.push(findings("folders and links that cannot be followed", &audit.unreachable, finding));
    }
    if let Some(split) = &audit.split {
        sections.push(parts(split));
        sections.push(findings("cases in more than one part", &split.shared_cases, |shared| {
            let parts: Vec<String> = shared.images.iter().map(|(part, count)| format!("{part} {count}")).collect();
            format!("{}: {}", shared.case, parts.join(", "))
        }));
    }
    sections
}

/// The parts of a split.
pub(crate) fn parts(split: &SplitAudit) -> Section {
    let rows = split.parts.iter().map(|(part, count)| {
        let counts = [count.benign + count.malignant, count.benign, count.malignant, count.cases];
        row([&*part.to_string()], counts.map(|count| count.to_string()))
    });
    Section::table("", 1, ["part", "images", "benign", "malignant", "cases"], rows)
}

fn counts(count: &Count) -> Vec<String> {
    let slides = count.slides.into_iter().flatten();
    row([&*count.kind], [count.found, count.published].into_iter().chain(slides).map(|count| count.to_string()))
}

fn finding(finding: &Finding) -> String {
    format!("{}: {}", finding.file, finding.reason)
}

fn identical(identical: &Identical) -> String {
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

fn findings<T>(title: &str, findings: &[T], line: impl Fn(&T) -> String) -> Section {
    if findings.is_empty() {
        return Section::Lines(vec![format!("{title}: none")]);
    }
    let mut lines = vec![format!("{title}: {}", findings.len())];
    lines.extend(findings.iter().take(SHOWN).map(|finding| format!("  {}", line(finding))));
    if findings.len() > SHOWN {
        lines.push(format!("  and {} more; --json lists them all", findings.len() - SHOWN));
    }
    Section::Lines(lines)
}
