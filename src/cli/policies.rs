//! Policies for subcommands that judge: the demonstration's, or those of folders and files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::complaint::Complaint;
use crate::catalog::{Error, Gathered, gather};
use crate::config::Config;
use crate::evaluate::Programs;
use crate::generate::DEMO_MANIFESTS;
use crate::manifest::{Assembled, assemble_for};
use crate::model::CalicoVersion;

/// Refused objects that are named one by one.
const REFUSED_MAX: usize = 20;

/// Compiles the policies of a folder or file, as it is configured; without one, those of the demonstration, which are
/// built in.
pub(super) fn load(path: Option<&Path>, config: &Config) -> Result<Arc<Programs>, Complaint> {
    let version = config.policies.calico_version;
    let gathered = match path {
        Some(path) => gather_some(&[path.to_owned()], version)?,
        None => {
            let mut gathered = Gathered::of(version);
            for (name, text) in DEMO_MANIFESTS {
                gathered.add(text, name);
            }
            gathered
        }
    };
    Ok(Arc::new(Programs::compile_with(Arc::new(assembled(gathered)?.set), config.evaluation())))
}

/// Reads the policies and cluster objects of folders and files, as one set.
pub(super) fn load_set(paths: &[PathBuf], version: CalicoVersion) -> Result<Assembled, Complaint> {
    assembled(gather_some(paths, version)?)
}

/// Reads the manifests of folders and files: at least one there must be.
pub(super) fn gather_some(paths: &[PathBuf], version: CalicoVersion) -> Result<Gathered, Complaint> {
    let gathered = gather(paths, version);
    if let Some(complaint) = unread(&gathered.errors) {
        return Err(complaint);
    }
    if gathered.files == 0 {
        let paths: Vec<String> = paths.iter().map(|it| format!("`{}`", it.display())).collect();
        return Err(Complaint::failure(format!("there are no manifests below {}", paths.join(", ")))
            .remedy("manifests are files whose names end in .yaml, .yml or .json"));
    }
    Ok(gathered)
}

/// Says which path cannot be read, and why; nothing where only what the files hold is wrong.
pub(super) fn unread(errors: &[Error]) -> Option<Complaint> {
    errors.iter().find_map(|error| match error {
        Error::Manifest(_) => None,
        Error::Folder { path, source } | Error::File { path, source } => Some(
            Complaint::failure(format!("cannot read the policies `{}`", path.display()))
                .caused_by(source.to_string())
                .remedy(remedy_for(source)),
        ),
        Error::NotRegular { .. } => Some(
            Complaint::failure(error.to_string())
                .remedy("policies are read from regular files, and from links to such: write them to one"),
        ),
        Error::NotText { .. } | Error::TooLarge { .. } | Error::Unsteady { .. } => {
            Some(Complaint::failure(error.to_string()))
        }
    })
}

/// Says what helps where the system refuses a path.
fn remedy_for(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "let the user that this program runs as read it",
        _ => {
            "check the path: a folder is expected, or a file, of policies and other manifests as \
             `kubectl get -o yaml` prints them"
        }
    }
}

fn assembled(gathered: Gathered) -> Result<Assembled, Complaint> {
    let Gathered { objects, errors, files: _, version } = gathered;
    if !errors.is_empty() {
        return Err(refused(errors.iter().map(ToString::to_string)));
    }
    assemble_for(objects, version).map_err(|errors| refused(errors.iter().map(ToString::to_string)))
}

fn refused(errors: impl Iterator<Item = String>) -> Complaint {
    let mut lines: Vec<String> = errors.collect();
    let more = lines.len().saturating_sub(REFUSED_MAX);
    if more > 0 {
        lines.truncate(REFUSED_MAX);
        lines.push(format!("and {more} more; `flowstage policies lint` lists them all"));
    }
    Complaint::usage("the policies are not sound").caused_by(lines.join("\n"))
}
