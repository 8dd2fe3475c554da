//! Keeps the policies in force up to date with their folder.

use std::path::Path;
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

/// The compiled form of a policy set takes more memory than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the compiled policies take {} MiB, and `limits.compiled_policies_mib` allows {}", .bytes.div_ceil(1 << 20), .bytes_max >> 20)]
pub struct TooLarge {
    /// What they take, in bytes, as far as it can be told.
    pub bytes: usize,
    /// What they may take.
    pub bytes_max: usize,
}

/// Loads the folder for the first time. The compiled policies may take `bytes_max` bytes.
///
/// # Errors
///
/// When anything in it cannot be read, or it takes too much memory: at start there is no earlier set to go on with.
pub fn load_policies(
    catalog: &mut DirectoryCatalog,
    options: &Options,
    bytes_max: usize,
    metrics: &Metrics,
) -> Result<Arc<Programs>, Error> {
    let loaded = catalog.load().map_err(|errors| Error::Policies(PolicyErrors(errors)));
    let accepted = loaded.and_then(|loaded| {
        let programs = Programs::compile_with(Arc::new(warned_of(loaded, catalog.path())), options.clone());
        Ok(accept(programs, None, bytes_max, metrics)?)
    });
    accepted.inspect_err(|_| refused(metrics))
}

/// Watches the folder until the process ends. A set that cannot be read, or takes more than `bytes_max` bytes when
/// compiled, leaves the one in force.
///
/// # Errors
///
/// When the system refuses a thread.
pub fn watch_policies(
    mut catalog: DirectoryCatalog,
    interval: Duration,
    bytes_max: usize,
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
                    let set = warned_of(*loaded, catalog.path()).sharing(in_force.set());
                    let (programs, _) = in_force.recompile(Arc::new(set));
                    match accept(programs, Some(in_force), bytes_max, &shared.metrics) {
                        Ok(programs) => {
                            tracing::info!(revision = %programs.revision(), "policies changed");
                            results.edges().set_current(programs.revision());
                            shared.install(Loaded::install(programs, &shared.metrics));
                        }
                        Err(error) => {
                            refused(&shared.metrics);
                            tracing::error!(%error, "policies not changed: the set in force stays");
                        }
                    }
                }
                Polled::Failed(errors) => {
                    refused(&shared.metrics);
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

/// Tells of what is hardly meant as it is written, and of a folder that holds no policy: a wrong path looks like that.
fn warned_of(loaded: catalog::Loaded, path: &Path) -> PolicySet {
    let catalog::Loaded { set, warnings, files } = loaded;
    for warning in &warnings {
        tracing::warn!(%warning, "policy");
    }
    let path = path.display();
    if files == 0 {
        tracing::warn!(
            "no policies: `{path}` holds no file that ends in .yaml, .yml or .json, so every flow is judged by profiles alone"
        );
    } else if set.policies().is_empty() {
        tracing::warn!(
            files,
            "no policies: there is none in the manifests of `{path}`, so every flow is judged by profiles alone"
        );
    }
    set
}

/// Returns how many bytes compiled policies take, with what recorded traces are compared with: that is compiled here
/// too, and takes over from `before` what is the same.
///
/// # Errors
///
/// When they take more than `bytes_max`.
pub fn weigh(programs: &Programs, before: Option<&Programs>, bytes_max: usize) -> Result<usize, TooLarge> {
    let within_bound = |bytes| if bytes > bytes_max { Err(TooLarge { bytes, bytes_max }) } else { Ok(bytes) };
    within_bound(programs.bytes())?;
    programs.prepare_checker(before);
    within_bound(programs.bytes())
}

/// Makes programs that are to follow `before` ready to be used, unless they are too large. All that is compiled is
/// compiled here: a worker that did it would not poll meanwhile.
fn accept(
    programs: Programs,
    before: Option<&Programs>,
    bytes_max: usize,
    metrics: &Metrics,
) -> Result<Arc<Programs>, TooLarge> {
    let bytes = weigh(&programs, before, bytes_max)?;
    metrics.policies_compiled.set_count(u64::try_from(bytes).unwrap_or(u64::MAX));
    metrics.policy_loads.with(["file", "ok"]).inc();
    metrics.policies_reload_ok.set_flag(true);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    metrics.policies_reload_timestamp.set(now.as_secs_f64());
    Ok(Arc::new(programs))
}

fn refused(metrics: &Metrics) {
    metrics.policy_loads.with(["file", "error"]).inc();
    metrics.policies_reload_ok.set_flag(false);
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::model::CalicoVersion;
    use crate::telemetry::BuildInfo;

    #[test]
    fn policies_that_take_too_much_memory_are_refused_and_counted() {
        let folder = TempDir::new().unwrap();
        let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
                      metadata: {name: db, namespace: shop}\nspec: {podSelector: {matchLabels: {app: db}}}\n";
        std::fs::write(folder.path().join("db.yaml"), policy).unwrap();
        let poll_interval = Duration::from_secs(1);
        let calico_version = CalicoVersion::NEWEST;
        let config = catalog::Config { path: folder.path().to_owned(), poll_interval, calico_version };
        let metrics = Metrics::new(&BuildInfo { version: "0", revision: "0", rustc: "0", librdkafka: "0" });
        let load = |bytes_max| {
            let mut catalog = DirectoryCatalog::new(&config);
            load_policies(&mut catalog, &Options::default(), bytes_max, &metrics)
        };
        let Err(Error::PoliciesTooLarge(error)) = load(100) else { panic!("it must be refused") };
        assert!(error.to_string().contains("`limits.compiled_policies_mib` allows 0"), "{error}");
        assert_eq!(metrics.policy_loads.with(["file", "error"]).get(), 1);
        let programs = load(1 << 20).unwrap();
        assert!(error.bytes <= programs.bytes(), "the form that traces are compared with counts too");
        assert_eq!(metrics.policy_loads.with(["file", "ok"]).get(), 1);
    }
}
