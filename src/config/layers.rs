//! Defaults, file, environment, flags: each layer over the one before, and where each setting came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::check::check;
use super::error::{Error, Errors, Origin};
use super::keys::{KEYS, Named, named, set_property};
use super::nearest::nearest;
use super::sections::Config;
use super::tree::{Raw, leaves};
use super::variable::{PREFIX, Spelled, path_of};

/// What a configuration is read from. Everything is handed in, so that a test needs no environment.
#[derive(Clone, Default, Debug)]
pub struct Layers {
    /// Name and text of the configuration file.
    pub file: Option<(String, String)>,
    /// The variables of the environment; those that are not ours are left alone.
    pub environment: Vec<(String, String)>,
    /// Flags: the flag as the user knows it, the key that it sets, and the value.
    pub flags: Vec<(String, String, String)>,
}

/// A configuration, and where its settings come from.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The origin of each setting that is not the default, by key.
    pub origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Reads all layers and checks the whole. `read` reads the file of a secret.
    ///
    /// # Errors
    ///
    /// When a key is unknown or a value does not fit; everything that is wrong is told at once.
    pub fn load(&self, read: &dyn Fn(&Path) -> std::io::Result<String>) -> Result<Loaded, Errors> {
        let mut loading = Loading::default();
        if let Some((path, text)) = &self.file {
            loading.file(path, text);
        }
        for (name, value) in &self.environment {
            loading.variable(name, value, read);
        }
        for (name, key, value) in &self.flags {
            let origin = Origin::Flag { name: name.clone() };
            loading.set(key, &Raw::Scalar(value.clone()), origin);
        }
        loading.errors.extend(check(&loading.loaded));
        if loading.errors.is_empty() { Ok(loading.loaded) } else { Err(Errors(loading.errors)) }
    }
}

#[derive(Default)]
struct Loading {
    loaded: Loaded,
    errors: Vec<Error>,
}

impl Loading {
    fn file(&mut self, path: &str, text: &str) {
        let at = |line, column| Origin::File { path: path.to_owned(), line, column };
        match leaves(text) {
            Ok(leaves) => {
                for leaf in leaves {
                    self.set(&leaf.path, &leaf.raw, at(leaf.line, leaf.column));
                }
            }
            Err(error) => {
                let place = error.location();
                let (line, column) = place.map_or((1, 1), |it| (it.line(), it.column()));
                let text = error.without_snippet().to_string();
                // The parser repeats the place, and tells of switches that only a program can set.
                let cause = text.lines().next().unwrap_or("the file does not parse");
                let cause = [" at line ", ", set DuplicateKeyPolicy"]
                    .iter()
                    .fold(cause, |cause, tail| cause.split(tail).next().unwrap_or(cause));
                self.errors.push(Error::Syntax { origin: at(line, column), cause: cause.to_owned() });
            }
        }
    }

    fn variable(&mut self, name: &str, value: &str, read: &dyn Fn(&Path) -> std::io::Result<String>) {
        let Some(rest) = name.strip_prefix(PREFIX) else { return };
        let origin = Origin::Variable { name: name.to_owned() };
        let (path, is_file) = match path_of(rest) {
            Spelled::Value(path) => (path, false),
            Spelled::File(path) => (path, true),
            Spelled::Foreign => return,
            Spelled::Unknown { suggestion } => {
                self.errors.push(Error::UnknownKey { origin, key: name.to_owned(), suggestion });
                return;
            }
        };
        if !is_file {
            self.set(&path, &Raw::Scalar(value.to_owned()), origin);
            return;
        }
        match read(Path::new(value)) {
            Ok(text) => self.set(&path, &Raw::Scalar(text.trim_end().to_owned()), origin),
            Err(source) => {
                self.errors.push(Error::Secret { origin, key: path, path: PathBuf::from(value), source });
            }
        }
    }

    fn set(&mut self, path: &str, raw: &Raw, origin: Origin) {
        if path.is_empty() {
            if *raw != Raw::Null {
                let cause = "sections are expected, like `kafka:` with its keys below".to_owned();
                self.errors.push(Error::Syntax { origin, cause });
            }
            return;
        }
        let config = &mut self.loaded.config;
        let done = match named(path) {
            Named::Key(key) => (key.set)(config, raw),
            Named::Property(name) => set_property(&mut config.kafka.properties, name, raw),
            // A section with nothing in it sets nothing.
            Named::Section if *raw == Raw::Null => return,
            Named::Section => Err("this is a section, it takes keys".to_owned()),
            Named::Unknown => {
                let suggestion = nearest(path, KEYS.iter().map(|it| it.path)).map(str::to_owned);
                self.errors.push(Error::UnknownKey { origin, key: path.to_owned(), suggestion });
                return;
            }
        };
        match done {
            Ok(()) => {
                self.loaded.origins.insert(path.to_owned(), origin);
            }
            Err(cause) => self.errors.push(Error::Value { origin, key: path.to_owned(), cause }),
        }
    }
}
