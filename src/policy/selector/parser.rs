//! Parses selectors.
//!
//! The parser holds its open parentheses on a list of its own, so the depth of a text costs no stack. The depth of
//! the result is bounded, which bounds everything that walks it.

use super::lexer::{Kind, Token, error, tokenize};
use crate::model::Name;

/// The most comparisons in one selector. Every one may be evaluated for every endpoint.
const TERMS_MAX: usize = 64;

/// The most values between one pair of braces.
const VALUES_MAX: usize = 256;

/// The deepest nesting of `&&` and `||` in each other. Parentheses that change nothing do not count.
const NESTING_MAX: usize = 16;

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
    // INVARIANT: normal, as `canonical::normalise` leaves it.
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
    /// Parses a selector. A text without any operation selects all.
    ///
    /// # Errors
    ///
    /// Where the text is no selector, or is larger than the limits of this module allow: 4 KiB of text, 64 terms,
    /// 256 values in one pair of braces, 16 levels of `&&` and `||` in each other.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        // Blanks and line breaks around the whole are cut off, as Calico does before it parses.
        let body = text.trim_matches([' ', '\t', '\n', '\r']);
        let cut = text.find(body).unwrap_or(0);
        let parser = Parser {
            text: body,
            tokens: tokenize(body).map_err(|it| shift(it, text, cut))?,
            position: 0,
            terms: 0,
        };
        parser.run().map(|root| Self { root }).map_err(|it| shift(it, text, cut))
    }

    /// Makes a selector of a root that is in normal form.
    pub(super) const fn from_normal(root: Node) -> Self {
        Self { root }
    }

    /// Returns the outermost operation.
    #[must_use]
    pub const fn root(&self) -> &Node {
        &self.root
    }

    /// Returns the outermost operation, owned.
    #[must_use]
    pub fn into_root(self) -> Node {
        self.root
    }
}

/// Moves an error's column from the trimmed text to the text that was given.
fn shift(error: SelectorError, text: &str, cut: usize) -> SelectorError {
    let before = text.char_indices().take_while(|(idx, _)| *idx < cut).count();
    SelectorError { column: error.column + before, ..error }
}

/// An operand, and how deep `&&` and `||` nest in it.
struct Operand {
    node: Node,
    depth: usize,
}

/// What stands between one pair of parentheses.
#[derive(Default)]
struct Frame {
    /// Where the parenthesis opened.
    at: usize,
    /// An odd number of `!` stands before it.
    negated: bool,
    /// Groups of `&&` that are finished.
    ors: Vec<Operand>,
    /// The group that is being read.
    ands: Vec<Operand>,
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    position: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn run(mut self) -> Result<Node, SelectorError> {
        if self.tokens.is_empty() {
            return Ok(Node::All);
        }
        let mut outer: Vec<Frame> = Vec::new();
        let mut frame = Frame::default();
        loop {
            // An operand is due.
            let negated = self.negations();
            let at = self.at();
            if self.eat(Kind::OpenParen) {
                outer.push(std::mem::replace(&mut frame, Frame { at, negated, ..Frame::default() }));
                continue;
            }
            let node = negate(self.operation()?, negated);
            frame.ands.push(Operand { node, depth: 0 });
            // An operator is due, after any closing parentheses.
            loop {
                let token = self.bump();
                match token.map(|it| it.kind) {
                    None if outer.is_empty() => return Ok(self.close(frame, self.text.len())?.node),
                    None => {
                        return Err(error(
                            self.text,
                            frame.at,
                            "the parenthesis that opens here is never closed",
                        ));
                    }
                    Some(Kind::And) => break,
                    Some(Kind::Or) => {
                        let at = self.at();
                        let group = self.join(std::mem::take(&mut frame.ands), Node::And, at)?;
                        frame.ors.push(group);
                        break;
                    }
                    Some(Kind::CloseParen) => {
                        let at = token.map_or(self.text.len(), |it| it.at);
                        let Some(parent) = outer.pop() else {
                            return Err(error(self.text, at, "this parenthesis was never opened"));
                        };
                        let closed = std::mem::replace(&mut frame, parent);
                        let negated = closed.negated;
                        let Operand { node, depth } = self.close(closed, at)?;
                        frame.ands.push(Operand { node: negate(node, negated), depth });
                    }
                    Some(_) => {
                        let at = token.map_or(self.text.len(), |it| it.at);
                        return Err(error(self.text, at, "`&&` or `||` is missing before this"));
                    }
                }
            }
        }
    }

