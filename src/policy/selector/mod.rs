//! Selectors: expressions over labels.
//!
//! `Selector::parse` is the only way to make one, so whatever holds a [`Selector`] holds one that parses. Its text
//! is canonical: two selectors that print alike are the same selector.

mod lexer;
mod parser;

pub use parser::{Node, Selector, SelectorError};
