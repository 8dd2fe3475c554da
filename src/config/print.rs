//! Writes a configuration as the YAML that would give it again, secrets left out.

use std::fmt::Write as _;

use super::error::Origin;
use super::keys::{KEYS, PROPERTIES};
use super::layers::Loaded;
use super::sections::Properties;
use super::tree::Raw;

/// Whether each setting's origin is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origins {
    /// Settings alone.
    Hidden,
    /// A comment behind each setting.
    Shown,
}

impl Loaded {
    /// Returns the configuration as YAML. What may be a secret is shown as `(secret)`.
    #[must_use]
    pub fn to_yaml(&self, origins: Origins) -> String {
        let mut lines: Vec<(String, String)> = Vec::new();
        for key in KEYS {
            if key.path == "kafka.topics.flows" {
                lines.extend(self.properties());
            }
            lines.push((key.path.to_owned(), inline(&(key.show)(&self.config))));
        }
        let mut yaml = String::new();
        let mut open: Vec<&str> = Vec::new();
        for (path, value) in &lines {
            let (section, name) = split(path);
            let common = open.iter().zip(&section).take_while(|(a, b)| a == b).count();
            open.truncate(common);
            for it in section.iter().skip(common) {
                line(&mut yaml, open.len(), &format!("{it}:"));
                open.push(it);
            }
            let mut text = format!("{}: {value}", quoted(name));
            if origins == Origins::Shown {
                let origin = self.origins.get(path).unwrap_or(&Origin::Default);
                // Writing to a `String` cannot fail.
                write!(text, "  # {origin}").unwrap_or_default();
            }
            line(&mut yaml, open.len(), &text);
        }
        yaml
    }

    fn properties(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.config.kafka.properties.0.iter().map(|(name, value)| {
            let shown = if Properties::is_secret(name) { "(secret)" } else { value };
            (format!("{PROPERTIES}.{name}"), quoted_value(shown))
        })
    }
}

/// Splits a path into its sections and its last name. The name of a client's property keeps its dots.
fn split(path: &str) -> (Vec<&str>, &str) {
    if let Some(name) = path.strip_prefix(PROPERTIES).and_then(|it| it.strip_prefix('.')) {
        return (PROPERTIES.split('.').collect(), name);
    }
    match path.rsplit_once('.') {
        Some((sections, name)) => (sections.split('.').collect(), name),
        None => (Vec::new(), path),
    }
}

fn line(yaml: &mut String, depth: usize, text: &str) {
    for _ in 0..depth {
        yaml.push_str("  ");
    }
    yaml.push_str(text);
    yaml.push('\n');
}

fn inline(raw: &Raw) -> String {
    match raw {
        Raw::Null => "null".to_owned(),
        Raw::Scalar(text) => quoted(text),
        Raw::List(items) => format!("[{}]", items.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(", ")),
    }
}

/// Quotes what YAML would read as something else than a text or a number.
fn quoted(text: &str) -> String {
    let is_plain = text.chars().all(|it| it.is_ascii_alphanumeric() || "._-/".contains(it))
        && text.starts_with(|it: char| it.is_ascii_alphanumeric() || "/.".contains(it));
    let is_address =
        text.contains(':') && text.chars().all(|it| it.is_ascii_alphanumeric() || ".:-,".contains(it));
    let is_plain_address = is_address && !text.ends_with(':') && !text.starts_with(['-', ':', ',']);
    if is_plain && text != "null" || is_plain_address && !text.contains(',') {
        return text.to_owned();
    }
    quoted_value(text)
}

fn quoted_value(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
