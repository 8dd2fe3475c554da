//! `flowstage policies lint`: everything that is wrong with policies, or is hardly meant.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use super::calico_version::VersionFlag;
use super::complaint::Exit;
use super::globals::Globals;
use super::policies::gather_some;
use super::records::tell;
use crate::catalog::{Error, Gathered};
use crate::config::Config;
use crate::evaluate::{self, Programs};
use crate::manifest::{self, Item, Object, Place, Warning, assemble_for};
use crate::model::PolicyId;
use crate::pipeline;
use crate::policy::PolicySet;

/// What can be done with policies alone.
#[derive(Subcommand, Debug)]
pub(super) enum Action {
    /// List what is wrong with policies, what in them can never match, and what Calico's rehearsal gets wrong
    Lint(Args),
}

/// Lint policies.
#[derive(ClapArgs, Debug)]
// One form is shown, also to those who came here by another.
#[command(override_usage = "flowstage policies lint [OPTIONS] <PATH>...")]
pub(super) struct Args {
    /// Folders or files of policies and cluster objects, as `kubectl get -o yaml` gives them
    #[arg(value_name = "PATH", required_unless_present = "named")]
    paths: Vec<PathBuf>,
    /// The same, for those who know the flag from other subcommands
    #[arg(long = "policies", value_name = "PATH", num_args = 1.., hide = true)]
    named: Vec<PathBuf>,
    /// How the findings are written; json is one object a line
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
    #[command(flatten)]
    version: VersionFlag,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum OutputFormat {
    Table,
    Json,
}

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// The file is refused.
    Error,
    /// Something is hardly meant as it is written, or never does anything.
    Warning,
    /// Calico's own pending traces will not show what the data plane does.
    Calico,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Calico => "calico",
        }
    }
}

/// One line of the list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
struct Row {
    file: String,
    line: usize,
    column: usize,
    level: Level,
    /// The object, as `kind namespace/name`.
    object: Option<String>,
    /// The field.
    path: String,
    /// The stable name of the kind of finding.
    finding: &'static str,
    text: String,
}

/// Runs the action.
pub(super) fn run(action: &Action, globals: &Globals) -> anyhow::Result<Exit> {
    match action {
        Action::Lint(args) => lint(args, globals),
    }
}

