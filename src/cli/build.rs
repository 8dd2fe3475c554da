//! What the binary was built from.

use crate::http::Version;
use crate::telemetry::BuildInfo;

/// Set by whoever builds from a checkout: `FLOWSTAGE_REVISION=$(git rev-parse HEAD) cargo build`.
const REVISION: &str = match option_env!("FLOWSTAGE_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Found out by the build script.
const RUSTC: &str = match option_env!("FLOWSTAGE_RUSTC") {
    Some(rustc) => rustc,
    None => "unknown",
};

/// Returns the versions, for the metric that carries them.
pub(super) fn build_info() -> BuildInfo<'static> {
    // The client library's text lives as long as the program.
    let librdkafka: &'static str = Box::leak(librdkafka().into_boxed_str());
    BuildInfo { version: env!("CARGO_PKG_VERSION"), revision: REVISION, rustc: RUSTC, librdkafka }
}

/// Returns the versions, for people.
pub(super) fn version() -> Version {
    Version {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: REVISION.to_owned(),
        rustc: RUSTC.to_owned(),
        librdkafka: librdkafka(),
    }
}

fn librdkafka() -> String {
    rdkafka::util::get_rdkafka_version().1
}
