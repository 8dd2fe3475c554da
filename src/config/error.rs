//! What can be wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// In the configuration file.
    File {
        /// The file, as the user named it.
        path: String,
        /// The line, counted from 1.
        line: u64,
        /// The column, counted from 1.
        column: u64,
    },
    /// In a variable of the environment.
    Variable {
        /// Its name.
        name: String,
    },
    /// In a flag of the command line.
    Flag {
        /// The flag, with its dashes.
        name: String,
    },
}

/// Prints `flowstage.yaml:3:5`, `FLOWSTAGE_WORKERS`, `--brokers` or `default`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Variable { name } | Self::Flag { name } => f.write_str(name),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no YAML.
    #[error("{origin}: {cause}")]
    Syntax {
        /// The place.
        origin: Origin,
        /// What is wrong.
        cause: String,
    },
    /// A key that no setting has.
    #[error("{origin}: unknown key `{key}`{}", suggestion.as_ref().map(|it| format!(", did you mean `{it}`")).unwrap_or_default())]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// A value that its key cannot take.
    #[error("{origin}: `{key}`: {cause}")]
    Value {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// What is wrong.
        cause: String,
    },
    /// A secret's file cannot be read.
    #[error("{origin}: cannot read `{}` for `{key}`", path.display())]
    Secret {
        /// The variable.
        origin: Origin,
        /// The key.
        key: String,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Everything that is wrong with a configuration, in the order of its layers. Never empty.
#[derive(Debug)]
pub struct Errors(pub Vec<Error>);

/// Prints one problem a line.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if place == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// The first problem's cause.
impl std::error::Error for Errors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.first().and_then(std::error::Error::source)
    }
}
