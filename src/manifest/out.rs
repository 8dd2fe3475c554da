//! What is written: a value with its fields in the order of the documentation, as YAML and as JSON.
//!
//! The YAML is deterministic to the byte, and every text is quoted that any reader of YAML 1.1 or 1.2 could take for
//! something else.

use super::reader::Plain;

/// A value to be written.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Out {
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    List(Vec<Out>),
    Map(OutMap),
}

/// Fields in the order they are written.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct OutMap(Vec<(String, Out)>);

impl OutMap {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub(super) fn put(mut self, key: impl Into<String>, value: impl Into<Out>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    /// Adds a field if there is a value.
    pub(super) fn put_some(self, key: &str, value: Option<impl Into<Out>>) -> Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }

    /// Adds a list unless it is empty.
    pub(super) fn put_list(self, key: &str, values: impl IntoIterator<Item = impl Into<Out>>) -> Self {
        let values: Vec<Out> = values.into_iter().map(Into::into).collect();
        if values.is_empty() { self } else { self.put(key, Out::List(values)) }
    }

    /// Adds a mapping unless it is empty.
    pub(super) fn put_map(self, key: &str, map: Self) -> Self {
        if map.is_empty() { self } else { self.put(key, map) }
    }

    /// Adds `true`, or nothing.
    pub(super) fn put_flag(self, key: &str, flag: bool) -> Self {
        if flag { self.put(key, true) } else { self }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Out {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Out {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&crate::model::Name> for Out {
    fn from(text: &crate::model::Name) -> Self {
        Self::Text(text.as_str().to_owned())
    }
}

impl From<bool> for Out {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Out {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

/// A number without a fraction is written as a whole one.
impl From<f64> for Out {
    fn from(value: f64) -> Self {
        /// Below this, every whole number has exactly one value.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, reason = "whole, and of at most 53 bits")]
        if value.fract() == 0.0 && value.abs() < EXACT_MAX {
            Self::Integer(value as i64)
        } else {
            Self::Number(value)
        }
    }
}

impl From<OutMap> for Out {
    fn from(map: OutMap) -> Self {
        Self::Map(map)
    }
}

impl Out {
    /// Writes a YAML document.
    pub(super) fn to_yaml(&self) -> String {
        let mut yaml = String::new();
        self.write(&mut yaml, 0, Position::Line);
        yaml
    }

    /// Makes JSON.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Integer(value) => (*value).into(),
            Self::Number(value) => (*value).into(),
            Self::Boolean(value) => (*value).into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(OutMap(fields)) => {
                fields.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()
            }
        }
    }

    fn write(&self, yaml: &mut String, indent: usize, position: Position) {
        match self {
            Self::List(items) if !items.is_empty() => {
                for (idx, item) in items.iter().enumerate() {
                    position.begin(yaml, indent, idx);
                    yaml.push_str("- ");
                    item.write(yaml, indent + 2, Position::Inline);
                }
            }
            Self::Map(OutMap(fields)) if !fields.is_empty() => {
                for (idx, (key, value)) in fields.iter().enumerate() {
                    position.begin(yaml, indent, idx);
                    write_text(yaml, key);
                    yaml.push(':');
                    match value {
                        // A list stands at the indent of its key, as `kubectl` prints it.
                        Self::List(items) if !items.is_empty() => {
                            yaml.push('\n');
                            value.write(yaml, indent, Position::Line);
                        }
                        Self::Map(map) if !map.is_empty() => {
                            yaml.push('\n');
                            value.write(yaml, indent + 2, Position::Line);
                        }
                        Self::Text(_)
                        | Self::Integer(_)
                        | Self::Number(_)
                        | Self::Boolean(_)
                        | Self::List(_)
                        | Self::Map(_) => {
                            yaml.push(' ');
                            value.write(yaml, indent, Position::Inline);
                        }
                    }
                }
            }
            Self::List(_) => yaml.push_str("[]\n"),
            Self::Map(_) => yaml.push_str("{}\n"),
            Self::Text(text) => {
                write_text(yaml, text);
                yaml.push('\n');
            }
            Self::Integer(value) => yaml.push_str(&format!("{value}\n")),
            Self::Number(value) => yaml.push_str(&format!("{value:?}\n")),
            Self::Boolean(value) => yaml.push_str(&format!("{value}\n")),
        }
    }
}

/// Where a list or a mapping begins.
#[derive(Clone, Copy)]
enum Position {
    /// On a line of its own.
    Line,
    /// Behind a dash; its first line needs no indent.
    Inline,
}

impl Position {
    fn begin(self, yaml: &mut String, indent: usize, idx: usize) {
        match self {
            Self::Inline if idx == 0 => {}
            Self::Inline | Self::Line => yaml.extend(std::iter::repeat_n(' ', indent)),
        }
    }
}

/// Writes a text, plain where that cannot be mistaken.
fn write_text(yaml: &mut String, text: &str) {
    if is_plain(text) {
        yaml.push_str(text);
    } else if text.chars().any(|it| it.is_control() || matches!(it, '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        write_escaped(yaml, text);
    } else {
        yaml.push('\'');
        yaml.push_str(&text.replace('\'', "''"));
        yaml.push('\'');
    }
}

fn is_plain(text: &str) -> bool {
    let letters = |it: char| it.is_ascii_alphanumeric() || " _./-=!&|()<>{},'\"*+".contains(it);
    let begins = text.starts_with(|it: char| it.is_ascii_alphabetic() || matches!(it, '(' | '_'));
    // A prefix such as 10.0.0.0/8 is no number to anybody.
    let prefix = text.contains('/') && text.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | '/'));
    prefix || (begins && !text.ends_with(' ') && text.chars().all(letters) && Plain::of(text) == Plain::Text)
}

fn write_escaped(yaml: &mut String, text: &str) {
    yaml.push('"');
    for it in text.chars() {
        match it {
            '"' => yaml.push_str("\\\""),
            '\\' => yaml.push_str("\\\\"),
            '\n' => yaml.push_str("\\n"),
            '\t' => yaml.push_str("\\t"),
            it if it.is_control() || matches!(it, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                yaml.push_str(&format!("\\u{:04x}", u32::from(it)));
            }
            it => yaml.push(it),
        }
    }
    yaml.push('"');
}
