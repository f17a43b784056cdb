//! The pieces of markup that the report is made of.

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::report::sections::{Section, Table};
use crate::report::svg::escaped;

/// A section with its heading, which links lead to.
pub(super) fn section(id: &str, heading: &str, content: &str) -> String {
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{content}</section>\n", escaped(heading))
}

/// A heading below that of a section.
pub(super) fn heading(text: &str) -> String {
    format!("<h3>{}</h3>\n", escaped(text))
}

/// A paragraph of words.
pub(super) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escaped(text))
}

/// What formats for people take, as tables and lists.
pub(super) fn shown(section: &Section) -> String {
    match section {
        Section::Table(content) => table(content),
        Section::Lines(lines) => {
            format!("<ul>{}</ul>\n", lines.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect::<String>())
        }
        Section::Sentence(sentence) => paragraph(sentence),
    }
}

/// Columns from which on a table is set smaller on paper.
const WIDE: usize = 10;

/// A table that scrolls by itself where it is too wide; the first line of its title is the caption, the others stand
/// below it.
fn table(Table { title, words, header, rows }: &Table) -> String {
    let (caption, note) = title.split_once('\n').unwrap_or((title, ""));
    let kind = |column: usize| if column < *words { "" } else { " class=\"number\"" };
    let name = |(column, name): (usize, &String)| match name.is_empty() {
        true => "<td></td>".to_owned(),
        false => format!("<th scope=\"col\"{}>{}</th>", kind(column), escaped(name)),
    };
    let cell = |(column, cell): (usize, &String)| match column == 0 && *words > 0 {
        true => format!("<th scope=\"row\">{}</th>", escaped(cell.trim())),
        false => format!("<td{}>{}</td>", kind(column), escaped(cell)),
    };
    let row = |row: &Vec<String>| format!("<tr>{}</tr>\n", row.iter().enumerate().map(cell).collect::<String>());
    let note = if note.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>\n", escaped(note)) };
    format!(
        "<div class=\"scroll{}\" tabindex=\"0\" role=\"group\" aria-label=\"{}\"><table>\n<caption><span>{}</span></caption>\n\
         <thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table></div>\n{note}",
        if header.len() >= WIDE { " wide" } else { "" },
        escaped(caption),
        escaped(caption),
        header.iter().enumerate().map(name).collect::<String>(),
        rows.iter().map(row).collect::<String>(),
    )
}

/// Drawings beside each other where there is room, each with what it shows.
pub(super) fn plots<const N: usize>(plots: [(String, String); N]) -> String {
    let plot = |(svg, caption): (String, String)| {
        format!("<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>\n", escaped(&caption))
    };
    format!("<div class=\"plots\">\n{}</div>\n", plots.map(plot).concat())
}

/// Figures that stand first, each with its name and two remarks.
pub(super) fn cards<const N: usize>(cards: [(&str, String, [String; 2]); N]) -> String {
    let card = |(name, value, remarks): (&str, String, [String; 2])| {
        let remarks = remarks.map(|remark| format!("<span>{}</span>", escaped(&remark))).join(" ");
        format!("<div class=\"card\"><dt>{}</dt><dd><strong>{value}</strong> {remarks}</dd></div>\n", escaped(name))
    };
    format!("<dl class=\"cards\">\n{}</dl>\n", cards.map(card).concat())
}

/// Names with what they stand for.
pub(super) fn list_of_facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let fact =
        |(name, text): (&str, String)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name), escaped(&text));
    format!("<dl>\n{}</dl>\n", facts.into_iter().map(fact).collect::<String>())
}

/// An image within the page, which lies nowhere else.
pub(super) fn image(kind: &str, bytes: &[u8], alt: &str) -> String {
    let data = BASE64_STANDARD.encode(bytes);
    format!("<img src=\"data:image/{kind};base64,{data}\" alt=\"{}\">", escaped(alt))
}
