//! Splits the text of a selector into tokens.

use super::parser::SelectorError;

/// The longest text. Calico stops at 1,024 characters for the selector of a policy; other places have no limit of
/// their own, and an object in etcd is large. Doubling it doubles what a hostile text costs, and no more.
pub(super) const TEXT_BYTES_MAX: usize = 4096;

/// The longest label key, as Calico's tokenizer has it.
const KEY_BYTES_MAX: usize = 512;

/// The smallest piece of a selector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind<'a> {
    /// A label key.
    Key(&'a str),
    /// A quoted text, without its quotes.
    Text(&'a str),
    /// `has(key)`.
    Has(&'a str),
    /// `all()`.
    All,
    /// `global()`.
    Global,
    /// `(`.
    OpenParen,
    /// `)`.
    CloseParen,
    /// `{`.
    OpenBrace,
    /// `}`.
    CloseBrace,
    /// `,`.
    Comma,
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `in`.
    In,
    /// `not in`.
    NotIn,
    /// `contains`.
    Contains,
    /// `starts with`.
    StartsWith,
    /// `ends with`.
    EndsWith,
    /// `!`.
    Not,
    /// `&&`.
    And,
    /// `||`.
    Or,
}

/// A token and the byte where it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) at: usize,
}

/// Splits `text` into tokens.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token<'_>>, SelectorError> {
    if text.len() > TEXT_BYTES_MAX {
        let cause = format!("the selector is longer than {TEXT_BYTES_MAX} bytes");
        return Err(error(text, 0, cause));
    }
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut rest = text;
    loop {
        rest = trim_blanks(rest);
        let at = text.len() - rest.len();
        if rest.is_empty() {
            return Ok(tokens);
        }
        // Word operators are known only behind a key; everywhere else such a word is a key itself.
        let after_key = matches!(tokens.last(), Some(Token { kind: Kind::Key(_), .. }));
        let (kind, length) =
            next(rest, after_key).map_err(|(cause, within)| error(text, at + within, cause))?;
        tokens.push(Token { kind, at });
        rest = rest.get(length..).unwrap_or("");
    }
}

/// Makes an error that points at the byte `at` of `text`.
pub(super) fn error(text: &str, at: usize, cause: impl Into<String>) -> SelectorError {
    let column = text.char_indices().take_while(|(idx, _)| *idx < at).count() + 1;
    SelectorError { cause: cause.into(), column }
}

/// Reads one token from the begin of `rest`, which is not empty and begins with no blank. Gives the token and its
/// length in bytes, or a cause and where in `rest` it lies.
fn next(rest: &str, after_key: bool) -> Result<(Kind<'_>, usize), (String, usize)> {
    const FIXED: [(&str, Kind<'_>); 10] = [
        ("==", Kind::Equal),
        ("!=", Kind::NotEqual),
        ("&&", Kind::And),
        ("||", Kind::Or),
        ("!", Kind::Not),
        ("(", Kind::OpenParen),
        (")", Kind::CloseParen),
        ("{", Kind::OpenBrace),
        ("}", Kind::CloseBrace),
        (",", Kind::Comma),
    ];
    if let Some((text, kind)) = FIXED.iter().find(|(text, _)| rest.starts_with(text)) {
        return Ok((*kind, text.len()));
    }
    match rest.chars().next() {
        Some(quote @ ('\'' | '"')) => quoted(rest, quote),
        Some(it) if is_key_char(it) => {
            if after_key {
                operator(rest)
            } else {
                Ok(match function(rest) {
                    Some(found) => found,
                    None => key(rest)?,
                })
            }
        }
        Some('=') => Err(("`=` is no operator, write `==`".into(), 0)),
        Some('&') => Err(("`&` is no operator, write `&&`".into(), 0)),
        Some('|') => Err(("`|` is no operator, write `||`".into(), 0)),
        Some('\n' | '\r') => {
            Err(("a line break inside a selector; write it on one line, or fold it with `>-`".into(), 0))
        }
        Some(it) => Err((format!("unexpected character `{}`", it.escape_debug()), 0)),
        None => Err(("unexpected end".into(), 0)),
    }
}

fn quoted(rest: &str, quote: char) -> Result<(Kind<'_>, usize), (String, usize)> {
    let inner = rest.get(1..).unwrap_or("");
    match inner.split_once(quote) {
        Some((value, _)) => Ok((Kind::Text(value), value.len() + 2)),
        None => Err((format!("the text that begins here is never closed with `{quote}`"), 0)),
    }
}

/// Reads `has(key)`, `all()` or `global()`: no blank before the parenthesis, any blanks inside.
fn function(rest: &str) -> Option<(Kind<'_>, usize)> {
    for (head, kind) in [("all(", Kind::All), ("global(", Kind::Global)] {
        if let Some(inner) = rest.strip_prefix(head) {
            let tail = trim_blanks(inner).strip_prefix(')')?;
            return Some((kind, rest.len() - tail.len()));
        }
    }
    let inner = trim_blanks(rest.strip_prefix("has(")?);
    let (name, tail) = inner.split_at(key_length(inner));
    if name.is_empty() || name.len() > KEY_BYTES_MAX {
        return None;
    }
    let tail = trim_blanks(tail).strip_prefix(')')?;
    Some((Kind::Has(name), rest.len() - tail.len()))
}

/// Reads an operator that is a word, which must end where no key could go on.
fn operator(rest: &str) -> Result<(Kind<'_>, usize), (String, usize)> {
    const WORDS: [(&str, &str, Kind<'_>); 5] = [
        ("contains", "", Kind::Contains),
        ("starts", "with", Kind::StartsWith),
        ("ends", "with", Kind::EndsWith),
        ("not", "in", Kind::NotIn),
        ("in", "", Kind::In),
    ];
    for (first, second, kind) in WORDS {
        let Some(tail) = rest.strip_prefix(first) else { continue };
        let tail = if second.is_empty() { Some(tail) } else { trim_blanks(tail).strip_prefix(second) };
        if let Some(tail) = tail.filter(|it| !it.starts_with(is_key_char)) {
            return Ok((kind, rest.len() - tail.len()));
        }
    }
    let word: String = rest.chars().take_while(|it| is_key_char(*it)).take(40).collect();
    Err((
        format!(
            "`{word}` is no operator; known are `==`, `!=`, `in`, `not in`, `contains`, `starts with` and `ends with`"
        ),
        0,
    ))
}

fn key(rest: &str) -> Result<(Kind<'_>, usize), (String, usize)> {
    let (name, tail) = rest.split_at(key_length(rest));
    // A function that does not read as one would else be reported as a key with a stray parenthesis behind it.
    if tail.starts_with('(') {
        let cause = match name {
            "has" => "`has(` needs one label key and a closing parenthesis, as in `has(app)`".to_owned(),
            "all" | "global" => format!("`{name}(` takes nothing; write `{name}()`"),
            _ => format!("`{name}(` is no function; known are `has(…)`, `all()` and `global()`"),
        };
        return Err((cause, 0));
    }
    if name.len() > KEY_BYTES_MAX {
        return Err((format!("the label key is longer than {KEY_BYTES_MAX} characters"), 0));
    }
    Ok((Kind::Key(name), name.len()))
}

fn key_length(rest: &str) -> usize {
    rest.find(|it| !is_key_char(it)).unwrap_or(rest.len())
}

const fn is_key_char(it: char) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, '_' | '.' | '/' | '-')
}

fn trim_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}