    /// Reads one comparison or function.
    fn operation(&mut self) -> Result<Node, SelectorError> {
        let at = self.at();
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(error(self.text, at, format!("the selector has more than {TERMS_MAX} terms")));
        }
        match self.bump().map(|it| it.kind) {
            Some(Kind::All) => Ok(Node::All),
            Some(Kind::Global) => Ok(Node::Global),
            Some(Kind::Has(key)) => Ok(Node::Has(Name::from(key))),
            Some(Kind::Key(key)) => self.comparison(key, at),
            Some(Kind::Text(_)) => Err(error(
                self.text,
                at,
                "a label key must stand on the left, and the quoted text on the right",
            )),
            Some(_) => Err(error(self.text, at, "a label key, `has(…)` or `all()` is missing before this")),
            None => {
                Err(error(self.text, at, "the selector ends where a label key, `has(…)` or `all()` is due"))
            }
        }
    }

    /// Reads what follows a label key.
    fn comparison(&mut self, key: &'a str, key_at: usize) -> Result<Node, SelectorError> {
        let key = Name::from(key);
        let at = self.at();
        match self.bump().map(|it| it.kind) {
            Some(Kind::Equal) => Ok(Node::Eq(key, self.value()?)),
            Some(Kind::NotEqual) => Ok(Node::Ne(key, self.value()?)),
            Some(Kind::Contains) => Ok(Node::Contains(key, self.value()?)),
            Some(Kind::StartsWith) => Ok(Node::StartsWith(key, self.value()?)),
            Some(Kind::EndsWith) => Ok(Node::EndsWith(key, self.value()?)),
            Some(Kind::In) => Ok(Node::In(key, self.values()?)),
            Some(Kind::NotIn) => Ok(Node::NotIn(key, self.values()?)),
            Some(Kind::And | Kind::Or | Kind::CloseParen) | None => Err(error(
                self.text,
                key_at,
                format!(
                    "`{key}` is compared with nothing; write `has({key})` to ask whether the label is there"
                ),
            )),
            Some(_) => Err(error(self.text, at, format!("an operator is missing after `{key}`"))),
        }
    }

    fn value(&mut self) -> Result<Name, SelectorError> {
        let at = self.at();
        match self.bump().map(|it| it.kind) {
            Some(Kind::Text(value)) => Ok(Name::from(value)),
            Some(Kind::Key(word)) => {
                Err(error(self.text, at, format!("the value must be quoted; did you mean `'{word}'`?")))
            }
            Some(_) => Err(error(self.text, at, "a quoted text is due here")),
            None => Err(error(self.text, at, "the selector ends where a quoted text is due")),
        }
    }

    /// Reads a set of values: sorted, without repeats. A comma may stand after the last.
    fn values(&mut self) -> Result<Vec<Name>, SelectorError> {
        let open = self.at();
        if !self.eat(Kind::OpenBrace) {
            return Err(error(self.text, open, "a set of values is due here, as in `{'a', 'b'}`"));
        }
        let mut values = Vec::new();
        while !self.eat(Kind::CloseBrace) {
            if self.position >= self.tokens.len() {
                return Err(error(self.text, open, "the brace that opens here is never closed"));
            }
            values.push(self.value()?);
            if values.len() > VALUES_MAX {
                return Err(error(self.text, open, format!("the set has more than {VALUES_MAX} values")));
            }
            let at = self.at();
            if self.eat(Kind::Comma) || self.peek() == Some(Kind::CloseBrace) {
                continue;
            }
            return Err(match self.peek() {
                None => error(self.text, open, "the brace that opens here is never closed"),
                Some(_) => error(self.text, at, "`,` or `}` is due here"),
            });
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    /// Turns what stands between parentheses into one operand.
    fn close(&self, frame: Frame, at: usize) -> Result<Operand, SelectorError> {
        let Frame { ands, mut ors, at: _, negated: _ } = frame;
        ors.push(self.join(ands, Node::And, at)?);
        self.join(ors, Node::Or, at)
    }

    fn join(
        &self,
        mut operands: Vec<Operand>,
        make: fn(Vec<Node>) -> Node,
        at: usize,
    ) -> Result<Operand, SelectorError> {
        if operands.len() == 1
            && let Some(only) = operands.pop()
        {
            return Ok(only);
        }
        let depth = operands.iter().map(|it| it.depth).max().unwrap_or(0) + 1;
        if depth > NESTING_MAX {
            return Err(error(self.text, at, format!("the selector nests deeper than {NESTING_MAX} levels")));
        }
        Ok(Operand { node: make(operands.into_iter().map(|it| it.node).collect()), depth })
    }

    /// Skips `!` and tells whether their number is odd.
    fn negations(&mut self) -> bool {
        let mut negated = false;
        while self.eat(Kind::Not) {
            negated = !negated;
        }
        negated
    }

    fn peek(&self) -> Option<Kind<'a>> {
        self.tokens.get(self.position).map(|it| it.kind)
    }

    fn bump(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.get(self.position).copied();
        self.position += 1;
        token
    }

    fn eat(&mut self, kind: Kind<'_>) -> bool {
        let found = self.peek() == Some(kind);
        self.position += usize::from(found);
        found
    }

    /// The byte where the next token begins.
    fn at(&self) -> usize {
        self.tokens.get(self.position).map_or(self.text.len(), |it| it.at)
    }
}

/// Puts a `!` before `node`; two of them cancel each other.
pub(super) fn negate(node: Node, negated: bool) -> Node {
    match node {
        node if !negated => node,
        Node::Not(inner) => *inner,
        node => Node::Not(Box::new(node)),
    }
}
