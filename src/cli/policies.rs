//! Policies for subcommands that judge: the demonstration's, or those of a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::complaint::Complaint;
use crate::evaluate::{Options, Programs};
use crate::generate::DEMO_MANIFESTS;
use crate::manifest::{Error, assemble, read};

/// Compiles the policies of a folder or file; without one, those of the demonstration, which are built in.
pub(super) fn load(path: Option<&Path>) -> Result<Arc<Programs>, Complaint> {
    let texts = match path {
        Some(path) => texts_below(path)?,
        None => DEMO_MANIFESTS.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec(),
    };
    let mut objects = Vec::new();
    let mut errors = Vec::new();
    for (name, text) in &texts {
        match read(text, name) {
            Ok(read) => objects.extend(read),
            Err(found) => errors.extend(found),
        }
    }
    if !errors.is_empty() {
        return Err(refused(&errors));
    }
    let assembled = assemble(objects).map_err(|errors| refused(&errors))?;
    Ok(Arc::new(Programs::compile_with(Arc::new(assembled.set), Options::private_pods())))
}

fn refused(errors: &[Error]) -> Complaint {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Complaint::usage("the policies are not sound").caused_by(lines.join("\n"))
}

/// Reads a file, or every manifest below a folder, in the order of their names.
fn texts_below(path: &Path) -> Result<Vec<(String, String)>, Complaint> {
    let cannot_read = |path: &Path, source: std::io::Error| {
        Complaint::failure(format!("cannot read the policies `{}`", path.display())).caused_by(source)
    };
    let mut texts = Vec::new();
    let mut open: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(next) = open.pop() {
        if next.is_dir() {
            for entry in std::fs::read_dir(&next).map_err(|it| cannot_read(&next, it))? {
                open.push(entry.map_err(|it| cannot_read(&next, it))?.path());
            }
            continue;
        }
        let is_manifest = next.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json");
        if is_manifest || next == path {
            let text = std::fs::read_to_string(&next).map_err(|it| cannot_read(&next, it))?;
            texts.push((next.display().to_string(), text));
        }
    }
    texts.sort();
    if texts.is_empty() {
        return Err(Complaint::failure(format!("there are no manifests below `{}`", path.display()))
            .remedy("manifests are files whose names end in .yaml, .yml or .json"));
    }
    Ok(texts)
}
