//! Selectors: expressions over labels.
//!
//! `Selector::parse` reads text, `Selector::from_node` normalises an expression made by hand; there is no third way,
//! so whatever holds a [`Selector`] holds a whole one. Its text is canonical: two selectors that print alike are the
//! same selector, and the text parses to the selector it was printed from.
//!
//! ```text
//!   text --lexer--> tokens --parser--> Node --canonical--> text
//!                                        \--matching--> does a set of labels match?
//! ```
//!
//! Source of the language: `projectcalico/calico`, `libcalico-go/lib/selector` and its tests.

mod canonical;
mod lexer;
mod matching;
mod parser;

pub use parser::{Node, Selector, SelectorError};
