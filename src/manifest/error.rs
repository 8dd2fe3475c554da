//! What is said to the author of a manifest: where, in which object, in which field, and why.

use std::fmt;

use crate::model::Name;

/// A place in a text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The file, or whatever the text came from.
    pub source: Name,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1 in characters.
    pub column: usize,
}

/// Prints `file:line:column`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

/// Why an object is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Finding { place, object: object.as_ref(), path, cause, hint: hint.as_deref() })]
pub struct Error {
    /// Where it stands.
    pub place: Place,
    /// The object, as `kind namespace/name`; nothing where the text does not even say that much.
    pub object: Option<Name>,
    /// The field, as `spec.ingress[2].destination.ports[0]`; empty for the object as a whole.
    pub path: String,
    /// What is wrong.
    pub cause: String,
    /// How it may be mended, where something is likely.
    pub hint: Option<String>,
}

/// What is read but is hardly what its author meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Where it stands.
    pub place: Place,
    /// The object, as `kind namespace/name`.
    pub object: Option<Name>,
    /// The field; empty for the object as a whole.
    pub path: String,
    /// What happens instead.
    pub cause: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, object, path, cause } = self;
        Finding { place, object: object.as_ref(), path, cause, hint: None }.fmt(f)
    }
}

/// The one form in which both are printed.
struct Finding<'a> {
    place: &'a Place,
    object: Option<&'a Name>,
    path: &'a str,
    cause: &'a str,
    hint: Option<&'a str>,
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(object) = self.object {
            write!(f, "{object}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(self.cause)?;
        match self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
