//! `flowstage version`.

use std::io::{self, Write};

use super::build::version;
use super::complaint::Exit;
use crate::http::Version;

/// Prints the versions of the program and of what it is built with.
pub(super) fn run() -> anyhow::Result<Exit> {
    let Version { version, revision, rustc, librdkafka } = version();
    let mut out = io::stdout().lock();
    writeln!(out, "flowstage {version}")?;
    writeln!(out, "revision: {revision}")?;
    writeln!(out, "rustc: {rustc}")?;
    writeln!(out, "librdkafka: {librdkafka}")?;
    out.flush()?;
    Ok(Exit::Fine)
}
