//! The guide: longer texts, a page each. They lie beside this file as Markdown.
//!
//! For research use only. Not for use in diagnostic procedures.

/// A page, with links that work here: of two definitions of a link the first one counts, and those in the pages
/// themselves name the files, for readers of the repository.
macro_rules! pages {
    ($($page:ident)*) => {$(
        #[doc = "[training]: training\n[service]: service\n[deploy]: deploy\n[performance]: performance\n\
                 [results]: results\n[report]: report\n[changelog]: changelog\n[choosing]: choosing_best\n[security]: security\n\
                 [interchange]: interchange\n[clients]: clients\n[archive]: archive"]
        #[doc = include_str!(concat!(stringify!($page), ".md"))]
        pub mod $page {}
    )*};
}

pages! {
    training interchange archive service clients security deploy performance results report choosing_best contributing changelog
}