/// Lints.
pub(super) fn lint(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let config = globals.load_with(&[args.version.flag()])?.config;
    let paths = [args.paths.as_slice(), &args.named].concat();
    let gathered = gather_some(&paths, config.policies.calico_version)?;
    let (files, objects) = (gathered.files, gathered.objects.len());
    let mut rows = rows_of(gathered, &paths, &config);
    rows.sort();
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.output {
        OutputFormat::Table => write_table(&mut out, &rows)?,
        OutputFormat::Json => {
            for row in &rows {
                serde_json::to_writer(&mut out, row).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
        }
    }
    out.flush()?;
    let count = |level| rows.iter().filter(|it| it.level == level).count();
    tell(&format!(
        "{files} files, {objects} objects: {} errors, {} warnings, {} that Calico's pending traces get wrong",
        count(Level::Error),
        count(Level::Warning),
        count(Level::Calico)
    ));
    Ok(if rows.is_empty() { Exit::Fine } else { Exit::Findings })
}

/// Finds everything, in the files that can be read whole.
fn rows_of(gathered: Gathered, paths: &[PathBuf], config: &Config) -> Vec<Row> {
    let Gathered { objects, errors, files: _, version } = gathered;
    let is_whole = errors.is_empty();
    let mut rows: Vec<Row> = errors.iter().map(refused).collect();
    let places = places(&objects);
    match assemble_for(objects, version) {
        Ok(assembled) => {
            // Where a file is refused, what another one misses may stand in it.
            let is_sure = |it: &&Warning| is_whole || it.path != "spec.tier";
            rows.extend(assembled.warnings.iter().filter(is_sure).map(warned));
            for found in evaluate::lint(&assembled.set) {
                if let Some(place) = places.get(&found.policy) {
                    rows.push(judged(&found, place));
                }
            }
            if is_whole {
                rows.extend(too_large(assembled.set, paths, config));
            }
        }
        Err(errors) => rows.extend(errors.iter().map(unsound)),
    }
    rows
}

/// Finds that `run` would refuse the set as a whole.
fn too_large(set: PolicySet, paths: &[PathBuf], config: &Config) -> Option<Row> {
    let programs = Programs::compile_with(Arc::new(set), config.evaluation());
    let error = pipeline::weigh(&programs, None, config.policies_bytes_max()).err()?;
    let paths: Vec<String> = paths.iter().map(|it| it.display().to_string()).collect();
    let place = Place { source: paths.join(" ").into(), line: 1, column: 1 };
    Some(Row::at(&place, Level::Error, "too-large", format!("{error}; `flowstage run` refuses them")))
}

fn places(objects: &[Object]) -> BTreeMap<PolicyId, Place> {
    let mut places = BTreeMap::new();
    for Object { item, place, written: _, warnings: _ } in objects {
        match item {
            Item::Policy(policy) => drop(places.insert(policy.id.clone(), place.clone())),
            Item::Tier(_)
            | Item::NetworkSet(_)
            | Item::HostEndpoint(_)
            | Item::Profile(_)
            | Item::Namespace(_)
            | Item::ServiceAccount(_)
            | Item::Workload(_)
            | Item::Service(_)
            | Item::Unused(_) => {}
        }
    }
    places
}

impl Row {
    fn at(place: &Place, level: Level, finding: &'static str, text: String) -> Self {
        let Place { source, line, column } = place;
        let (file, path) = (source.to_string(), String::new());
        Self { file, line: *line, column: *column, level, object: None, path, finding, text }
    }
}

fn refused(error: &Error) -> Row {
    match error {
        Error::Manifest(error) => unsound(error),
        // Paths that cannot be read end the run before.
        Error::Folder { path, .. }
        | Error::File { path, .. }
        | Error::NotRegular { path, .. }
        | Error::NotText { path, .. }
        | Error::TooLarge { path, .. }
        | Error::Unsteady { path } => {
            let place = Place { source: path.display().to_string().into(), line: 1, column: 1 };
            Row::at(&place, Level::Error, "unreadable", error.to_string())
        }
    }
}

fn unsound(error: &manifest::Error) -> Row {
    let manifest::Error { place, object, path, cause, hint } = error;
    let text = match hint {
        Some(hint) => format!("{cause}; {hint}"),
        None => cause.clone(),
    };
    let object = object.as_ref().map(ToString::to_string);
    Row { object, path: path.clone(), ..Row::at(place, Level::Error, "refused", text) }
}

fn warned(warning: &Warning) -> Row {
    let Warning { place, object, path, cause } = warning;
    let object = object.as_ref().map(ToString::to_string);
    Row { object, path: path.clone(), ..Row::at(place, Level::Warning, "hardly-meant", cause.clone()) }
}

fn judged(found: &evaluate::Finding, place: &Place) -> Row {
    let evaluate::Finding { policy, path, problem, text } = found;
    let level = match problem.concern() {
        evaluate::Concern::Idle => Level::Warning,
        evaluate::Concern::Diverges => Level::Calico,
    };
    let namespace = policy.namespace.as_ref().map(|it| format!("{it}/")).unwrap_or_default();
    let object = Some(format!("{} {namespace}{}", policy.kind.as_str(), policy.name));
    Row { object, path: path.clone(), ..Row::at(place, level, problem.as_str(), text.clone()) }
}

fn write_table(to: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(to, "Nothing is wrong.");
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["PLACE", "LEVEL", "OBJECT", "FIELD", "FINDING"]);
    for row in rows {
        let Row { file, line, column, level, object, path, finding: _, text } = row;
        table.add_row([
            format!("{file}:{line}:{column}"),
            level.as_str().to_owned(),
            object.clone().unwrap_or_default(),
            path.clone(),
            text.clone(),
        ]);
    }
    for line in table.lines() {
        writeln!(to, "{}", line.trim_end())?;
    }
    Ok(())
}
