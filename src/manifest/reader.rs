//! Reads fields of a tree, knows their paths, and collects what is wrong with them.
//!
//! A field that cannot be read yields nothing and leaves an error in the [`Context`]; reading goes on, so an author
//! sees all that is wrong at once. Whoever reads an object asks the context at its end whether it is whole.

use std::borrow::Cow;

use super::error::{Error, Place, Warning};
use super::nearest::nearest;
use super::tree::{Entry, Node, Style, Value};
use crate::model::{CalicoVersion, Name};

/// The most errors kept of one text: enough for any author, and a bound for a text that is wrong everywhere.
const ERRORS_MAX: usize = 100;

/// Where reading stands: the text, the object, and what was found so far.
#[derive(Debug)]
pub(super) struct Context {
    source: Name,
    /// The release of Calico whose rules hold.
    pub(super) version: CalicoVersion,
    object: Option<Name>,
    failures: usize,
    pub(super) errors: Vec<Error>,
    warnings: Vec<Warning>,
}

impl Context {
    pub(super) const fn new(source: Name, version: CalicoVersion) -> Self {
        Self { source, version, object: None, failures: 0, errors: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn place(&self, line: usize, column: usize) -> Place {
        Place { source: self.source.clone(), line, column }
    }

    /// Begins an object.
    pub(super) fn begin(&mut self, object: Option<Name>) {
        self.object = object;
        self.failures = 0;
        self.warnings.clear();
    }

    /// Ends an object: its warnings, or nothing if it had errors.
    pub(super) fn end(&mut self) -> Option<Vec<Warning>> {
        let warnings = std::mem::take(&mut self.warnings);
        (self.failures == 0).then_some(warnings)
    }

    pub(super) fn error(&mut self, at: &Field<'_>, cause: impl Into<String>) {
        self.fail((at.line(), at.column()), &at.path, cause.into(), None);
    }

    pub(super) fn error_hint(&mut self, at: &Field<'_>, cause: impl Into<String>, hint: impl Into<String>) {
        self.fail((at.line(), at.column()), &at.path, cause.into(), Some(hint.into()));
    }

    pub(super) fn fail(
        &mut self,
        (line, column): (usize, usize),
        path: &str,
        cause: String,
        hint: Option<String>,
    ) {
        self.failures += 1;
        if self.errors.len() < ERRORS_MAX {
            let place = self.place(line, column);
            self.errors.push(Error {
                place,
                object: self.object.clone(),
                path: path.to_owned(),
                cause,
                hint,
            });
        }
    }

    /// Finds what was most likely meant, as long as anybody is told: looking costs more than reading.
    pub(super) fn nearest<'a>(
        &self,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        if self.errors.len() < ERRORS_MAX { nearest(word, candidates) } else { None }
    }

    pub(super) fn warn(&mut self, at: &Field<'_>, cause: impl Into<String>) {
        if self.warnings.len() < ERRORS_MAX {
            let place = self.place(at.line(), at.column());
            let (object, path) = (self.object.clone(), at.path.clone());
            self.warnings.push(Warning { place, object, path, cause: cause.into() });
        }
    }
}

/// A value with the path that leads to it.
#[derive(Clone, Debug)]
pub(super) struct Field<'t> {
    pub(super) path: String,
    pub(super) node: &'t Node<'t>,
}

impl<'t> Field<'t> {
    pub(super) const fn line(&self) -> usize {
        self.node.line
    }

    pub(super) const fn column(&self) -> usize {
        self.node.column
    }

