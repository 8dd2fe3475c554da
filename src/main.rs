//! The `flowstage` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    flowstage::cli::main()
}
