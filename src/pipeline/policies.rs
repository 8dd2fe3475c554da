//! Keeps the policies in force up to date with their folder.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::Error;
use super::loaded::Loaded;
use super::results::Results;
use super::shared::Shared;
use crate::catalog::{self, DirectoryCatalog, Polled};
use crate::evaluate::{Options, Programs};
use crate::policy::PolicySet;
use crate::telemetry::Metrics;

/// The folder could not be loaded: every reason, each with its place.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.0))]
pub struct PolicyErrors(pub Vec<catalog::Error>);

fn list(errors: &[catalog::Error]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Loads the folder for the first time.
///
/// # Errors
///
/// When anything in it cannot be read: at start there is no earlier set to go on with.
pub fn load_policies(
    catalog: &mut DirectoryCatalog,
    options: &Options,
    metrics: &Metrics,
) -> Result<Arc<Programs>, Error> {
    let loaded = catalog.load().map_err(|errors| {
        metrics.policy_loads.with(["file", "error"]).inc();
        metrics.policies_reload_ok.set_flag(false);
        Error::Policies(Box::new(PolicyErrors(errors)))
    })?;
    let set = adopt(loaded, metrics);
    Ok(Arc::new(Programs::compile_with(Arc::new(set), options.clone())))
}

/// Watches the folder until the process ends. A set that cannot be read leaves the one in force.
///
/// # Errors
///
/// When the system refuses a thread.
pub fn watch_policies(
    mut catalog: DirectoryCatalog,
    interval: Duration,
    shared: Arc<Shared>,
    results: Arc<Results>,
) -> Result<JoinHandle<()>, Error> {
    let watch = move || {
        while shared.wait_for_end(interval) {
            match catalog.poll() {
                Polled::Unchanged => {}
                Polled::Changed(loaded) => {
                    let in_force = shared.loaded();
                    let in_force = in_force.programs();
                    let set = adopt(*loaded, &shared.metrics).sharing(in_force.set());
                    let (programs, _) = in_force.recompile(Arc::new(set));
                    let programs = Arc::new(programs);
                    tracing::info!(revision = %programs.revision(), "policies changed");
                    results.edges().set_current(programs.revision());
                    shared.install(Loaded::install(programs, &shared.metrics));
                }
                Polled::Failed(errors) => {
                    shared.metrics.policy_loads.with(["file", "error"]).inc();
                    shared.metrics.policies_reload_ok.set_flag(false);
                    for error in &errors {
                        tracing::error!(%error, "policies not changed: the set in force stays");
                    }
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("policies".to_owned())
        .spawn(watch)
        .map_err(|source| Error::Start { what: "the policy watcher", source })
}

/// Tells of what was loaded.
fn adopt(loaded: catalog::Loaded, metrics: &Metrics) -> PolicySet {
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "policy");
    }
    metrics.policy_loads.with(["file", "ok"]).inc();
    metrics.policies_reload_ok.set_flag(true);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    metrics.policies_reload_timestamp.set(now.as_secs_f64());
    loaded.set
}
