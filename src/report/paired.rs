//! What a paired difference of two networks shows.

use crate::evaluate::Paired;
use crate::report::sections::{Section, row};
use crate::system::thousands;

/// The differences with their intervals.
pub(super) fn table(paired: &Paired) -> Section {
    let Paired { sides: [first, second], n, cases, differences, intervals } = paired;
    let rows = Paired::metrics().map(|metric| {
        let difference = differences[metric];
        let difference = difference.map_or_else(|| "undefined".to_owned(), |difference| format!("{difference:+.4}"));
        let ends = intervals[metric].map_or_else(String::new, |(low, high)| format!("{low:+.4} to {high:+.4}"));
        row([metric.title()], [difference, ends])
    });
    let title = format!(
        "{first} minus {second} on the same {} images of {cases} cases\n(each draw of whole cases measures both; an \
         interval without 0 is a difference that other persons of this kind would not turn round)",
        thousands(*n)
    );
    Section::table(title, 1, ["", "difference", "95 % over cases"], rows)
}
