//! `flowstage version`.

use std::io::{self, Write};

use super::complaint::Exit;

/// Prints the versions of the program and of what it is built with.
pub(super) fn run() -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    writeln!(out, "flowstage {}", env!("CARGO_PKG_VERSION"))?;
    // Set by whoever builds from a checkout: `FLOWSTAGE_REVISION=$(git rev-parse HEAD) cargo build`.
    writeln!(out, "revision: {}", option_env!("FLOWSTAGE_REVISION").unwrap_or("unknown"))?;
    writeln!(out, "rustc: {}", option_env!("FLOWSTAGE_RUSTC").unwrap_or("unknown"))?;
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    writeln!(out, "librdkafka: {librdkafka}")?;
    out.flush()?;
    Ok(Exit::Fine)
}
