//! What stands in `deploy/`, held against the program and against the tools that will read it.

mod configuration;
mod image;
mod kubernetes;
mod prometheus;

use std::path::PathBuf;

/// The path of a file of `deploy/`.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// The text of a file of `deploy/`.
pub(crate) fn read(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
