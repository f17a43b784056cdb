//! Templates: text with the names of slots in it, which are filled in.

use std::fmt::Write;

/// Fills the slots of a template: `{{name}}` with text, which is escaped, and `{{{name}}}` with markup of the page's own
/// making, which is not. A name that is not given stays empty. What is filled in is not looked at again.
pub(super) fn fill<S: AsRef<str>>(template: &str, slots: &[(&str, S)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, name, after)) = next_slot(rest) {
        filled.push_str(before);
        let (name, is_markup) = name.strip_prefix('{').map_or((name, false), |name| (name, true));
        let value = slots.iter().find(|slot| slot.0 == name).map_or("", |slot| slot.1.as_ref());
        if is_markup {
            filled.push_str(value)
        } else {
            escape_into(&mut filled, value)
        }
        rest = if is_markup { after.strip_prefix('}').unwrap_or(after) } else { after };
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
        let slots = [("a", "<{{b}}&\"'>"), ("b", "<i>{{a}}")];
        let expected = "&#60;{{b}}&#38;&#34;&#39;&#62;|<i>{{a}}|||{{";
        assert_eq!(fill("{{a}}|{{{b}}}|{{c}}|{{{c}}}|{{", &slots), expected);
    }
}
