//! Flags that every subcommand takes, and the configuration that they lead to.

use std::path::{Path, PathBuf};

use clap::Args;

use super::complaint::Complaint;
use super::variables::environment;
use crate::config::{Layers, Loaded};
use crate::telemetry::init_logging;

/// Flags that every subcommand takes.
#[derive(Args, Debug)]
pub(super) struct Globals {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", env = "FLOWSTAGE_CONFIG")]
    config: Option<PathBuf>,
    /// Set one key of the configuration; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// What is logged: a level, or target=level pairs
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How log lines look: auto, text or json
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// A flag of a subcommand that sets a key of the configuration: the flag, its key, its value.
pub(super) type Flag<'a> = (&'a str, &'a str, Option<&'a str>);

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as in `--set windows.width=5m`")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Globals {
    /// Reads the whole configuration: defaults, file, environment, these flags.
    pub(super) fn load(&self) -> Result<Loaded, Complaint> {
        self.load_with(&[])
    }

    /// Reads the whole configuration with flags of a subcommand on top.
    pub(super) fn load_with(&self, flags: &[Flag<'_>]) -> Result<Loaded, Complaint> {
        let file = match &self.config {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| {
                    Complaint::failure(format!("cannot read the configuration `{}`", path.display()))
                        .caused_by(source)
                        .remedy("give `--config` the path of a YAML file; `flowstage config print` shows one")
                })?;
                Some((path.display().to_string(), text))
            }
        };
        let mut all: Vec<_> = self
            .set
            .iter()
            .map(|(key, value)| (format!("--set {key}"), key.clone(), value.clone()))
            .collect();
        let own = [
            ("--log-level", "log.level", self.log_level.as_deref()),
            ("--log-format", "log.format", self.log_format.as_deref()),
        ];
        for (flag, key, value) in own.iter().chain(flags) {
            all.extend(value.map(|it| ((*flag).to_owned(), (*key).to_owned(), it.to_owned())));
        }
        let layers = Layers { file, environment: environment(), flags: all };
        let read = |path: &Path| std::fs::read_to_string(path);
        layers.load(&read).map_err(|errors| {
            let count = errors.0.len();
            let problems = if count == 1 { "a problem".to_owned() } else { format!("{count} problems") };
            Complaint::usage(format!("the configuration has {problems}"))
                .caused_by(errors)
                .remedy("`flowstage config print` lists every key with its default")
        })
    }

    /// Tells whether a flag says what is logged.
    pub(super) const fn sets_log_level(&self) -> bool {
        self.log_level.is_some()
    }

    /// Sends logs where the configuration says.
    pub(super) fn init_logging(loaded: &Loaded) -> Result<(), Complaint> {
        init_logging(&loaded.config.log_options())
            .map_err(|source| Complaint::usage("logging cannot be set up").caused_by(source))
    }
}
