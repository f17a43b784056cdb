//! Templates: text with `{{name}}`s in it, which are filled in and escaped.

use std::fmt::Write;

/// What stands in the place of a `{{name}}`.
#[derive(Clone, Copy)]
pub(super) enum Slot<'a> {
    /// Any text; it is escaped.
    Text(&'a str),
    /// Markup of the page's own making; it is not.
    Html(&'a str),
}

/// Fills the `{{name}}`s of a template; a name without a slot stays empty. What is filled in is not looked at again.
pub(super) fn fill(template: &str, slots: &[(&str, Slot<'_>)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, name, after)) = next_slot(rest) {
        filled.push_str(before);
        match slots.iter().find(|slot| slot.0 == name).map(|slot| slot.1) {
            Some(Slot::Text(text)) => escape_into(&mut filled, text),
            Some(Slot::Html(html)) => filled.push_str(html),
            None => {}
        }
        rest = after;
    }
    filled + rest
}

fn next_slot(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

fn escape_into(html: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' | '<' | '>' | '"' | '\'' => {
                // Writing to a String cannot fail.
                let _ = write!(html, "&#{};", u32::from(letter));
            }
            _ => html.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_escaped_and_not_filled_in_again() {
        let slots = [("a", Slot::Text("<{{b}}&\"'>")), ("b", Slot::Html("<i>"))];
        assert_eq!(fill("{{a}}|{{b}}|{{c}}|{{", &slots), "&#60;{{b}}&#38;&#34;&#39;&#62;|<i>||{{");
    }
}
