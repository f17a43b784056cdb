//! Results as one page that needs nothing else: no scripts, no other hosts.

mod drift;
#[cfg(feature = "cli")]
mod evaluation;
#[cfg(feature = "cli")]
mod items;
mod markup;
#[cfg(feature = "cli")]
mod methods;
#[cfg(feature = "cli")]
mod results;

#[cfg(feature = "cli")]
pub(crate) use evaluation::MISTAKES;
#[cfg(feature = "cli")]
pub use evaluation::{DrawnHeatmap, EvaluationReport, Mistake};

use crate::diagnosis::RESEARCH_USE;
use crate::report::html::markup::section;
use crate::report::svg::{colour, escaped};

const STYLE: &str = include_str!("style.css");

/// A page with what stands below its title, and sections: each with the name that links lead to, its heading and its content.
fn page(title: &str, lead: &str, sections: &[(&str, &str, String)]) -> String {
    let links = sections.iter().map(|(id, name, _)| format!("<li><a href=\"#{id}\">{}</a></li>\n", escaped(name)));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>{STYLE}{}</style>\n</head>\n<body>\n<aside class=\"notice\" aria-label=\"Notice\">{RESEARCH_USE}</aside>\n\
         <header>\n<h1>{title}</h1>\n{lead}<nav aria-label=\"Sections\"><ol>\n{}</ol></nav>\n</header>\n<main>\n{}</main>\n\
         </body>\n</html>\n",
        dark_drawings(),
        links.collect::<String>(),
        sections.iter().map(|(id, heading, content)| section(id, heading, content)).collect::<String>(),
        title = escaped(title),
    )
}

/// Rules that give drawings the colours of a dark page: they are drawn on white.
fn dark_drawings() -> String {
    let colours = [
        (colour::WHITE, "var(--card)"),
        (colour::INK, "var(--ink)"),
        (colour::GREY, "var(--soft)"),
        (colour::GRID, "var(--line)"),
        (colour::BAND, "var(--band)"),
        (colour::BLUE, "#56b4e9"),
        (colour::VERMILION, "#f0883e"),
    ];
    let rule = |(drawn, dark): (&str, &str)| {
        format!("svg [fill=\"{drawn}\"] {{ fill: {dark}; }}\nsvg [stroke=\"{drawn}\"] {{ stroke: {dark}; }}\n")
    };
    format!("@media screen and (prefers-color-scheme: dark) {{\n{}}}\n", colours.map(rule).concat())
}

#[cfg(feature = "cli")]
#[cfg(test)]
mod tests;