    /// Reads a mapping.
    pub(super) fn map(&self, cx: &mut Context) -> Option<Fields<'t>> {
        match &self.node.value {
            Value::Map(entries) => Some(Fields::new(self.clone(), entries)),
            other => {
                self.mismatch(cx, "a mapping", other);
                None
            }
        }
    }

    /// Reads a list.
    pub(super) fn list(&self, cx: &mut Context) -> Vec<Field<'t>> {
        match &self.node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(idx, node)| Field { path: format!("{}[{idx}]", self.path), node })
                .collect(),
            other => {
                self.mismatch(cx, "a list", other);
                Vec::new()
            }
        }
    }

    /// Reads a text. What YAML takes for a number or a boolean is none, as for the API.
    pub(super) fn text(&self, cx: &mut Context) -> Option<&'t str> {
        match &self.node.value {
            Value::Scalar { text, style: Style::Quoted } => Some(text),
            Value::Scalar { text, style: Style::Plain } => match Plain::of(text) {
                Plain::Text => Some(text),
                Plain::Null | Plain::Boolean | Plain::Number => {
                    let cause = format!("a text is due, `{}` is {}", shown(text), Plain::of(text).article());
                    cx.error_hint(self, cause, format!("did you mean `\"{}\"`, in quotes?", shown(text)));
                    None
                }
            },
            other => {
                self.mismatch(cx, "a text", other);
                None
            }
        }
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&self, cx: &mut Context) -> Option<bool> {
        match &self.node.value {
            Value::Scalar { text, style: Style::Plain } if text == "true" => Some(true),
            Value::Scalar { text, style: Style::Plain } if text == "false" => Some(false),
            other => {
                self.mismatch(cx, "`true` or `false`", other);
                None
            }
        }
    }

    /// Reads a number.
    pub(super) fn number(&self, cx: &mut Context) -> Option<f64> {
        let parsed = match &self.node.value {
            Value::Scalar { text, style: Style::Plain } => {
                text.parse::<f64>().ok().filter(|it| it.is_finite())
            }
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => None,
        };
        if parsed.is_none() {
            self.mismatch(cx, "a number", &self.node.value);
        }
        parsed
    }

    /// Reads a whole number from `least` to `most`.
    pub(super) fn integer(&self, cx: &mut Context, least: i64, most: i64) -> Option<i64> {
        let Some(number) = self.plain_integer() else {
            self.mismatch(cx, "a whole number", &self.node.value);
            return None;
        };
        if (least..=most).contains(&number) {
            return Some(number);
        }
        cx.error(self, format!("`{number}` is not from {least} to {most}"));
        None
    }

    /// The whole number, if it is one without quotes.
    pub(super) fn plain_integer(&self) -> Option<i64> {
        match &self.node.value {
            Value::Scalar { text, style: Style::Plain } => text.parse().ok(),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The scalar as written, quoted or not, if it is one.
    pub(super) fn scalar(&self) -> Option<&'t str> {
        match &self.node.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Tells whether YAML takes the scalar for a text: it is quoted, or no number, boolean or nothing.
    pub(super) fn is_text(&self) -> bool {
        match &self.node.value {
            Value::Scalar { text, style } => *style == Style::Quoted || Plain::of(text) == Plain::Text,
            Value::List(_) | Value::Map(_) => false,
        }
    }

    /// Reads one of the words of an enumeration.
    pub(super) fn one_of<T: Copy>(&self, cx: &mut Context, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(cx)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let cause = format!("unknown {what} `{}`", shown(text));
        let names = || words.iter().map(|(word, _)| *word);
        let first = text.split_whitespace().next().unwrap_or("");
        let hint = match cx.nearest(text, names()).or_else(|| names().find(|it| *it == first)) {
            Some(word) => format!("did you mean `{word}`?"),
            None => {
                format!("known are {}", names().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "))
            }
        };
        cx.error_hint(self, cause, hint);
        None
    }

    /// Tells whether nothing was written: no value, `null` or `~`.
    pub(super) fn is_null(&self) -> bool {
        match &self.node.value {
            Value::Scalar { text, style: Style::Plain } => matches!(Plain::of(text), Plain::Null),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => false,
        }
    }

    fn mismatch(&self, cx: &mut Context, due: &str, found: &Value<'_>) {
        let found = match found {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::Scalar { text, style: Style::Quoted } => format!("the text `{}`", shown(text)),
            Value::Scalar { text, style: Style::Plain } => format!("`{}`", shown(text)),
        };
        cx.error(self, format!("{due} is due, found {found}"));
    }
}

/// The fields of a mapping, each to be taken once.
#[derive(Debug)]
pub(super) struct Fields<'t> {
    /// The mapping itself.
    pub(super) at: Field<'t>,
    entries: &'t [Entry<'t>],
    taken: Vec<bool>,
    known: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    fn new(at: Field<'t>, entries: &'t [Entry<'t>]) -> Self {
        Self { at, entries, taken: vec![false; entries.len()], known: Vec::new() }
    }

    /// Takes a field. One that holds nothing counts as absent, as for the API.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Field<'t>> {
        self.known.push(key);
        let idx = self.entries.iter().position(|it| it.key == key)?;
        if let Some(taken) = self.taken.get_mut(idx) {
            *taken = true;
        }
        let node = &self.entries.get(idx)?.node;
        Some(Field { path: self.path_of(key), node }).filter(|it| !it.is_null())
    }

    /// Takes a field that must be there.
    pub(super) fn need(&mut self, cx: &mut Context, key: &'static str) -> Option<Field<'t>> {
        let found = self.take(key);
        if found.is_none() {
            let near = self.unknown().and_then(|it| nearest(&it.key, [key]).map(|_| it.key.to_string()));
            let cause = format!("`{key}` is missing");
            match near {
                // The misspelt one is reported by `finish`.
                Some(_) => {}
                None => cx.error(&self.at, cause),
            }
        }
        found
    }

    /// Takes a list; absent is empty.
    pub(super) fn list(&mut self, cx: &mut Context, key: &'static str) -> Vec<Field<'t>> {
        self.take(key).map(|it| it.list(cx)).unwrap_or_default()
    }

    /// Takes a text; absent or empty is nothing.
    pub(super) fn text(&mut self, cx: &mut Context, key: &'static str) -> Option<&'t str> {
        self.take(key).and_then(|it| it.text(cx)).filter(|it| !it.is_empty())
    }

    /// Takes a boolean; absent is `false`.
    pub(super) fn boolean(&mut self, cx: &mut Context, key: &'static str) -> bool {
        self.take(key).and_then(|it| it.boolean(cx)).unwrap_or(false)
    }

    /// Takes every field, for mappings whose keys are the author's own.
    pub(super) fn entries(&mut self) -> impl Iterator<Item = (&'t Cow<'t, str>, Field<'t>)> {
        self.taken.fill(true);
        let path = self.at.path.clone();
        self.entries
            .iter()
            .map(move |it| (&it.key, Field { path: format!("{path}[{}]", it.key), node: &it.node }))
    }

    /// Looks at a text two levels down without taking it.
    pub(super) fn peek(&self, outer: &str, inner: &str) -> Option<&'t str> {
        let outer = self.entries.iter().find(|it| it.key == outer)?;
        let Value::Map(entries) = &outer.node.value else { return None };
        match &entries.iter().find(|it| it.key == inner)?.node.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Accepts whatever else the mapping holds.
    pub(super) fn accept_rest(&mut self) {
        self.taken.fill(true);
    }

    /// Returns the first field that nobody took so far.
    pub(super) fn unknown(&self) -> Option<&'t Entry<'t>> {
        self.entries.iter().zip(&self.taken).find(|(_, taken)| !**taken).map(|(entry, _)| entry)
    }

    /// Refuses fields that nobody took.
    pub(super) fn finish(&self, cx: &mut Context) {
        let unknown = self.entries.iter().zip(&self.taken).filter(|(_, taken)| !**taken);
        for (entry, _) in unknown.take(ERRORS_MAX) {
            let near = cx.nearest(&entry.key, self.known.iter().copied());
            let hint = near.map(|it| format!("did you mean `{it}`?"));
            let path = self.path_of(&shown(&entry.key));
            cx.fail((entry.line, entry.column), &path, "unknown field".into(), hint);
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.at.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at.path) }
    }
}

/// Cuts a text of the author so that it fits into a message, and shows control characters.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut shown: String = text.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown.replace("\\'", "'").replace("\\\"", "\"")
}

/// What YAML takes a text without quotes for. The words of YAML 1.1 are included, because `kubectl` reads them so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plain {
    Null,
    Boolean,
    Number,
    Text,
}

impl Plain {
    pub(super) fn of(text: &str) -> Self {
        const BOOLEANS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "y", "n"];
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            _ => {}
        }
        // Written small, large, or with a large first letter.
        let tail = text.get(1..).unwrap_or("");
        let cased =
            tail.chars().all(|it| it.is_ascii_lowercase()) || text.chars().all(|it| it.is_ascii_uppercase());
        if cased && BOOLEANS.iter().any(|it| text.eq_ignore_ascii_case(it)) {
            return Self::Boolean;
        }
        let digits = text.trim_start_matches(['-', '+']);
        let radix = |prefix: &str, radix| {
            digits.strip_prefix(prefix).is_some_and(|it| u128::from_str_radix(it, radix).is_ok())
        };
        let decimal = digits.starts_with(|it: char| it.is_ascii_digit() || it == '.')
            && (digits.replace('_', "").parse::<f64>().is_ok()
                || matches!(digits.to_ascii_lowercase().as_str(), ".inf" | ".nan"));
        if decimal || radix("0x", 16) || radix("0o", 8) || radix("0b", 2) { Self::Number } else { Self::Text }
    }

    const fn article(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
        }
    }
}
