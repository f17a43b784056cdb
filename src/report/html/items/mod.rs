//! The items of two reporting guidelines, each answered or said to be open.

mod claim;
mod tripod_ai;

use crate::report::html::markup::{heading, paragraph};
use crate::report::svg::escaped;

/// The heading of the list.
pub(super) const ITEMS: &str = "Items of TRIPOD+AI and CLAIM 2024";

/// An item: its number, what it asks for in our words, and the answer.
struct Item(&'static str, &'static str, Answer);

enum Answer {
    /// Given in a section of the page, by its id, or here.
    In(&'static str, &'static str),
    /// Not known to the program, or not done: whoever publishes the figures has to say it.
    Open(&'static str),
}

use Answer::{In, Open};

/// The guidelines with their items.
pub(super) fn items() -> String {
    let intro = "What a reader of a study may ask, by Collins et al., BMJ 2024;385:e078378 (TRIPOD+AI) and Tejani et al., \
                 Radiology: Artificial Intelligence 2024;6(4):e240300 (CLAIM), in our words. An open item is one that this \
                 program cannot know or that was not done; whoever publishes the figures has to answer it.";
    let guideline = |(name, items): (&str, &[Item])| {
        let open = items.iter().filter(|Item(.., answer)| matches!(answer, Open(_))).count();
        heading(&format!("{name}: {} items, of which {open} are open", items.len()))
            + &format!("<ul class=\"items\">\n{}</ul>\n", items.iter().map(item).collect::<String>())
    };
    paragraph(intro) + &[("TRIPOD+AI", tripod_ai::ITEMS), ("CLAIM 2024", claim::ITEMS)].map(guideline).concat()
}

fn item(Item(number, asks, answer): &Item) -> String {
    let answer = match answer {
        In(section, words) => {
            format!("<a class=\"answered\" href=\"#{section}\">Answered</a>: {}", escaped(words))
        }
        Open(words) => format!("<span class=\"open\">Open</span>: {}", escaped(words)),
    };
    let asks = escaped(asks);
    format!("<li><span>{number}</span><span class=\"asks\">{asks}</span><span class=\"answer\">{answer}</span></li>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_stands_once_in_order_and_has_an_answer_in_a_sentence() {
        let tripod: Vec<&str> = tripod_ai::ITEMS.iter().map(|item| item.0).collect();
        let numbers = tripod.iter().map(|number| number.trim_end_matches(char::is_alphabetic).parse().unwrap());
        let numbers: Vec<u32> = numbers.collect();
        assert!(numbers.is_sorted() && (1..=27).all(|number| numbers.contains(&number)), "{tripod:?}");
        assert!(tripod.windows(2).all(|pair| pair[0] != pair[1]), "{tripod:?}");
        assert_eq!(tripod.len(), 52);
        let claim: Vec<u32> = claim::ITEMS.iter().map(|item| item.0.parse().unwrap()).collect();
        assert_eq!(claim, (1..=44).collect::<Vec<_>>());
        for Item(number, _, answer) in tripod_ai::ITEMS.iter().chain(claim::ITEMS) {
            let (In(_, words) | Open(words)) = answer;
            assert!(words.ends_with('.') && !words.starts_with(char::is_lowercase), "{number}: {words}");
        }
    }
}
