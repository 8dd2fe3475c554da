//! Parses selectors, prints them in canonical form and evaluates them.

use std::fmt;

use crate::model::Name;

/// One operation of a selector.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Node {
    /// `all()`, and the empty selector.
    All,
    /// `global()`; true when evaluated, it has meaning only where a rule's namespaces are selected.
    Global,
    /// `has(key)`.
    Has(Name),
    /// `key == "value"`.
    Eq(Name, Name),
    /// `key != "value"`: absent or different.
    Ne(Name, Name),
    /// `key in {…}`; values sorted, without repeats.
    In(Name, Vec<Name>),
    /// `key not in {…}`: absent or none of them; values sorted, without repeats.
    NotIn(Name, Vec<Name>),
    /// `key contains "text"`.
    Contains(Name, Name),
    /// `key starts with "text"`.
    StartsWith(Name, Name),
    /// `key ends with "text"`.
    EndsWith(Name, Name),
    /// `!operand`.
    Not(Box<Node>),
    /// Operands joined by `&&`; two or more.
    And(Vec<Node>),
    /// Operands joined by `||`; two or more.
    Or(Vec<Node>),
}

/// A parsed selector.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Selector {
    root: Node,
}

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause} at column {column}")]
pub struct SelectorError {
    /// What is wrong, in the words of the language.
    pub cause: String,
    /// Where in the text, counted from 1 in characters.
    pub column: usize,
}

impl Selector {
    /// Returns the outermost operation.
    #[must_use]
    pub const fn root(&self) -> &Node {
        &self.root
    }
}

/// Prints the canonical text.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.root)
    }
}
